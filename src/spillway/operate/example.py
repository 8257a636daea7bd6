"""An order as a client sends it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any


def example_order(receipt_of: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """Two mugs and a coupon, in pence, at the prices of the example store's book (web/book).

    `receipt_of` gives the payment gateway's receipt for the payment's reference, amount and
    currency.
    """
    paid: dict[str, Any] = {
        "reference": f"pay_{secrets.token_hex(4)}",
        "amount": 2 * 1_400 - 280 + 395,
        "currency": "GBP",
    }
    return {
        "channel": "retail",
        "currency": paid["currency"],
        "lines": [{"sku": "MUG-SAGE", "quantity": 2, "unit_price": 1_400}],
        "discounts": [{"coupon": "WELCOME10", "amount": 280}],
        "shipping": 395,
        "tax": 0,
        "total": paid["amount"],
        "address": {
            "name": "A. Buyer",
            "lines": ["1 High Street"],
            "city": "Leeds",
            "postal_code": "LS1 4AP",
            "country": "GB",
        },
        "payment": {**paid, "receipt": receipt_of(paid)},
    }
