"""The payment gateway's receipt: proof that this amount was taken for this order.

A receipt is `<key id>.<HMAC-SHA256 in hex>` over order id, amount, currency and payment reference,
so one that was issued for another order or another amount does not verify. The key id lets two
keys be valid side by side while one replaces the other.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

from orders.domain.order import Payment

Verdict = Literal["valid", "invalid", "key_unknown"]


def sign(
    key: bytes, key_id: str, *, order_id: str, reference: str, amount: int, currency: str
) -> str:
    """What the gateway does. It is here for the fake gateway and for tests."""
    # The reference comes last because it alone may hold any character: nothing can be moved
    # from one field to the next under the same signature.
    message = f"{order_id}\n{amount}\n{currency}\n{reference}".encode()
    return f"{key_id}.{hmac.new(key, message, hashlib.sha256).hexdigest()}"


def verify(payment: Payment, order_id: str, keys: Mapping[str, bytes]) -> Verdict:
    """Hold a payment's receipt against the keys now in force (key id to key)."""
    key_id = payment.receipt.partition(".")[0]
    key = keys.get(key_id)
    if key is None:
        return "key_unknown"
    expected = sign(
        key,
        key_id,
        order_id=order_id,
        reference=payment.reference,
        amount=payment.amount,
        currency=payment.currency,
    )
    matches = hmac.compare_digest(expected.encode(), payment.receipt.encode())
    return "valid" if matches else "invalid"
