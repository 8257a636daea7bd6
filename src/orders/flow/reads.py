"""reads: a customer's own orders, by key, never a scan (`own_orders_only`: the customer id is half
of every key and comes from the token alone)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    customer is checked all the same: that this alarm never rings shows that the promise is kept."""

    orders: Orders
    clock: Clock

    def order(self, key: OrderKey) -> Progress | None:
        # Any text can be in a path. Only an order id may reach the table.
        progress = self.orders.progress(key) if is_order_id(key.order_id) else None
        if progress is not None:
            _must_be_of(key.customer_id, progress)
        return progress

    def look_again_seconds(self, progress: Progress) -> int | None:
        return look_again_seconds(progress.facts, progress.order.accepted_at, self.clock.now())

    def history(self, customer_id: CustomerId, limit: int, before: OrderId | None) -> Page:
        """`limit` is 1 to PAGE_MAX orders."""
        page = Page(*self.orders.history(customer_id, limit, before))
        for progress in page.orders:
            _must_be_of(customer_id, progress)
        return page


def _must_be_of(customer_id: CustomerId, progress: Progress) -> None:
    if progress.order.key.customer_id != customer_id:
        raise ForeignOrder
