"""Proof that the store's own pricing engine asks this price of this customer.

A price signature is `<key id>.<valid until, Unix seconds>.<HMAC-SHA256 in hex>` over everything
that costs money or decides what something costs. docs/pricing.md shows how an engine makes one;
docs/contracts/vectors/price_signature.json has examples.

It is not bound to an order id: the engine answers before there is one, and a customer may order
the same twice, paying twice. The receipt binds the payment to the order.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Literal

from orders.domain.order import Order
from orders.domain.signed_text import one_fact_a_line
from orders.domain.units import CustomerId, Millis

#: Before it, an engine says how long its price holds. A signature that is valid for years is a
#: mistake, and would be a voucher for old prices.
VALID_MAX_SECONDS = 7 * 24 * 60 * 60
#: Milliseconds in place of seconds have 13 digits: they are no time.
_DIGITS_MAX = 11

Verdict = Literal["valid", "invalid", "key_unknown", "expired", "valid_too_long"]


def sign(
    key: bytes, key_id: str, *, order: Order, customer_id: CustomerId, valid_until: int
) -> str:
    """What the pricing engine does. It is here for the load generator and for tests.

    `valid_until` is in Unix seconds. The payment of `order` is not looked at. Raises ValueError for
    texts with a line break: that is no order.
    """
    message = canonical(order, customer_id, valid_until).encode()
    return f"{key_id}.{valid_until}.{hmac.new(key, message, hashlib.sha256).hexdigest()}"


def verify(
    signature: str,
    order: Order,
    customer_id: CustomerId,
    keys: Mapping[str, bytes],
    *,
    priced_at: Millis,
    now: Millis,
) -> Verdict:
    """Hold a signature against the keys now in force (key id to key).

    It must be valid at `priced_at`, when its customer ordered, which may be a while before `now`.
    """
    key_id, _, rest = signature.partition(".")
    digits = rest.partition(".")[0]
    key = keys.get(key_id)
    if key is None:
        return "key_unknown"
    if not digits.isdecimal() or len(digits) > _DIGITS_MAX:
        return "invalid"
    valid_until = int(digits)
    try:
        expected = sign(key, key_id, order=order, customer_id=customer_id, valid_until=valid_until)
    except ValueError:
        return "invalid"
    # All of the text is compared, so that a time has one spelling.
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return "invalid"
    if priced_at > valid_until * 1000:
        return "expired"
    if valid_until * 1000 > now + VALID_MAX_SECONDS * 1000:
        return "valid_too_long"
    return "valid"


def canonical(order: Order, customer_id: CustomerId, valid_until: int) -> str:
    """What is signed. Raises ValueError for texts with a line break.

    The one text of a line comes last, so nothing can be moved within it either.
    """
    return one_fact_a_line(_facts(order, customer_id, valid_until))


def _facts(order: Order, customer_id: CustomerId, valid_until: int) -> Iterator[str]:
    address = order.address
    yield "spillway-price 1"
    yield f"valid_until {valid_until}"
    yield f"customer {customer_id}"
    yield f"channel {order.channel}"
    yield f"currency {order.currency}"
    yield f"country {address.country}"
    if address.state:
        yield f"state {address.state}"
    if address.postal_code:
        yield f"postal_code {address.postal_code}"
    for line in order.lines:
        yield f"line {line.quantity} {line.unit_price} {line.sku}"
    for discount in order.discounts:
        yield f"discount {discount.amount} {discount.coupon}"
    yield f"shipping {order.shipping}"
    yield f"tax {order.tax}"
    yield f"total {order.total}"
