"""Fulfilment ships an order's goods, and stops a shipment while it can."""

from __future__ import annotations

from orders.domain.saga import Step
from orders.downstream.http import Request, named, order_of
from orders.downstream.inventory import quantities
from orders.ports import Command


def request(command: Command) -> Request:
    if command.step is Step.SHIP:
        order = order_of(command)
        return Request(
            "/shipments",
            named(command)
            | {
                "channel": order.channel,
                "lines": quantities(order),
                "address": order.address.given,
            },
        )
    if command.step is Step.CANCEL_SHIPMENT:
        return Request("/shipment-cancellations", named(command))
    if command.step is Step.RECALL_SHIPMENT:
        return Request("/recalls", named(command))
    raise ValueError(f"fulfilment does no {command.step}")
