"""The form in which an order is compared, whichever side it was read from."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Canonical:
    """All that must agree. Times are Unix ms, amounts minor units; `state` is what the facts amount
    to, with the steps done of an open order."""

    old_key: str
    customer: str
    order_id: str
    accepted_at: int
    state: str
    channel: str
    currency: str
    lines: tuple[tuple[str, int, int], ...]
    discount: int
    shipping: int
    tax: int
    total: int
    address: tuple[str, ...]
    payment: str
    purchase_order: str

    @property
    def day(self) -> int:
        return self.accepted_at // DAY_MS

    @property
    def digest(self) -> int:
        values = tuple(getattr(self, own.name) for own in fields(self))
        return int.from_bytes(hashlib.blake2b(repr(values).encode(), digest_size=16).digest())


def differing(old: Canonical, new: Canonical) -> dict[str, tuple[object, object]]:
    """Field by field, what each side says."""
    return {
        own.name: (getattr(old, own.name), getattr(new, own.name))
        for own in fields(Canonical)
        if getattr(old, own.name) != getattr(new, own.name)
    }


@dataclass(slots=True)
class DaySums:
    """One day's orders: how many, how much by currency, and the sum of their digests. Two sides
    with the same sums hold the same orders, but for one chance in 2^128."""

    orders: int = 0
    digests: int = 0
    totals: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, order: Canonical) -> None:
        self.orders += 1
        self.digests = (self.digests + order.digest) % (1 << 128)
        self.totals[order.currency] += order.total


Days = Mapping[int, DaySums]


def unequal_days(old: Days, new: Days) -> set[int]:
    return {day for day in old.keys() | new.keys() if old.get(day) != new.get(day)}
