"""The comparison: sums by day over everything, then order by order where a day's sums differ.

While the shop goes on, the two sides are never read at the same moment, so some orders will seem to
differ. Each one is looked at again, on both sides, after `follow` has passed the place where the
binary log stood: only what still differs then is a difference.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from spillway.migrate.verifying.canonical import (
    DAY_MS,
    Canonical,
    DaySums,
    differing,
    unequal_days,
)
from spillway.migrate.verifying.new import NewSide, Place
from spillway.migrate.verifying.old import OldSide

#: More than this is no difference of orders but one of the whole mapping.
CANDIDATES_MAX = 200_000
KEYS_AT_ONCE = 100
LOOKS_MAX = 6
#: Both sides unchanged in so many looks, with `follow` past everything before each: no traffic.
SAME_LOOKS = 3
PAUSE_SECONDS = 0.5

#: Waits until everything that had happened when it was called is written; false if nobody follows.
Settle = Callable[[], bool]
#: The orders in quarantine now, and whether each is one that the new service has changed since it
#: was migrated. Such a one stays in the orders table; no other does.
Quarantined = Callable[[], Mapping[str, bool]]


@dataclass(frozen=True, slots=True)
class Difference:
    """`old` and `new`: what differs by field, or a word for the whole order."""

    key: str
    kind: str
    fields: Mapping[str, tuple[object, object]] = field(default_factory=dict)


@dataclass(slots=True)
class Verdict:
    old_orders: int = 0
    new_orders: int = 0
    quarantined: int = 0
    days: int = 0
    days_unequal: int = 0
    rechecked: int = 0
    sampled: bool = False
    differences: list[Difference] = field(default_factory=list)
    #: Orders and totals by month and currency, on either side.
    months: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not self.differences


@dataclass(slots=True)
class Verify:
    old: OldSide
    new: NewSide
    quarantined: Quarantined
    settle: Settle
    on_progress: Callable[[str, int], None]
    verdict: Verdict = field(default_factory=Verdict)

    def whole(self) -> Verdict:
        """Every order on both sides."""
        self.settle()
        aside = self.quarantined()
        old_days, self.verdict.old_orders = self._sums("old", self._old(aside))
        new_days, self.verdict.new_orders = self._sums("new", self.new.imported())
        self.verdict.quarantined = len(aside)
        self.verdict.days = len(old_days.keys() | new_days.keys())
        self._by_month(old_days, new_days)
        days = unequal_days(old_days, new_days)
        self.verdict.days_unequal = len(days)
        if days:
            self._judge(self._suspects(days, aside))
        return self.verdict

    def sample(self, size: int) -> Verdict:
        """So many orders of the old table, chosen at random. Orders that only the new one has are
        not found like this."""
        self.verdict.sampled = True
        keys = self.old.sample(size)
        self.verdict.old_orders = len(keys)
        self.verdict.quarantined = len(self.quarantined())
        self._judge({key: set() for key in keys})
        self.verdict.rechecked = 0
        return self.verdict

    def _old(self, aside: Mapping[str, bool]) -> Iterator[Canonical]:
        """The old side's orders. One that verification can't read, and that the copy did not set
        aside, shows as an order that only the new side has."""
        for key, order in self.old.all():
            if key not in aside and order is not None:
                yield order

    def _sums(self, side: str, orders: Iterable[Canonical]) -> tuple[dict[int, DaySums], int]:
        days: dict[int, DaySums] = defaultdict(DaySums)
        count = 0
        for order in orders:
            days[order.day].add(order)
            count += 1
            if count % 1_000 == 0:
                self.on_progress(side, count)
        self.on_progress(side, count)
        return dict(days), count

    def _suspects(self, days: set[int], aside: Mapping[str, bool]) -> dict[str, set[Place]]:
        """Keys whose orders differ on those days, with all places in which one was seen."""
        old: dict[str, set[int]] = defaultdict(set)
        new: dict[str, set[int]] = defaultdict(set)
        places: dict[str, set[Place]] = defaultdict(set)
        for order in self._old(aside):
            if order.day in days:
                old[order.old_key].add(order.digest)
        for order in self.new.imported():
            if order.day in days:
                new[order.old_key].add(order.digest)
                places[order.old_key].add((order.customer, order.order_id))
        keys = (key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return {key: places[key] for key in islice(keys, CANDIDATES_MAX)}

    def _judge(self, suspects: dict[str, set[Place]]) -> None:
        """Look again, until nothing differs or it has differed often enough."""
        self.verdict.rechecked = len(suspects)
        seen: list[list[Difference]] = []
        for look in range(LOOKS_MAX):
            followed = self.settle()
            seen.append(list(self._looked_at(suspects)))
            stays = seen[-SAME_LOOKS:] == [seen[-1]] * SAME_LOOKS
            if not seen[-1] or stays or (look > 0 and not followed):
                break
            suspects = {one.key: suspects[one.key] for one in seen[-1]}
            time.sleep(PAUSE_SECONDS * look)
        self.verdict.differences = seen[-1]

    def _looked_at(self, suspects: Mapping[str, set[Place]]) -> Iterator[Difference]:
        aside = self.quarantined()
        keys = list(suspects)
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            old = dict(self.old.some(some))
            wanted = {key: (o.customer, o.order_id) for key, o in old.items() if o is not None}
            for key, place in wanted.items():
                suspects[key].add(place)
            new = self.new.some([place for key in some for place in sorted(suspects[key])])
            for key in some:
                there = [new[place] for place in sorted(suspects[key]) if place in new]
                found = _difference(
                    key, old.get(key), [o for o in there if o.old_key == key], aside.get(key)
                )
                if found is not None:
                    yield found
            self.on_progress("again", min(start + KEYS_AT_ONCE, len(keys)))

    def _by_month(self, old: Mapping[int, DaySums], new: Mapping[int, DaySums]) -> None:
        for side, days in (("old", old), ("new", new)):
            for day, sums in days.items():
                month = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m")
                sums_of = self.verdict.months.setdefault(month, {"old": (0, 0), "new": (0, 0)})
                orders, total = sums_of[side]
                sums_of[side] = (orders + sums.orders, total + sum(sums.totals.values()))


def _difference(
    key: str, old: Canonical | None, new: list[Canonical], changed_since: bool | None
) -> Difference | None:
    """`changed_since` is None for an order that is not in quarantine."""
    if changed_since is not None:
        lies_there = bool(new) and not changed_since
        return Difference(key, "in quarantine and in the orders table") if lies_there else None
    if len(new) > 1:
        return Difference(key, "lies in the orders table more than once")
    if old is None:
        return Difference(key, "only in the orders table") if new else None
    if not new:
        return Difference(key, "not in the orders table")
    fields = differing(old, new[0])
    return Difference(key, "differs", fields) if fields else None
