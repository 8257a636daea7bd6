"""Placing orders: so many customers at a time, each order perhaps in several copies at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orders.domain.order import OrderKey
from orders.domain.units import CustomerId
from spillway.ids import order_id
from spillway.run.load.clients import Client, Reply, Unanswered
from spillway.run.load.records import Acknowledgement, Answer
from spillway.run.stack import SigningKey
from spillway.run.workload import Customer, Draft, pay, sign_price


@dataclass(slots=True, kw_only=True)
class Placed(Acknowledgement):
    """An order that was sent, and all answers to it. Times are Unix milliseconds.

    `accept_seconds` is from the first sending to the first 2xx. `refusal` is the problem document
    of a final refusal; `last_attempt` says how the last attempt ended, if none was answered.
    `closed`: nothing more will be sent for this order.
    """

    customer: Customer
    sent_at: int
    price_signature: str | None = None
    answers: list[Answer] = field(default_factory=list)
    accept_seconds: float | None = None
    refusal: dict[str, Any] | None = None
    last_attempt: str | None = None
    during_outage: bool = False
    closed: bool = False

    @property
    def body(self) -> bytes:
        """The order as it is sent."""
        proof = {} if self.price_signature is None else {"price_signature": self.price_signature}
        return msgspec.json.encode(msgspec.to_builtins(self.order) | proof)

    @property
    def acknowledged(self) -> bool:
        return bool(self.answers)

    @property
    def unanswered(self) -> bool:
        return self.closed and not self.answers and self.refusal is None


#: After so many orders without any final answer the service counts as gone: the other customers
#: do not try, which would take each of them a minute.
UNANSWERED_MAX = 3


@dataclass(slots=True)
class Checkout:
    """Places orders, `clients` of them at a time.

    `cancel_after` maps a draft's number to the seconds from its acceptance to its cancellation.
    `on_closed` is called after each order that is done with.
    """

    client: Client
    receipt_key: SigningKey
    #: None where the stage takes no price signatures.
    price_key: SigningKey | None
    clients: int
    copies: int
    rng: random.Random
    on_closed: Callable[[Placed], None]
    cancel_after: Mapping[int, float] = field(default_factory=dict)
    during_outage: bool = False

    async def place(self, drafts: Iterable[Draft], placed: list[Placed]) -> None:
        """Place all, appending each to `placed` as it goes out; returns when all are closed."""
        numbered = enumerate(drafts)
        async with asyncio.TaskGroup() as later, asyncio.TaskGroup() as customers:
            for _ in range(self.clients):
                customers.create_task(self._shop(numbered, placed, later))

    async def place_at(
        self, per_second: float, drafts: Iterable[Draft], placed: list[Placed]
    ) -> None:
        """Place all at this rate, however many of those before are still waiting for an answer.

        `clients` does not count here: a crowd does not queue up because the shop is slow.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as later, asyncio.TaskGroup() as customers:
            for number, draft in enumerate(drafts):
                await self.client.sleep(max(0.0, began + number / per_second - time.monotonic()))
                customers.create_task(self._serve(number, draft, placed, later))

    async def _shop(
        self,
        numbered: Iterator[tuple[int, Draft]],
        placed: list[Placed],
        later: asyncio.TaskGroup,
    ) -> None:
        for number, draft in numbered:
            await self._serve(number, draft, placed, later)

    async def _serve(
        self, number: int, draft: Draft, placed: list[Placed], later: asyncio.TaskGroup
    ) -> None:
        if sum(order.unanswered for order in placed) >= UNANSWERED_MAX:
            return
        order = self._prepared(draft)
        placed.append(order)
        await self._send(order)
        wait = self.cancel_after.get(number)
        if order.acknowledged and wait is not None:
            # The next customer does not wait while this one changes their mind.
            later.create_task(self._cancel(order, wait))
        else:
            self._close(order)

    def _prepared(self, draft: Draft) -> Placed:
        now = time.time_ns() // 1_000_000
        made = order_id(now, self.rng)
        key = OrderKey(CustomerId(self.client.tokens.customer_id(draft.customer)), made)
        order = pay(draft, key, key_id=self.receipt_key.key_id, key=self.receipt_key.key)
        signer = self.price_key if draft.engine_priced else None
        return Placed(
            key=key,
            customer=draft.customer,
            order=order,
            sent_at=now,
            price_signature=(
                sign_price(order, key, key_id=signer.key_id, price_key=signer.key)
                if signer
                else None
            ),
            during_outage=self.during_outage,
        )

    async def _send(self, order: Placed) -> None:
        body = order.body
        async with asyncio.TaskGroup() as copies:
            for _ in range(self.copies):
                copies.create_task(self._send_copy(order, body, time.perf_counter()))

    async def _send_copy(self, order: Placed, body: bytes, began: float) -> None:
        try:
            reply = await self.client.place(order.customer, order.key.order_id, body)
        except Unanswered as unanswered:
            order.last_attempt = unanswered.last
            return
        if not reply.ok:
            order.refusal = {"status": reply.status, **reply.body}
            return
        if order.accept_seconds is None:
            order.accept_seconds = time.perf_counter() - began
        order.answers.append(Answer(reply.status, _text(reply, "accepted_at")))

    async def _cancel(self, order: Placed, wait: float) -> None:
        await self.client.sleep(wait)
        order.cancellation_sent = True
        with suppress(Unanswered):
            reply = await self.client.cancel(order.customer, order.key.order_id)
            # A refusal is an answer: the order was rejected before its customer cancelled it.
            order.cancellation_taken = reply.ok
        self._close(order)

    def _close(self, order: Placed) -> None:
        order.closed = True
        self.on_closed(order)


def _text(reply: Reply, name: str) -> str | None:
    value = reply.body.get(name)
    return value if isinstance(value, str) else None
