"""An order before it has an id and a payment, a fake payment gateway and a fake pricing engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from orders.domain import price_signature
from orders.domain.order import Order, OrderKey, Payment, order_id_time
from orders.domain.receipt import sign

#: The users that every local stack has: two shoppers and a shop that resells.
Customer = Literal["shopper", "other", "wholesale"]
CUSTOMERS: tuple[Customer, ...] = ("shopper", "other", "wholesale")


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a customer decides: an order without its payment.

    `engine_priced`: its prices are in no price book, so an engine must say that they are right.
    """

    customer: Customer
    order: Order
    engine_priced: bool = False


def pay(draft: Draft, order_key: OrderKey, *, key_id: str, key: bytes) -> Order:
    """Take the payment as the gateway would, and sign its receipt: the order, ready to be sent.

    The reference is made of the id's random end: one payment belongs to one order, also when the
    same drafts are placed again.
    """
    if draft.order.total == 0:
        return draft.order
    amount, currency = draft.order.total, draft.order.currency
    reference = f"pay_{order_key.order_id[-12:]}"
    receipt = sign(
        key, key_id, order_key=order_key, reference=reference, amount=amount, currency=currency
    )
    return replace(draft.order, payment=Payment(reference, amount, currency, receipt))


#: For as long as an order may be sent again.
_PRICE_VALID_SECONDS = 3_600


def sign_price(order: Order, key: OrderKey, *, key_id: str, price_key: bytes) -> str:
    """Agree to every price, as the pricing engine of a store would to its own."""
    return price_signature.sign(
        price_key,
        key_id,
        order=order,
        customer_id=key.customer_id,
        valid_until=order_id_time(key.order_id) // 1000 + _PRICE_VALID_SECONDS,
    )
