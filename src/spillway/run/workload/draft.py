"""An order before it has an id and a payment, and a fake payment gateway."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from orders.domain.order import Order, Payment
from orders.domain.receipt import sign

#: The users that every local stack has: two shoppers and a shop that resells.
Customer = Literal["shopper", "other", "wholesale"]
CUSTOMERS: tuple[Customer, ...] = ("shopper", "other", "wholesale")


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a customer decides: an order without its payment."""

    customer: Customer
    order: Order


def pay(draft: Draft, order_id: str, *, key_id: str, key: bytes) -> Order:
    """Take the payment as the gateway would, and sign its receipt: the order, ready to be sent.

    The reference is made of the id's random end: one payment belongs to one order, also when the
    same drafts are placed again.
    """
    if draft.order.total == 0:
        return draft.order
    amount, currency = draft.order.total, draft.order.currency
    reference = f"pay_{order_id[-12:]}"
    receipt = sign(
        key, key_id, order_id=order_id, reference=reference, amount=amount, currency=currency
    )
    return replace(draft.order, payment=Payment(reference, amount, currency, receipt))
