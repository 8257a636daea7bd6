"""reads: a customer's own orders, by key, never a scan (`own_orders_only`: the customer id is half
of every key and comes from the token alone)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orders.domain.order import OrderKey
from orders.ports import Orders, Progress

PAGE_DEFAULT = 20
PAGE_MAX = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. `before` is the order id to go on before, None at the end."""

    orders: Sequence[Progress]
    before: str | None


@dataclass(frozen=True, slots=True)
class Reads:
    orders: Orders

    def order(self, key: OrderKey) -> Progress | None:
        return self.orders.progress(key)

    def history(self, customer_id: str, limit: int, before: str | None) -> Page:
        """`limit` is 1 to PAGE_MAX orders."""
        return Page(*self.orders.history(customer_id, limit, before))
