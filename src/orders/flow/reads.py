"""reads: a customer's own orders, by key, never a scan (`own_orders_only`: the customer id is half
of every key and comes from the token alone)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orders.domain.caller import PERSONS, Claims
from orders.domain.looks import look_again_seconds
from orders.domain.order import OrderKey, is_order_id
from orders.domain.units import CustomerId, OrderId
from orders.ports import Clock, Orders, Progress

PAGE_DEFAULT = 20
PAGE_MAX = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. `before` is the order id to go on before, None at the end."""

    orders: Sequence[Progress]
    before: OrderId | None


class ForeignOrder(Exception):
    """Another customer's order was about to be shown: a bug, however it came about."""


@dataclass(frozen=True, slots=True)
class Reads:
    """The customer is part of the key, so another customer's order can't be found. Each order's
    customer is checked all the same: that this alarm never rings shows that the promise is kept.
    The handler reads `claims`."""

    orders: Orders
    clock: Clock
    claims: Claims = PERSONS

    def order(self, *keys: OrderKey) -> Progress | None:
        """The order under the first of these keys that has one."""
        for key in keys:
            # Any text can be in a path. Only an order id may reach the table.
            progress = self.orders.progress(key) if is_order_id(key.order_id) else None
            if progress is not None:
                _must_be_of((key.customer_id,), progress)
                return progress
        return None

    def look_again_seconds(self, progress: Progress) -> int | None:
        return look_again_seconds(progress.facts, progress.order.accepted_at, self.clock.now())

    def history(
        self, customer_ids: Sequence[CustomerId], limit: int, before: OrderId | None
    ) -> Page:
        """The orders of all these customers in one list; `limit` is 1 to PAGE_MAX.

        Order ids sort by time, whoever's they are, so one id says where each customer's page goes
        on. An id that is under two customers is one order here, as in `order`.
        """
        pages = [Page(*self.orders.history(one, limit, before)) for one in customer_ids]
        for progress in (order for page in pages for order in page.orders):
            _must_be_of(customer_ids, progress)
        if len(pages) == 1:
            return pages[0]
        found = {order.order.key.order_id: order for page in pages[::-1] for order in page.orders}
        ids = sorted(found, reverse=True)
        more = len(ids) > limit or any(page.before for page in pages)
        return Page(
            [found[order_id] for order_id in ids[:limit]], ids[:limit][-1] if more else None
        )


def _must_be_of(customer_ids: Sequence[CustomerId], progress: Progress) -> None:
    if progress.order.key.customer_id not in customer_ids:
        raise ForeignOrder
