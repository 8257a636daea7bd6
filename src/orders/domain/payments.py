"""What becomes of a payment that the gateway has taken: its order stands, or the money goes back.

A customer whose phone dies between paying and sending has paid and has no order. The gateway knows:
each payment carries the customer and the order id that it was made for, as its receipt does. While
the id can be placed, the customer may still send the order; after that the id is made void, and
only then the money goes back (decision 0033).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

from orders.domain.order import AcceptedOrder, OrderKey, Payment, is_order_id, order_id_time
from orders.domain.refusals import ORDER_ID_AGE_MAX_MS, ORDER_ID_AHEAD_MAX_MS
from orders.domain.units import CustomerId, Millis, OrderId

#: An order is given to the table or the overflow queue within a minute of intake's last check of
#: its id, SQS counts it within another minute, and clocks differ by less than that.
SETTLING_MS = 60 * 60 * 1000
#: Once an id is so old, no order under it is on its way to the table or the overflow queue.
PLACEABLE_MS = ORDER_ID_AGE_MAX_MS + SETTLING_MS
#: DynamoDB's limit of a partition key, which the customer id is.
_CUSTOMER_ID_BYTES_MAX = 2048


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment as the gateway has it on record.

    `reference`: the gateway's own name for it, as in the receipt. `amount` and `given_back` are
    whole minor units. `key`: the order that it was made for, None where the gateway was not told,
    or was told what cannot be an order's.
    """

    reference: str
    amount: int
    currency: str
    at: Millis
    key: OrderKey | None
    given_back: int = 0

    @property
    def left(self) -> int:
        """What the gateway still has of it."""
        return self.amount - self.given_back


class Finding(StrEnum):
    #: It is its order's own, or pays the invoice of one on terms.
    ORDERED = "ordered"
    #: There is no order, and the customer may still send it.
    WAITING = "waiting"
    #: There is no order, and there will be none.
    NO_ORDER = "no_order"
    #: Its order was paid with another one, costs nothing, or was placed on terms just then.
    PAID_TWICE = "paid_twice"
    #: Its order says another amount or currency.
    DIFFERS = "differs"
    #: Its order stands, and the money has gone back.
    RETURNED_AND_ORDERED = "returned_and_ordered"
    #: Its order names another payment, which the gateway does not have.
    UNPAID = "unpaid"
    #: No order can be placed yet under its id, whose time is still to come; nor can the id be made
    #: void (decision 0033).
    FUTURE_ID = "future_id"
    #: The gateway was not told what it was made for.
    UNNAMED = "unnamed"


#: The money goes back.
SURPLUS = frozenset({Finding.NO_ORDER, Finding.PAID_TWICE})
#: Nobody but a person can say what is right.
FOR_A_PERSON = frozenset(
    {
        Finding.DIFFERS,
        Finding.RETURNED_AND_ORDERED,
        Finding.UNPAID,
        Finding.FUTURE_ID,
        Finding.UNNAMED,
    }
)


def order_key(customer_id: str | None, order_id: str | None) -> OrderKey | None:
    """The order that a payment names, None where no order can have such a key."""
    if not _is_customer_id(customer_id) or order_id is None or not is_order_id(order_id):
        return None
    return OrderKey(customer_id, order_id)


def is_placeable(order_id: OrderId, now: Millis) -> bool:
    """Whether an order may still be accepted under this id, or be on its way."""
    return now - order_id_time(order_id) <= PLACEABLE_MS


def finding(payment: Paid, order: AcceptedOrder | None, now: Millis) -> Finding:
    """What a payment is, by itself and by the order under its key: see `orders.flow.reconcile` for
    what more there is to know of a surplus."""
    if payment.key is None:
        return Finding.UNNAMED
    if order is None:
        return _without_order(payment.key.order_id, now)
    paid = order.order.payment
    if paid is None or not _may_be_its_own(payment, paid, payment.key.order_id):
        return Finding.PAID_TWICE
    if (paid.amount, paid.currency) != (payment.amount, payment.currency):
        return Finding.DIFFERS
    return Finding.ORDERED


def _may_be_its_own(payment: Paid, paid: Payment, order_id: OrderId) -> bool:
    if paid.terms is None:
        return paid.reference == payment.reference
    # Nothing was taken for it, whatever the credit decision is called. What is paid when no order
    # can be placed under the id any more, pays the invoice.
    return payment.at - order_id_time(order_id) > PLACEABLE_MS


def _without_order(order_id: OrderId, now: Millis) -> Finding:
    if order_id_time(order_id) - now > ORDER_ID_AHEAD_MAX_MS + SETTLING_MS:
        return Finding.FUTURE_ID
    return Finding.WAITING if is_placeable(order_id, now) else Finding.NO_ORDER


def _is_customer_id(text: str | None) -> TypeGuard[CustomerId]:
    return text is not None and 1 <= len(text.encode()) <= _CUSTOMER_ID_BYTES_MAX
