"""Waiting until every order has settled, by asking as customers do: page by page.

Asking order by order would cost as many requests as there are orders, each round.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orders.domain.status import SETTLED
from spillway.run.load.clients import Client
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Placed
from spillway.run.workload import CUSTOMERS, Customer

PAGE = 100
PAGES_MAX = 10_000
POLL_SECONDS = 1.0


@dataclass(slots=True)
class Waiting:
    """Reads the status of orders until all have settled, or nothing has moved for a long time.

    `is_lost` is asked whenever nothing has settled since the last look: it knows better than time
    when there is nothing left to wait for.
    """

    client: Client
    placed: Sequence[Placed]
    on_settled: Callable[[Placed], None]
    now: Callable[[], float] = time.monotonic
    is_lost: Callable[[], bool] = lambda: False
    _settled: set[str] = field(default_factory=set)

    async def until_all_settled(self, more_to_come: Callable[[], bool] = lambda: False) -> bool:
        """True when all orders that were acknowledged and are closed have settled.

        Runs beside the placing: it goes on, and is never stalled, while `more_to_come()`.
        """
        patience = Patience(now=self.now)
        while True:
            coming = more_to_come()
            open_ = self._open()
            if not open_ and not coming:
                return True
            moved = await self._look(open_)
            stalled = not coming and patience.is_over(len(self._settled))
            if stalled or (not (moved or coming) and self.is_lost()):
                return False
            await self.client.sleep(POLL_SECONDS)

    def _open(self) -> list[Placed]:
        return [
            order
            for order in self.placed
            if order.acknowledged and order.closed and order.key.order_id not in self._settled
        ]

    async def _look(self, open_: Sequence[Placed]) -> bool:
        """Read the status of these orders; True when one of them has settled since."""
        by_customer: defaultdict[Customer, dict[str, Placed]] = defaultdict(dict)
        for order in open_:
            by_customer[order.customer][order.key.order_id] = order
        before = len(self._settled)
        for customer, orders in by_customer.items():
            await self._look_at(customer, orders)
        return len(self._settled) > before

    async def _look_at(self, customer: Customer, orders: dict[str, Placed]) -> None:
        """Newest first, so it ends with the oldest order that is still open."""
        unseen = set(orders)
        async for row in _history(self.client, customer):
            unseen.discard(row["order_id"])
            if row["order_id"] in orders:
                self._read(orders[row["order_id"]], row["status"])
            if not unseen:
                return

    def _read(self, order: Placed, status: str) -> None:
        order.status = status
        if status in SETTLED:
            self._settled.add(order.key.order_id)
            self.on_settled(order)


async def whole_histories(client: Client) -> dict[str, list[str]]:
    """Every customer's whole history: customer id to order ids."""
    return {
        client.tokens.customer_id(customer): [
            row["order_id"] async for row in _history(client, customer)
        ]
        for customer in CUSTOMERS
    }


async def _history(client: Client, customer: Customer) -> AsyncIterator[dict[str, Any]]:
    """A customer's orders, newest first, as far as the API answers."""
    cursor = None
    for _ in range(PAGES_MAX):
        reply = await client.history(customer, PAGE, cursor)
        if not reply.ok:
            return
        for row in reply.body["orders"]:
            yield row
        cursor = reply.body["cursor"]
        if cursor is None:
            return
