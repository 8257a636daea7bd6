"""The comparison: sums by day over everything, then order by order where a day's sums differ.

While the shop is open, the two sides are never read at the same moment, so some orders seem to
differ. Each is read again, on both sides, after `follow` has passed the position where the binary
log was: what still differs then is a difference.

That second look asks for orders by their numbers, and a look-up that finds nothing proves nothing.
So what it clears is counted once more, in another reading of everything: an order that is unequal
there as it was before is a difference, whatever the looks between the two have found.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

from spillway.migrate.old.connection import Missing
from spillway.migrate.verifying.canonical import Canonical, DaySums, Place, Sides, different_sides
from spillway.migrate.verifying.new import NewSide
from spillway.migrate.verifying.old import NONE, OldSide

#: With more suspects the orders do not differ, but the whole mapping.
CANDIDATES_MAX = 200_000
KEYS_AT_ONCE = 100
LOOKS_MAX = 6
#: A difference is final after so many equal looks, each after `follow` had caught up.
SAME_LOOKS = 3
PAUSE_SECONDS = 0.5
BACK_PAUSE_SECONDS = 1.0

READING_OLD = "Reading the old table"
READING_NEW = "Reading the orders table"
READING_AGAIN = "Reading again what seems to differ"

#: Waits until every change until now is written; false if nothing follows.
Settle = Callable[[], bool]
#: The keys in quarantine now, and whether the new service has changed the order since it was
#: migrated. Such an order stays in the orders table; no other one does.
Quarantined = Callable[[], Mapping[str, bool]]
#: Called with the stage, and how many orders of it are read.
OnProgress = Callable[[str, int], None]
Days = dict[int, DaySums]
#: What a reading of everything has of one order: the digests on both sides, and its places.
Seen = tuple[list[int], list[int], set[Place]]


@dataclass(frozen=True, slots=True)
class Difference:
    """`fields` is empty where the whole order differs, as `kind` says."""

    key: str
    kind: str
    fields: Mapping[str, Sides] = field(default_factory=dict)


@dataclass(slots=True)
class Verdict:
    sampled: bool = False
    old_orders: int = 0
    new_orders: int = 0
    quarantined: int = 0
    days: int = 0
    days_looked_into: int = 0
    orders_looked_at_again: int = 0
    #: Orders and their total by month, on either side.
    months: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.differences


@dataclass(slots=True)
class Verify:
    old: OldSide
    new: NewSide
    quarantined: Quarantined
    settle: Settle
    on_progress: OnProgress
    verdict: Verdict = field(default_factory=Verdict)
    #: What the last look did not find in the old table.
    _not_found: set[str] = field(default_factory=set)

    def compare(self, sample: int | None) -> Verdict:
        """Compare all orders, or so many random ones."""
        return self.whole() if sample is None else self.sample(sample)

    def whole(self) -> Verdict:
        self.settle()
        aside = self.quarantined()
        unread: set[str] = set()
        old_days, self.verdict.old_orders = self._sums(READING_OLD, self._old(aside, unread))
        new_days, self.verdict.new_orders = self._sums(READING_NEW, self._new(aside))
        all_days = old_days.keys() | new_days.keys()
        unequal = {day for day in all_days if old_days.get(day) != new_days.get(day)}
        self.verdict.quarantined = len(aside)
        self.verdict.days = len(all_days)
        self.verdict.days_looked_into = len(unequal)
        self.verdict.months = _by_month({"old": old_days, "new": new_days})
        if unequal or unread:
            seen = self._suspects(unequal)
            suspects = {key: set(places) for key, (_, _, places) in seen.items()}
            self._judge({**dict.fromkeys(unread, frozenset()), **suspects})
            if self.verdict.clean and seen:
                self._count_again(unequal, seen)
        return self.verdict

    def _count_again(self, days: set[int], seen: Mapping[str, Seen]) -> None:
        self.settle()
        self.verdict.differences = [
            Difference(key, "unequal in two readings of everything, and equal between them")
            for key, found in self._suspects(days).items()
            if found == seen.get(key)
        ]

    def sample(self, size: int) -> Verdict:
        """Compare so many random orders of the old table. This does not find orders that only the
        new one has."""
        keys = self.old.sample(size)
        self.verdict.sampled = True
        self.verdict.old_orders = len(keys)
        self.verdict.quarantined = len(self.quarantined())
        self._judge(dict.fromkeys(keys, frozenset()))
        lost = self.old.present(self._not_found) if self._not_found else set()
        self.verdict.differences += [
            Difference(key, "in the old table, and not found there by its number") for key in lost
        ]
        return self.verdict

    def _old(self, aside: Mapping[str, bool], unread: set[str]) -> Iterator[Canonical]:
        """The old side's orders. `unread` gets the keys of those that are none here, although the
        copy did not quarantine them."""
        for key, order in self.old.all():
            if key in aside:
                continue
            if order is not None:
                yield order
            elif len(unread) < CANDIDATES_MAX:
                unread.add(key)

    def _new(self, aside: Mapping[str, bool]) -> Iterator[Canonical]:
        """The new side's, without those that it has changed itself since they were migrated."""
        return (order for order in self.new.imported() if not aside.get(order.old_key))

    def _sums(self, stage: str, orders: Iterable[Canonical]) -> tuple[Days, int]:
        days: Days = defaultdict(DaySums)
        count = 0
        for count, order in enumerate(orders, start=1):
            days[order.day].add(order)
            if count % 1_000 == 0:
                self.on_progress(stage, count)
        self.on_progress(stage, count)
        return dict(days), count

    def _suspects(self, days: set[int]) -> dict[str, Seen]:
        """By key, the orders that differ on those days in a reading of everything."""
        found: dict[str, Seen] = defaultdict(lambda: ([], [], set()))
        aside = self.quarantined()
        for order in self._old(aside, set()):
            if order.day in days:
                found[order.old_key][0].append(order.digest)
        for order in self._new(aside):
            if order.day in days:
                _, digests, places = found[order.old_key]
                digests.append(order.digest)
                places.add(order.place)
        differing = (
            (key, seen) for key, seen in found.items() if sorted(seen[0]) != sorted(seen[1])
        )
        return dict(islice(differing, CANDIDATES_MAX))

    def _judge(self, wanted: Mapping[str, Collection[Place]]) -> None:
        """Read them again, until nothing differs or it has differed often enough."""
        suspects = {key: set(places) for key, places in wanted.items()}
        self.verdict.orders_looked_at_again = 0 if self.verdict.sampled else len(suspects)
        seen: list[list[Difference]] = []
        for look in range(LOOKS_MAX):
            followed = self.settle()
            seen.append(list(self._differences(suspects)))
            stays = seen[-SAME_LOOKS:] == [seen[-1]] * SAME_LOOKS
            if not seen[-1] or stays or (look > 0 and not followed):
                break
            suspects = {one.key: suspects[one.key] for one in seen[-1]}
            time.sleep(PAUSE_SECONDS * look)
        self.verdict.differences = seen[-1]

    def _differences(self, suspects: Mapping[str, set[Place]]) -> Iterator[Difference]:
        aside = self.quarantined()
        keys = list(suspects)
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            # The database may hold others to be the same.
            old = {key: order for key, order in self.old.some(some) if key in suspects}
            self._not_found = (self._not_found | set(some)) - old.keys()
            for key, order in old.items():
                if order is not None:
                    suspects[key].add(order.place)
            new = self.new.some([place for key in some for place in sorted(suspects[key])])
            for key in some:
                there = (new[place] for place in sorted(suspects[key]) if place in new)
                alike = [order for order in there if order.old_key == key]
                found = _difference(key, old, alike, aside.get(key))
                if found is not None:
                    yield found
            self.on_progress(READING_AGAIN, start + len(some))


def _by_month(sides: Mapping[str, Days]) -> dict[str, dict[str, tuple[int, int]]]:
    orders: Counter[tuple[str, str]] = Counter()
    totals: Counter[tuple[str, str]] = Counter()
    for side, days in sides.items():
        for day, sums in days.items():
            month = f"{date(1970, 1, 1) + timedelta(days=day):%Y-%m}"
            orders[month, side] += sums.orders
            totals[month, side] += sums.total
    return {
        month: {side: (orders[month, side], totals[month, side]) for side in sides}
        for month, _ in orders
    }


def _difference(
    key: str,
    there: Mapping[str, Canonical | None],
    new: list[Canonical],
    changed_since: bool | None,
) -> Difference | None:
    """`there` are old orders, None for those that are none here. `changed_since` is None for an
    order that is not in quarantine."""
    if changed_since is not None:
        both = bool(new) and not changed_since
        return Difference(key, "in quarantine and in the orders table") if both else None
    if len(new) > 1:
        return Difference(key, "more than once in the orders table")
    if key not in there:
        return Difference(key, "only in the orders table") if new else None
    old = there[key]
    if old is None:
        return Difference(key, "no order in the old table, and not in quarantine")
    if not new:
        return Difference(key, "not in the orders table")
    fields = different_sides(old._asdict(), new[0]._asdict())
    return Difference(key, "differs", fields) if fields else None


@dataclass
class VerifyBack:
    """verify --back: does the old table have every order of the orders table, as it is now?"""

    old: OldSide
    new: NewSide
    on_progress: OnProgress
    #: Old orders that were never in the new table.
    quarantined: Quarantined
    #: Longer with each look: `back` may be some seconds behind.
    pause_seconds: float = BACK_PAUSE_SECONDS
    verdict: Verdict = field(default_factory=Verdict)

    def run(self) -> Verdict:
        verdict = self.verdict
        found: dict[Place, Difference] = {}
        orders = self.new.everything()
        while some := list(islice(orders, KEYS_AT_ONCE)):
            verdict.new_orders += len(some)
            found |= self._compared(some)
            self.on_progress(READING_NEW, verdict.new_orders)
        verdict.orders_looked_at_again = len(found)
        for look in range(LOOKS_MAX):
            if not found:
                break
            time.sleep(self.pause_seconds * look)
            found = dict(self._compared(list(self.new.some(list(found)).values())))
        verdict.differences = list(found.values())
        verdict.old_orders = self.old.count()
        aside = self.quarantined().items()
        verdict.quarantined = sum(key != NONE and not changed for key, changed in aside)
        # An order that only the old table has would show in the number alone.
        surplus = verdict.old_orders - verdict.quarantined - verdict.new_orders
        if surplus > 0 and verdict.clean:
            kind = f"{surplus:,} orders are only in the old table"
            verdict.differences = [Difference("(number)", kind)]
        return verdict

    def _compared(self, orders: Sequence[Canonical]) -> Iterator[tuple[Place, Difference]]:
        numbers = self._numbers([order.order_id for order in orders if not order.old_key])
        keys = {order.place: order.old_key or numbers.get(order.place, "") for order in orders}
        old = dict(self.old.some([key for key in keys.values() if key]))
        for order in orders:
            key = keys[order.place]
            there = old.get(key)
            if there is None:
                name = key or f"{order.customer}/{order.order_id}"
                yield order.place, Difference(name, "not in the old table")
                continue
            fields = different_sides(self._comparable(there), self._comparable(order))
            if fields:
                yield order.place, Difference(key, "differs", fields)

    def _numbers(self, order_ids: Sequence[str]) -> dict[Place, str]:
        """Old order numbers of new orders, by `back`'s own table."""
        if not order_ids:
            return {}
        query = (
            "SELECT customer, order_id, old_key FROM spillway_back WHERE old_key IS NOT NULL"  # noqa: S608
            f" AND order_id IN ({', '.join(['%s'] * len(order_ids))})"
        )
        try:
            rows = list(self.old.rows(query, tuple(order_ids)))
        except Missing:  # `back` never ran.
            return {}
        return {(row["customer"], row["order_id"]): row["old_key"] for row in rows}

    def _comparable(self, order: Canonical) -> dict[str, Any]:
        """What both tables can hold: times to the second, a state in the old shop's coarser words,
        and of an address what has a column."""
        parts = dict(order.address)
        return {
            "customer": order.customer.removeprefix(self.old.config.customers.prefix),
            "placed at (s)": order.accepted_at // 1_000,
            "state": order.state.outcome,
            "currency": order.currency,
            "lines": sorted(order.lines),
            "discount": order.discount,
            "shipping": order.shipping,
            "tax": order.tax,
            "total": order.total,
            **{f"address.{part}": parts.get(part, "") for part in self._address_columns},
        }

    @cached_property
    def _address_columns(self) -> tuple[str, ...]:
        """The parts of an address that have a column. Lines close up where one is empty, so all of
        them count, or none."""
        fields = self.old.config.order.address
        single = {"name": fields.name, "city": fields.city, "country": fields.country}
        parts = tuple(name for name, one in {**single, **fields.optional}.items() if one.column)
        lines = tuple(f"line {place}" for place in range(1, len(fields.lines) + 1))
        return (*parts, *(lines if all(one.column for one in fields.lines) else ()))
