"""Inventory holds stock for an order and lets it go again."""

from __future__ import annotations

from orders.domain.order import Order
from orders.domain.saga import Step
from orders.downstream.http import Request, named, order_of
from orders.ports import Command


def request(command: Command) -> Request:
    if command.step is Step.RESERVE:
        return Request("/reservations", named(command) | {"lines": quantities(order_of(command))})
    if command.step is Step.RELEASE:
        return Request("/releases", named(command))
    raise ValueError(f"inventory does no {command.step}")


def quantities(order: Order) -> list[dict[str, object]]:
    """What to take from the shelf, and no price: fulfilment needs the same."""
    return [{"sku": line.sku, "quantity": line.quantity} for line in order.lines]
