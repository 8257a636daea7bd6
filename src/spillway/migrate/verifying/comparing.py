"""The comparison: sums over everything, then order by order where they are unequal.

While the shop is open, the two sides are never read at the same moment, so some orders seem to
differ. Each is read again, on both sides, after `follow` has passed the position where the binary
log was: what still differs then is a difference.

That second look asks for orders by their numbers, and a look-up that finds nothing proves nothing.
So what it clears is counted once more, in another reading of everything: an order that is unequal
again, and whose rows have not changed meanwhile, is a difference, whatever the looks have found.

Where `follow` does not run, or cannot keep up, a difference may only be a change that is not
written yet. Then the verdict is `unsure`, and says so.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from spillway.errors import SpillwayError
from spillway.migrate.verifying.canonical import Canonical, Place
from spillway.migrate.verifying.naming import Sides, differing
from spillway.migrate.verifying.new import NewSide
from spillway.migrate.verifying.old import OldSide
from spillway.migrate.verifying.sums import Sums, Unequal, by_month, groups_for, unequal

#: Orders that are held side by side, at most: what more there is has no place in memory.
CANDIDATES_MAX = 100_000
KEYS_AT_ONCE = 100
LOOKS_MAX = 6
#: A difference is final after so many equal looks, each after `follow` had caught up.
SAME_LOOKS = 3
PAUSE_SECONDS = 0.5

ONLY_NEW = "only in the orders table"
UNREAD = "no order in the old table, and not in quarantine"

READING_OLD = "Reading the old table"
READING_NEW = "Reading the orders table"
OLD_AGAIN = "Reading the old table again"
NEW_AGAIN = "Reading the orders table again"
LOOKING = "Looking at the orders that seem to differ"

#: What `follow` has made of the changes until now: written them all; it does not run, and has not;
#: it runs, and did not get there in time.
FollowState = Literal["caught up", "stopped", "behind"]
#: Further looks show nothing new where nothing is written, or each takes minutes.
_LOOKS: Mapping[FollowState, int] = {"caught up": SAME_LOOKS, "stopped": 2, "behind": 1}
#: Waits until every change until now is written.
Settle = Callable[[], FollowState]
#: The keys in quarantine now, and whether the new service has changed the order since it was
#: migrated. Such an order stays in the orders table; no other one does.
Quarantined = Callable[[], Mapping[str, bool]]
#: Called with the stage, and how many orders of it are read.
OnProgress = Callable[[str, int], None]


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
    orders_looked_at_again: int = 0
    #: About so many orders may differ too and were not looked at: there were too many.
    orders_not_looked_at: int = 0
    #: Other than "caught up" if it once was while they were compared.
    followed: FollowState = "caught up"
    #: Orders and their total by month, on either side.
    months: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    #: Of orders that changed between all looks: how they differed at the last.
    unsettled: list[Difference] = field(default_factory=list)

    @property
    def result(self) -> Literal["equal", "differs", "unsure"]:
        if self.differences:
            return "differs" if self.followed == "caught up" else "unsure"
        return "unsure" if self.unsettled or self.orders_not_looked_at else "equal"

    @property
    def clean(self) -> bool:
        return self.result == "equal"

    @property
    def summary(self) -> str:
        """What was found where they are not equal."""
        count = len(self.differences) + len(self.unsettled)
        differ = f"{count:,} of {self.old_orders:,} orders differ"
        return differ if self.result == "differs" else f"Not sure: {differ}; {self.why_unsure}"

    @property
    def why_unsure(self) -> str:
        """What kept it from being sure, and the next step."""
        if self.followed == "stopped":
            return (
                "`spillway migrate follow` does not run, and has not written all changes: start it,"
                " and verify again"
            )
        if self.followed == "behind":
            return (
                "`spillway migrate follow` did not catch up in time: verify again when the lag in"
                " `spillway migrate status` is small"
            )
        if self.orders_not_looked_at:
            return (
                f"some {self.orders_not_looked_at:,} more may differ, too many to look at each: the"
                " mapping has changed (`copy --again`), or the shop was too busy: verify again at a"
                " quieter hour, or with --sample"
            )
        return "these orders changed whenever they were read: verify again at a quieter hour"


@dataclass(slots=True)
class Seen:
    """What a reading of everything has of one order: the digests on both sides, and its places."""

    old: list[int] = field(default_factory=list)
    new: list[int] = field(default_factory=list)
    places: set[Place] = field(default_factory=set)

    @property
    def unequal(self) -> bool:
        return sorted(self.old) != sorted(self.new)


@dataclass(slots=True)
class Verify:
    old: OldSide
    new: NewSide
    quarantined: Quarantined
    settle: Settle
    on_progress: OnProgress
    #: About so many orders are compared.
    orders: int = 0
    pause_seconds: float = PAUSE_SECONDS
    candidates_max: int = CANDIDATES_MAX
    verdict: Verdict = field(default_factory=Verdict)
    #: What the last look did not find in the old table.
    _not_found: set[str] = field(default_factory=set)

    def compare(self, sample: int | None) -> Verdict:
        """Compare all orders, or so many random ones."""
        return self.whole() if sample is None else self.sample(sample)

    def whole(self) -> Verdict:
        verdict = self.verdict
        if self._settled() == "behind":
            raise SpillwayError(
                "`spillway migrate follow` runs and does not catch up, so nothing can be compared:"
                " `spillway migrate status` shows its lag."
            )
        aside = self.quarantined()
        unread: set[str] = set()
        old = self._sums(READING_OLD, self._old(aside, unread))
        new = self._sums(READING_NEW, self._new(aside))
        verdict.old_orders, verdict.new_orders = old.orders, new.orders
        verdict.quarantined = len(aside)
        verdict.days = len(old.orders_of_day.keys() | new.orders_of_day.keys())
        verdict.months = by_month(old, new)
        unlike = unequal(old, new, self.candidates_max)
        verdict.orders_not_looked_at += unlike.orders_left_out
        seen = self._suspects(unlike) if unlike.groups else {}
        suspects = {key: one.places for key, one in seen.items()}
        self._judge({**dict.fromkeys(unread, frozenset()), **suspects})
        missed = self._missed(seen)
        judged = {one.key for one in (*verdict.differences, *verdict.unsettled)}
        doubtful = {key: one for key, one in seen.items() if key not in judged}
        if doubtful or unread - judged:
            verdict.differences += self._counted_again(doubtful, missed, unread - judged)
        return verdict

    def _settled(self) -> FollowState:
        """Whether `follow` has caught up now. If it once had not, the verdict remembers."""
        followed = self.settle()
        if followed != "caught up":
            self.verdict.followed = followed
        return followed

    def _missed(self, seen: Mapping[str, Seen]) -> set[str]:
        """Orders whose rows a reading had and the looks did not: they are no differences yet."""
        verdict = self.verdict
        found = {one.key for one in verdict.differences if one.kind == ONLY_NEW}
        missed = {key for key in found if key in seen and seen[key].old}
        verdict.differences = [one for one in verdict.differences if one.key not in missed]
        return missed

    def _counted_again(
        self, doubtful: Mapping[str, Seen], missed: Collection[str], unread: Collection[str]
    ) -> Iterator[Difference]:
        """Of orders that a look has cleared, or `missed`, those that another reading shows unequal.
        In an open shop that happens again to an order that has changed again, but to no other."""
        self._settled()
        aside = self.quarantined()
        old: dict[str, list[Canonical]] = defaultdict(list)
        new: dict[str, list[Canonical]] = defaultdict(list)
        unread_again: set[str] = set()
        for order in self._counted(OLD_AGAIN, self._old(aside, unread_again)):
            if order.old_key in doubtful:
                old[order.old_key].append(order)
        for order in self._counted(NEW_AGAIN, self._new(aside)):
            if order.old_key in doubtful:
                new[order.old_key].append(order)
        for key, before in doubtful.items():
            mine, theirs = old[key], new[key]
            digests = sorted(order.digest for order in mine)
            same = digests == sorted(before.old)
            unfound = key in missed or (key in self._not_found and mine and before.old)
            if digests != sorted(order.digest for order in theirs) and (same or unfound):
                there = {order.old_key: order for order in mine}
                found = self._difference(key, there, theirs, aside.get(key))
                kind, fields = (found.kind, found.fields) if found else ("differs", {})
                yield Difference(key, f"{kind}: a look by its number does not show it", fields)
        for key in sorted(unread_again.intersection(unread) - self.quarantined().keys()):
            yield Difference(key, UNREAD)

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
            Difference(key, "in the old table, and not found there by its number")
            for key in sorted(lost)
        ]
        return self.verdict

    def _old(
        self, aside: Mapping[str, bool], unread: set[str] | None = None
    ) -> Iterator[Canonical]:
        """The old side's orders. `unread` gets the keys of those that are none here, although the
        copy did not quarantine them."""
        for key, order in self.old.all():
            if key in aside:
                continue
            if order is not None:
                yield order
            elif unread is not None and len(unread) < self.candidates_max:
                unread.add(key)
            elif unread is not None:
                self.verdict.orders_not_looked_at += 1

    def _new(self, aside: Mapping[str, bool]) -> Iterator[Canonical]:
        """The new side's, without those that it has changed itself since they were migrated."""
        return (order for order in self.new.imported() if not aside.get(order.old_key))

    def _sums(self, stage: str, orders: Iterable[Canonical]) -> Sums:
        sums = Sums(groups_for(self.orders))
        for order in self._counted(stage, orders):
            sums.add(order.old_key, order.digest)
            sums.add_to_day(order.day, order.total)
        return sums

    def _counted(self, stage: str, orders: Iterable[Canonical]) -> Iterator[Canonical]:
        count = 0
        for count, order in enumerate(orders, start=1):
            yield order
            if count % 1_000 == 0:
                self.on_progress(stage, count)
        self.on_progress(stage, count)

    def _suspects(self, unlike: Unequal) -> dict[str, Seen]:
        """By key, the orders of those groups that differ in a reading of everything."""
        found: dict[str, Seen] = defaultdict(Seen)
        aside = self.quarantined()
        for order in self._counted(OLD_AGAIN, self._old(aside)):
            if order.old_key in unlike:
                found[order.old_key].old.append(order.digest)
        for order in self._counted(NEW_AGAIN, self._new(aside)):
            if order.old_key in unlike:
                found[order.old_key].new.append(order.digest)
                found[order.old_key].places.add(order.place)
        return {key: seen for key, seen in found.items() if seen.unequal}

    def _judge(self, wanted: Mapping[str, Collection[Place]]) -> None:
        """Read them again, until none differs or each has differed often enough in the same way."""
        suspects = {key: set(places) for key, places in wanted.items()}
        self.verdict.orders_looked_at_again = 0 if self.verdict.sampled else len(suspects)
        before: dict[str, tuple[Difference, int]] = {}
        for look in range(LOOKS_MAX):
            if not suspects:
                break
            time.sleep(self.pause_seconds * max(0, look - 1))
            needed = _LOOKS[self._settled()]
            found: dict[str, tuple[Difference, int]] = {}
            for one in self._differences(suspects):
                former, looks = before.get(one.key, (one, 0))
                found[one.key] = one, looks + 1 if former == one else 1
            final = {key for key, (_, looks) in found.items() if looks >= needed}
            self.verdict.differences += [found[key][0] for key in found if key in final]
            before = {key: one for key, one in found.items() if key not in final}
            suspects = {key: suspects[key] for key in before}
        self.verdict.unsettled = [one for one, _ in before.values()]

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
                found = self._difference(key, old, alike, aside.get(key))
                if found is not None:
                    yield found
            self.on_progress(LOOKING, start + len(some))

    def _difference(
        self,
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
            return Difference(key, ONLY_NEW) if new else None
        old = there[key]
        if old is None:
            return Difference(key, UNREAD)
        if not new:
            return Difference(key, "not in the orders table")
        fields = differing(self.old.config, old, new[0])
        return Difference(key, "differs", fields) if fields else None
