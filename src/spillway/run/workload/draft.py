"""An order before it has an id and a payment, and a fake payment gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orders.domain.order import Address, Channel, Discount, Line, Order, Payment
from orders.domain.receipt import sign

#: The users that every local stack has: two shoppers and a shop that resells.
Customer = Literal["shopper", "other", "wholesale"]
CUSTOMERS: tuple[Customer, ...] = ("shopper", "other", "wholesale")


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a customer decides. Amounts are whole minor units of `currency`.

    `source` says where it came from, for reports: "seed 1, order 17" or "invoice 536365".
    """

    source: str
    customer: Customer
    channel: Channel
    currency: str
    lines: tuple[Line, ...]
    shipping: int
    tax: int
    address: Address
    discounts: tuple[Discount, ...] = ()
    purchase_order: str | None = None

    @property
    def subtotal(self) -> int:
        return sum(line.quantity * line.unit_price for line in self.lines)

    @property
    def total(self) -> int:
        discounted = sum(discount.amount for discount in self.discounts)
        return self.subtotal - discounted + self.shipping + self.tax


def pay(draft: Draft, order_id: str, *, key_id: str, key: bytes) -> Order:
    """Take the payment as the gateway would, and sign its receipt: the order, ready to be sent.

    The reference is made of the id's random end: one payment belongs to one order, also when the
    same drafts are placed again.
    """
    reference = f"pay_{order_id[-12:]}"
    receipt = sign(
        key,
        key_id,
        order_id=order_id,
        reference=reference,
        amount=draft.total,
        currency=draft.currency,
    )
    return Order(
        channel=draft.channel,
        currency=draft.currency,
        lines=draft.lines,
        discounts=draft.discounts,
        shipping=draft.shipping,
        tax=draft.tax,
        total=draft.total,
        address=draft.address,
        payment=Payment(reference, draft.total, draft.currency, receipt),
        purchase_order=draft.purchase_order,
    )
