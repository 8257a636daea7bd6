"""The payment gateway's receipt: proof that this customer paid this amount for this order. Or a
credit decision in its place: proof that they may pay it by these terms.

A receipt is `v2.<key>.<HMAC-SHA256 in hex>` over `canonical`. Issued for another customer, order or
amount it does not verify. Who tells the gateway the customer may lie and gains nothing: the receipt
counts only for an order of the customer that it names. docs/contracts/vectors/receipt.json has
examples.

What stands before the last dot names the key, and thereby the form that this key signs, so a key
never proves less than it says, and nothing else: a key whose id begins with `credit.` signs credit
decisions alone, and no other key does. So who takes payments cannot give credit, and a decision
never passes for a payment. Keys without `v2.` sign the form of 0.2.0, which names no customer:
an order id is unique only for its customer, so one payment could buy the same order for two. They
are for the time in which a gateway changes over (docs/production.md), and go with a later release.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from orders.domain.order import OrderKey, Payment
from orders.domain.signed_text import one_fact_a_line

#: Begins the id of each key that signs the customer too. 0.2.0 found no key with a dot in its id,
#: so no stage can have one by chance.
_WITH_CUSTOMER = "v2."
#: Begins the id of each key that signs credit decisions.
_OF_CREDIT = "credit."

Verdict = Literal["valid", "invalid", "key_unknown"]


def sign(
    key: bytes,
    key_id: str,
    *,
    order_key: OrderKey,
    reference: str,
    amount: int,
    currency: str,
    terms: str | None = None,
) -> str:
    """What the gateway does, and who gives credit. It is here for the fake gateway and for tests.

    `key_id` decides the form. Raises ValueError for texts with a line break, and for terms where
    the key signs payments, or none where it signs credit: that is no receipt.
    """
    of_credit = signs_credit(key_id)
    if of_credit != (terms is not None):
        raise ValueError("this key signs the other kind")
    form: Callable[[OrderKey, str, int, str], str]
    if terms is not None:
        form = partial(canonical_of_credit, terms=terms)
    else:
        form = canonical if names_customer(key_id) else _canonical_of_0_2_0
    message = form(order_key, reference, amount, currency).encode()
    return f"{key_id}.{hmac.new(key, message, hashlib.sha256).hexdigest()}"


def verify(payment: Payment, order_key: OrderKey, keys: Mapping[str, bytes]) -> Verdict:
    """Hold a payment's receipt against the keys now in force (key id to key)."""
    key_id = payment.receipt.rpartition(".")[0]
    key = keys.get(key_id)
    if key is None:
        return "key_unknown"
    try:
        expected = sign(
            key,
            key_id,
            order_key=order_key,
            reference=payment.reference,
            amount=payment.amount,
            currency=payment.currency,
            terms=payment.terms,
        )
    except ValueError:
        return "invalid"
    matches = hmac.compare_digest(expected.encode(), payment.receipt.encode())
    return "valid" if matches else "invalid"


def signs_credit(key_id: str) -> bool:
    return key_id.startswith(_OF_CREDIT)


def names_customer(receipt_or_key_id: str) -> bool:
    """Whether what is signed names the customer."""
    return receipt_or_key_id.startswith((_WITH_CUSTOMER, _OF_CREDIT))


def canonical_of_credit(
    order_key: OrderKey, reference: str, amount: int, currency: str, *, terms: str
) -> str:
    """What is signed of a credit decision. Raises ValueError for texts with a line break."""
    return one_fact_a_line(
        (
            "spillway-credit 1",
            f"customer {order_key.customer_id}",
            f"order {order_key.order_id}",
            f"amount {amount}",
            f"currency {currency}",
            f"terms {terms}",
            f"reference {reference}",
        )
    )


def canonical(order_key: OrderKey, reference: str, amount: int, currency: str) -> str:
    """What is signed. Raises ValueError for texts with a line break."""
    return one_fact_a_line(
        (
            "spillway-receipt 2",
            f"customer {order_key.customer_id}",
            f"order {order_key.order_id}",
            f"amount {amount}",
            f"currency {currency}",
            f"reference {reference}",
        )
    )


def _canonical_of_0_2_0(order_key: OrderKey, reference: str, amount: int, currency: str) -> str:
    # The reference comes last because it alone may hold any character.
    return f"{order_key.order_id}\n{amount}\n{currency}\n{reference}"
