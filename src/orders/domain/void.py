"""Proof that no order will ever be accepted under an id, so that its payment may go back.

A proof is `<key id>.<HMAC-SHA256 in hex>` by a receipt key, which the payment gateway has too: it
checks a proof without a request. The service makes one only after it has stored that the id is
void. A proof stays true, so it carries no time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from orders.domain.order import OrderKey


def proofs(key: OrderKey, keys: Mapping[str, bytes]) -> Sequence[str]:
    """A proof by each key in force (key id to key): while one replaces the other, a gateway may
    have only one of them."""
    return [_sign(key, key_id, secret) for key_id, secret in sorted(keys.items())]


def is_proven(proof: str, key: OrderKey, keys: Mapping[str, bytes]) -> bool:
    """What the gateway checks before it gives the payment of this customer's order back. It is
    here for the fake gateway and for tests."""
    key_id = proof.rpartition(".")[0]
    secret = keys.get(key_id)
    if secret is None:
        return False
    return hmac.compare_digest(_sign(key, key_id, secret).encode(), proof.encode())


def _sign(key: OrderKey, key_id: str, secret: bytes) -> str:
    # A line for each fact, its name first, as in a receipt; the first line keeps one from being the
    # other. The customer comes last because it alone may hold any character.
    message = f"spillway-void 1\norder {key.order_id}\ncustomer {key.customer_id}".encode()
    return f"{key_id}.{hmac.new(secret, message, hashlib.sha256).hexdigest()}"
