"""Changes of the orders table, as relay and the watch take them from its stream."""

from __future__ import annotations

from dataclasses import dataclass

from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.saga import Facts


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """A new order is in the table."""

    order: AcceptedOrder

    @property
    def key(self) -> OrderKey:
        return self.order.key


@dataclass(frozen=True, slots=True)
class FactsChanged:
    """An order's progress was written."""

    key: OrderKey
    before: Facts
    after: Facts


Change = OrderPlaced | FactsChanged
