"""Bring the tables to what was read of some old orders: gather, decide, then write.

The order of the writes makes a kill at any point harmless. The index is written before the items
that it names and deleted after them, so the index knows every item in the orders table. Progress
is written before its order, so an order is never seen without its facts. Doing all of it again ends
in the same state.

An order that the index knows is only overwritten while the live service has not touched it: each
such write has a condition on the facts that were seen. BatchWriteItem, which knows no condition, is
for orders that were never there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from operator import add
from typing import Any

from orders.aws import items as stored
from orders.domain.order import OrderKey
from spillway.migrate.new import items, state
from spillway.migrate.new.quarantine import Quarantine
from spillway.migrate.new.state import Entry
from spillway.migrate.new.target import Delete, Item, Put, Write, Writer, expecting
from spillway.migrate.old.mapping import Gone, Mapped, Reading, Reason, Unmapped

#: Runs a function over many arguments: `map`, or that of a pool.
Each = Callable[..., Iterable[bool]]

TOUCHED = Reason(
    "changed_on_both_sides",
    "the new service has recorded something for this order since: it was left as it is",
)


@dataclass(frozen=True, slots=True)
class Tally:
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    quarantined: int = 0
    open: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Known:
    """What the tables have of an old order: its index entry, and the items at its places.

    Both items are looked at: a kill between the two leaves one of them.
    """

    entry: Entry
    progress: Mapping[OrderKey, Item]
    digests: Mapping[OrderKey, bytes]
    archived: Collection[OrderKey] = ()

    @property
    def touched(self) -> bool:
        """By the live service, at any of its places, or taken from the table by it."""
        return any(
            place in self.archived
            or (place in self.progress and items.touched(self.progress[place]))
            for place in self.entry.everywhere
        )

    def same_order(self, mapped: Mapped) -> bool:
        return self.digests.get(mapped.place) == mapped.digest

    def differs(self, mapped: Mapped) -> bool:
        seen = self.progress.get(mapped.place)
        return (
            not self.same_order(mapped)
            or seen is None
            or items.facts_digest(seen) != items.facts_digest(items.fact_attributes(mapped.facts))
        )


@dataclass(frozen=True, slots=True)
class Applier:
    writer: Writer
    orders_table: str
    state_table: str
    quarantine: Quarantine
    #: Changes different orders at the same time: each needs some conditional writes in turn.
    concurrent_map: ThreadPoolExecutor

    def has_any(self, places: Sequence[OrderKey]) -> bool:
        """Something is at one of these places, whatever the index knows."""
        keys = [key for place in places for key in items.keys_of(place)]
        return any(True for _ in self.writer.get(self.orders_table, keys))

    def apply_new(self, readings: Sequence[Reading]) -> Tally:
        """For orders of which the tables have nothing: three batches in turn."""
        mapped = [reading for reading in readings if isinstance(reading, Mapped)]
        unmapped = [reading for reading in readings if isinstance(reading, Unmapped)]
        opened = [self._open(one) for one in mapped if one.open]
        if unmapped:
            self._to_quarantine(*unmapped)
        self.writer.write([self._index(one, Entry(one.place)) for one in mapped] + opened)
        self.writer.write([Put(self.orders_table, items.progress_item(one)) for one in mapped])
        self.writer.write([Put(self.orders_table, items.order_item(one)) for one in mapped])
        return Tally(written=len(mapped), quarantined=len(unmapped), open=len(opened))

    def apply(self, readings: Sequence[Reading]) -> Tally:
        """For any orders: look up what is there, and write only what differs."""
        known = self._known([reading.key for reading in readings])
        new = [
            reading
            for reading in readings
            if reading.key not in known and not isinstance(reading, Gone)
        ]
        tally = self.apply_new(new)
        self._forget(readings)
        staying: list[tuple[Mapped, Known]] = []
        others: list[tuple[Reading, Known]] = []
        for reading in readings:
            there = known.get(reading.key)
            if there is None:
                continue
            # Most changes are these: the order stays at its place, and only the old service
            # has changed it.
            if (
                isinstance(reading, Mapped)
                and there.entry.everywhere == (reading.place,)
                and not there.touched
            ):
                staying.append((reading, there))
            else:
                others.append((reading, there))
        tally += self._rewrite(staying, self.concurrent_map.map)
        for changed in self.concurrent_map.map(lambda change: self._change(*change), others):
            tally += changed
        return tally

    def _rewrite(self, changes: Sequence[tuple[Mapped, Known]], each: Each) -> Tally:
        """Bring the items at the orders' places to what was read, where they differ."""
        differing = [(mapped, there) for mapped, there in changes if there.differs(mapped)]
        self.writer.write(
            [self._open(one) if one.open else self._not_open(one.key) for one, _ in differing]
        )
        # The live service never writes an order's own item: that needs no condition.
        self.writer.write(
            [
                Put(self.orders_table, items.order_item(mapped))
                for mapped, there in differing
                if not there.same_order(mapped)
            ]
        )
        written = list(each(lambda change: self._put_progress(*change), differing))
        return Tally(
            written=sum(written),
            unchanged=len(changes) - len(differing),
            quarantined=len(written) - sum(written),
            open=sum(mapped.open for mapped, _ in changes),
        )

    def _put_progress(self, mapped: Mapped, there: Known) -> bool:
        """False when the live service came first."""
        put = Put(self.orders_table, items.progress_item(mapped))
        written = self.writer.write_if(put, unchanged_since(there.progress.get(mapped.place)))
        if not written:
            self._to_quarantine(Unmapped(mapped.key, (TOUCHED,)))
        return written

    def _change(self, reading: Reading, there: Known) -> Tally:
        if there.touched:
            return self._to_quarantine(Unmapped(reading.key, (TOUCHED,)))
        if isinstance(reading, Mapped):
            return self._move(reading, there)
        tally = self._to_quarantine(reading) if isinstance(reading, Unmapped) else Tally()
        return tally + self._remove(reading.key, there)

    def _move(self, mapped: Mapped, there: Known) -> Tally:
        """To the place that its new customer or time gives it."""
        former = [place for place in there.entry.everywhere if place != mapped.place]
        self.writer.write([self._index(mapped, Entry(mapped.place, tuple(former)))])
        tally = self._rewrite([(mapped, there)], map)
        if tally.quarantined:
            return tally
        for place in former:
            self._delete_one(place, there)
        self.writer.write([self._index(mapped, Entry(mapped.place))])
        return replace(tally, written=1, unchanged=0)

    def _remove(self, key: str, there: Known) -> Tally:
        if not all(self._delete_one(place, there) for place in there.entry.everywhere):
            return self._to_quarantine(Unmapped(key, (TOUCHED,)))
        self.writer.write([Delete(self.state_table, state.index_key(key)), self._not_open(key)])
        return Tally(removed=1)

    def _delete_one(self, place: OrderKey, there: Known) -> bool:
        """False when the live service came first."""
        order, progress = (Delete(self.orders_table, key) for key in items.keys_of(place))
        seen = there.progress.get(place)
        if seen is not None and not self.writer.write_if(progress, unchanged_since(seen)):
            return False
        self.writer.write([order])
        return True

    def _known(self, keys: Sequence[str]) -> dict[str, Known]:
        found = self.writer.get(self.state_table, [state.index_key(key) for key in keys])
        entries = dict(map(state.entry_of, found))
        places = dict.fromkeys(place for entry in entries.values() for place in entry.everywhere)
        wanted = [key for place in places for key in items.keys_of(place)]
        progress, digests, archived = {}, {}, set()
        for item in self.writer.get(self.orders_table, wanted):
            if stored.is_progress(item):
                progress[stored.key_of(item)] = item
            elif stored.is_stub(item):
                archived.add(stored.key_of(item))
            elif not stored.is_void(item):
                digests[stored.key_of(item)] = bytes(item["digest"]["B"])
        return {key: Known(entry, progress, digests, archived) for key, entry in entries.items()}

    def _to_quarantine(self, *unmapped: Unmapped) -> Tally:
        """In the file first: there the owner of the rows looks."""
        self.quarantine.add(unmapped)
        self.writer.write(
            [Put(self.state_table, state.quarantine_item(one.key, one.reasons)) for one in unmapped]
        )
        return Tally(quarantined=len(unmapped))

    def _forget(self, readings: Iterable[Reading]) -> None:
        """Take orders out of quarantine that can be mapped now, or are gone."""
        wanted = [
            state.quarantine_key(one.key) for one in readings if not isinstance(one, Unmapped)
        ]
        there = [item["sk"]["S"] for item in self.writer.get(self.state_table, wanted)]
        if there:
            self.quarantine.resolve(there)
            self.writer.write(
                [Delete(self.state_table, state.quarantine_key(key)) for key in there]
            )

    def _index(self, mapped: Mapped, entry: Entry) -> Write:
        return Put(self.state_table, state.index_item(mapped.key, entry))

    def _open(self, mapped: Mapped) -> Write:
        return Put(self.state_table, state.open_item(mapped.key, mapped.place))

    def _not_open(self, key: str) -> Write:
        return Delete(self.state_table, state.open_key(key))


def unchanged_since(seen: Item | None) -> dict[str, Any]:
    """A condition, as a part of a request: the item's facts are still those that were seen."""
    return expecting(
        {"pk": None} if seen is None else {name: seen.get(name) for name in stored.FACT_NAMES}
    )
