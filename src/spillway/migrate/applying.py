"""Bring the tables to what was read of some old orders: gather, decide purely, then act.

The order of the writes is what makes a kill harmless at any point. The index is written before the
items that it names and deleted after them, so nothing ever lies in the orders table that the index
does not know; progress is written before its order, so that an order is never seen without its
facts. Doing all of it again ends in the same state.

An order that the index knows is only overwritten as long as the live service has not touched it:
each such write is conditional on the facts that were seen. BatchWriteItem, which knows no
condition, is for orders that were never there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

from orders.aws import items as order_items
from orders.domain.order import OrderKey
from spillway.migrate import state
from spillway.migrate.items import (
    FACT_NAMES,
    fact_attributes,
    facts_digest,
    keys_of,
    order_item,
    progress_item,
    touched,
)
from spillway.migrate.mapping import Gone, Mapped, Reading, Reason, Unmapped
from spillway.migrate.quarantine import Quarantine
from spillway.migrate.state import Entry
from spillway.migrate.target import Delete, Item, Put, Write, Writer

#: Runs a function over many arguments: `map`, or that of a pool.
Each = Callable[..., Iterable[bool]]

TOUCHED = Reason(
    "changed_on_both_sides",
    "the new service has recorded something for this order since: it was left as it is",
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the orders that were read."""

    written: int = 0
    unchanged: int = 0
    removed: int = 0
    quarantined: int = 0
    open: int = 0

    def __add__(self, other: Tally) -> Tally:
        names = (own.name for own in fields(self))
        return Tally(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class Known:
    """What the tables hold of an old order: its index entry, and the items that lie at its places.

    Both items are looked at. A kill between the two leaves one of them.
    """

    entry: Entry
    progress: Mapping[OrderKey, Item]
    digests: Mapping[OrderKey, bytes]

    @property
    def touched(self) -> bool:
        """By the live service, wherever the order lies."""
        places = (self.progress.get(place) for place in self.entry.everywhere)
        return any(item is not None and touched(item) for item in places)

    def lies_at(self, place: OrderKey) -> bool:
        return self.entry.everywhere == (place,)

    def differs(self, mapped: Mapped) -> bool:
        seen = self.progress.get(mapped.place)
        same_order = self.digests.get(mapped.place) == mapped.digest
        return (
            not same_order
            or seen is None
            or facts_digest(seen) != facts_digest(fact_attributes(mapped.facts))
        )


@dataclass(frozen=True, slots=True)
class Applier:
    writer: Writer
    orders_table: str
    state_table: str
    quarantine: Quarantine
    #: Changes of different orders: each is some conditional writes one after the other.
    concurrent_map: ThreadPoolExecutor

    def apply_new(self, readings: Sequence[Reading]) -> Tally:
        """For orders of which the tables have nothing: three batches, one after the other."""
        mapped = [reading for reading in readings if isinstance(reading, Mapped)]
        unmapped = [reading for reading in readings if isinstance(reading, Unmapped)]
        if unmapped:
            self._to_quarantine(unmapped)
        self.writer.write(
            [
                *(self._index(one, Entry(one.place)) for one in mapped),
                *(self._open(one) for one in mapped if one.open),
            ]
        )
        self.writer.write([Put(self.orders_table, progress_item(one)) for one in mapped])
        self.writer.write([Put(self.orders_table, order_item(one)) for one in mapped])
        return Tally(
            written=len(mapped),
            quarantined=len(unmapped),
            open=sum(one.open for one in mapped),
        )

    def apply(self, readings: Sequence[Reading]) -> Tally:
        """For any orders: what is there is looked up first, and only differences are written."""
        known = self._known([reading.key for reading in readings])
        new = [
            reading
            for reading in readings
            if reading.key not in known and not isinstance(reading, Gone)
        ]
        tally = self.apply_new(new)
        self._forget(readings)
        changes = [(reading, known[reading.key]) for reading in readings if reading.key in known]
        # Most changes are these: an order of the old service's that lies where it lay.
        staying = [
            (reading, there)
            for reading, there in changes
            if isinstance(reading, Mapped) and there.lies_at(reading.place) and not there.touched
        ]
        tally += self._rewrite(staying, self.concurrent_map.map)
        done = {mapped.key for mapped, _ in staying}
        others = [change for change in changes if change[0].key not in done]
        for changed in self.concurrent_map.map(lambda change: self._change(*change), others):
            tally += changed
        return tally

    def _rewrite(self, changes: Sequence[tuple[Mapped, Known]], each: Each) -> Tally:
        """Bring the items at the orders' places to what was read, as far as they differ."""
        differing = [(mapped, there) for mapped, there in changes if there.differs(mapped)]
        self.writer.write(
            [self._open(one) if one.open else self._not_open(one.key) for one, _ in differing]
        )
        # The live service never writes an order's own item: that needs no condition.
        self.writer.write(
            [
                Put(self.orders_table, order_item(mapped))
                for mapped, there in differing
                if there.digests.get(mapped.place) != mapped.digest
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
        put = Put(self.orders_table, progress_item(mapped))
        written = self.writer.put_if(put, *unchanged_since(there.progress.get(mapped.place)))
        if not written:
            self._to_quarantine([Unmapped(mapped.key, (TOUCHED,))])
        return written

    def _change(self, reading: Reading, there: Known) -> Tally:
        if there.touched:
            self._to_quarantine([Unmapped(reading.key, (TOUCHED,))])
            return Tally(quarantined=1)
        if isinstance(reading, Unmapped):
            self._to_quarantine([reading])
            return self._remove(reading.key, there) + Tally(quarantined=1)
        if isinstance(reading, Gone):
            return self._remove(reading.key, there)
        return self._move(reading, there)

    def _move(self, mapped: Mapped, there: Known) -> Tally:
        """To the place that its new customer or time gives it."""
        former = [place for place in there.entry.everywhere if place != mapped.place]
        self.writer.write([self._index(mapped, Entry(mapped.place, tuple(former)))])
        tally = self._rewrite([(mapped, there)], map)
        if tally.quarantined:
            return tally
        for place in former:
            self._delete_one(place, there.progress.get(place))
        self.writer.write([self._index(mapped, Entry(mapped.place))])
        return replace(tally, written=1, unchanged=0)

    def _remove(self, key: str, there: Known) -> Tally:
        for place in there.entry.everywhere:
            if not self._delete_one(place, there.progress.get(place)):
                self._to_quarantine([Unmapped(key, (TOUCHED,))])
                return Tally(quarantined=1)
        self.writer.write([Delete(self.state_table, state.index_key(key)), self._not_open(key)])
        return Tally(removed=1)

    def _delete_one(self, place: OrderKey, seen: Item | None) -> bool:
        if seen is not None:
            progress = Delete(self.orders_table, order_items.progress_key(place))
            if not self.writer.delete_if(progress, *unchanged_since(seen)):
                return False
        self.writer.write([Delete(self.orders_table, order_items.order_key(place))])
        return True

    def _known(self, keys: Sequence[str]) -> dict[str, Known]:
        found = self.writer.get(self.state_table, [state.index_key(key) for key in keys])
        entries = dict(map(state.entry_of, found))
        places = dict.fromkeys(place for entry in entries.values() for place in entry.everywhere)
        wanted = [key for place in places for key in keys_of(place)]
        progress, digests = {}, {}
        for item in self.writer.get(self.orders_table, wanted):
            if order_items.is_progress(item):
                progress[order_items.key_of(item)] = item
            else:
                digests[order_items.key_of(item)] = bytes(item["digest"]["B"])
        return {key: Known(entry, progress, digests) for key, entry in entries.items()}

    def _to_quarantine(self, unmapped: Sequence[Unmapped]) -> None:
        """In the file first: that is where the rows' owner looks."""
        self.quarantine.add(unmapped)
        self.writer.write(
            [Put(self.state_table, state.quarantine_item(one.key, one.reasons)) for one in unmapped]
        )

    def _forget(self, readings: Iterable[Reading]) -> None:
        """Orders that were in quarantine and are mapped, or gone, now."""
        mended = [one.key for one in readings if not isinstance(one, Unmapped)]
        there = [
            item["sk"]["S"]
            for item in self.writer.get(
                self.state_table, [state.quarantine_key(key) for key in mended]
            )
        ]
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


def unchanged_since(seen: Item | None) -> tuple[str, dict[str, str], dict[str, Any]]:
    """A condition that holds as long as the item's facts are those that were seen.

    Returns expression, names and values as DynamoDB takes them.
    """
    if seen is None:
        return "attribute_not_exists(pk)", {}, {}
    names = {f"#{name}": name for name in FACT_NAMES}
    there = {f":{name}": seen[name] for name in FACT_NAMES if name in seen}
    each = [
        f"#{name} = :{name}" if name in seen else f"attribute_not_exists(#{name})"
        for name in FACT_NAMES
    ]
    return " AND ".join(each), names, there
