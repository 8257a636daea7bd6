"""An imported order's id: a UUIDv7 made of the row's time and key, the same in every run.

Real UUIDv7s have 74 random bits; these have 74 bits of SHA-256 over the source's name and the
order's old key. So they are as unlikely to meet a client's id as two clients' ids are to meet, and
a customer's history stays sorted by time across both kinds.
"""

from __future__ import annotations

import hashlib

from orders.domain.order import order_id_of
from orders.domain.units import Millis


def order_id(source: str, key: str, created_at: int) -> str:
    """`source` is the old table's name, `created_at` Unix milliseconds."""
    bits = int.from_bytes(hashlib.sha256(f"{source}\0{key}".encode()).digest()[:10], "big") >> 6
    return order_id_of(Millis(created_at), bits)
