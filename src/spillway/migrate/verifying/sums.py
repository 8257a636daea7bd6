"""What two readings of everything are first compared by, in a memory that the table does not grow.

Each order falls into one of many groups, by its number. A group has the sum of its orders' digests:
if it is the same on both sides, so are the orders, except for one chance in 2^64. Only the orders
of unequal groups are then held side by side.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta

#: With 100 million orders a group has 400, so that one order that differs costs no more than these.
GROUPS = 1 << 18
_LARGEST = (1 << 64) - 1


def group_of(old_key: str) -> int:
    return hash(old_key) % GROUPS


@dataclass(slots=True)
class Sums:
    """Of one side: by group the orders and the sum of their digests; by day the orders and the sum
    of their totals."""

    orders: int = 0
    counts: array[int] = field(default_factory=lambda: array("Q", bytes(8 * GROUPS)))
    digests: array[int] = field(default_factory=lambda: array("Q", bytes(8 * GROUPS)))
    orders_of_day: Counter[int] = field(default_factory=Counter)
    total_of_day: Counter[int] = field(default_factory=Counter)

    def add(self, old_key: str, digest: int) -> None:
        group = group_of(old_key)
        self.orders += 1
        self.counts[group] += 1
        self.digests[group] = (self.digests[group] + digest) & _LARGEST

    def add_to_day(self, day: int, total: int) -> None:
        self.orders_of_day[day] += 1
        self.total_of_day[day] += total


def unequal_groups(old: Sums, new: Sums) -> list[int]:
    sides = zip(old.counts, new.counts, old.digests, new.digests, strict=True)
    return [
        group
        for group, (count, other, digest, another) in enumerate(sides)
        if digest != another or count != other
    ]


def chosen(groups: list[int], old: Sums, new: Sums, orders_max: int) -> set[int]:
    """Of these groups random ones with so many orders at most, but always one."""
    kept: set[int] = set()
    orders = 0
    for group in random.sample(groups, len(groups)):
        orders += old.counts[group] + new.counts[group]
        if kept and orders > orders_max:
            break
        kept.add(group)
    return kept


def by_month(old: Sums, new: Sums) -> dict[str, dict[str, tuple[int, int]]]:
    """By month and side, the orders and the sum of their totals."""
    orders: Counter[tuple[str, str]] = Counter()
    totals: Counter[tuple[str, str]] = Counter()
    for side, sums in (("old", old), ("new", new)):
        for day, count in sums.orders_of_day.items():
            month = f"{date(1970, 1, 1) + timedelta(days=day):%Y-%m}"
            orders[month, side] += count
            totals[month, side] += sums.total_of_day[day]
    return {
        month: {side: (orders[month, side], totals[month, side]) for side in ("old", "new")}
        for month, _ in orders
    }
