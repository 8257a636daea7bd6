"""What two readings of everything are first compared by, in a memory that the table does not grow.

Each order falls into one of many groups, by its number. A group has the sum of its orders' digests:
if it is the same on both sides, so are the orders, except for one chance in 2^64. Only the orders
of unequal groups are then held side by side.
"""

from __future__ import annotations

import math
import random
from array import array
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

#: A group has two orders, and 25 where there are 100 million: then the groups take 64 MB.
GROUPS_MIN, GROUPS_MAX = 1 << 16, 1 << 22
_LARGEST = (1 << 64) - 1


def groups_for(orders: int) -> int:
    """How many groups about so many orders are divided into: a power of two."""
    return min(GROUPS_MAX, max(GROUPS_MIN, 1 << (orders // 2).bit_length()))


class Sums:
    """Of one side: by group the sum of its orders' digests; by day the orders and the sum of their
    totals."""

    def __init__(self, groups: int) -> None:
        self.orders = 0
        self.digests = array("Q", [0]) * groups
        self.orders_of_day: Counter[int] = Counter()
        self.total_of_day: Counter[int] = Counter()
        self._last = groups - 1

    def add(self, old_key: str, digest: int) -> None:
        group = hash(old_key) & self._last
        self.orders += 1
        self.digests[group] = (self.digests[group] + digest) & _LARGEST

    def add_to_day(self, day: int, total: int) -> None:
        self.orders_of_day[day] += 1
        self.total_of_day[day] += total


@dataclass(frozen=True, slots=True)
class Unequal:
    """Groups whose sums differ: those to look into, and about how many orders the others have."""

    groups: frozenset[int]
    orders_left_out: int
    _last: int

    def __contains__(self, old_key: str) -> bool:
        return hash(old_key) & self._last in self.groups


def unequal(old: Sums, new: Sums, orders_max: int) -> Unequal:
    """`orders_max`: so many orders of both sides may be held side by side, about; but always those
    of one group. Which ones is chance."""
    sides = zip(old.digests, new.digests, strict=True)
    groups = [group for group, (mine, theirs) in enumerate(sides) if mine != theirs]
    average = max(2, (old.orders + new.orders) / len(old.digests))
    chosen = random.sample(groups, min(len(groups), max(1, int(orders_max / average))))
    left_out = (len(groups) - len(chosen)) * average / 2
    return Unequal(frozenset(chosen), math.ceil(left_out), len(old.digests) - 1)


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
        for month in sorted({month for month, _ in orders})
    }
