"""Accounting books an order, and gives the money back."""

from __future__ import annotations

from orders.domain.saga import Step
from orders.downstream.http import Request, named, order_of
from orders.ports import Command


def request(command: Command) -> Request:
    if command.step is Step.POST:
        order = order_of(command)
        return Request(
            "/postings",
            named(command)
            | {
                "channel": order.channel,
                "currency": order.currency,
                "lines": order.lines,
                "discounts": order.discounts,
                "shipping": order.shipping,
                "tax": order.tax,
                "total": order.total,
                "payment_reference": order.payment and order.payment.reference,
                "purchase_order": order.purchase_order,
            },
        )
    if command.step is Step.REFUND:
        order = order_of(command)
        return Request(
            "/refunds",
            named(command)
            | {
                "payment_reference": order.payment and order.payment.reference,
                "amount": order.total,
                "currency": order.currency,
            },
        )
    raise ValueError(f"accounting does no {command.step}")
