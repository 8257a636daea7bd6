"""copy: go over the old table by its key, and bring every order over.

The place in the binary log is noted before the first row is read, and `follow` later reads again
whatever changed since: so it does not matter that rows change while the copy is under way, that it
is killed and goes on under a later snapshot, or that a part of it is done twice.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from spillway.errors import SpillwayError
from spillway.migrate.applying import Applier, Tally
from spillway.migrate.config import Config
from spillway.migrate.connection import Account, connected
from spillway.migrate.mapping import Gone, Mapper, OldOrder, Reading
from spillway.migrate.source import KEYS_MAX, Reader, describe, snapshot
from spillway.migrate.state import Standing, State, entry_of, quarantined_of

#: Batches that wait for the tables at the same time, and how many more are ready.
WRITERS = 8
AHEAD_MAX = 4
#: Orders a batch: their items fill whole requests but for the last of each kind.
BATCH_ORDERS = 100
#: Rows in hand together, so that a thousand long orders don't fill the memory.
ROWS_MAX = 5_000
SAVE_SECONDS = 1.0
#: New objects between two looks for garbage in cycles, of which the copy makes hardly any. Python's
#: own 700 would be a twenty-fifth of its time.
OBJECTS_BETWEEN_COLLECTIONS = 20_000

#: Told after each batch: orders dealt with, and what became of them in all.
OnProgress = Callable[[int, Tally], None]
#: The mapper for a table as it is described now.
MapperFor = Callable[[frozenset[str]], Mapper]


@dataclass(frozen=True, slots=True)
class Batch:
    """Orders as they were read. `last` is where to go on after them."""

    readings: tuple[Reading, ...]
    last: str | None


@dataclass(slots=True)
class Copy:
    config: Config
    account: Account
    state: State
    applier: Applier
    mapper_for: MapperFor
    on_progress: OnProgress
    tally: Tally = field(default_factory=Tally)
    _saved: float = 0.0
    _copied: int = 0

    def run(self) -> Tally:
        """Copy what has not been copied yet: goes on where an earlier run ended, however it did."""
        with self.state.lease("copy", ["new", "copying"]) as standing, _rarely_collected():
            self._walk(standing, again=False)
        return self.tally

    def run_again(self) -> Tally:
        """Go over everything once more and write what differs: after a lost binary log, or when the
        mapping was changed. Then `follow` goes on from here."""
        with self.state.lease("copy", ["following"]) as standing, _rarely_collected():
            self._walk(standing, again=True)
        return self.tally

    def run_quarantined(self) -> Tally:
        """Try the orders in quarantine again."""
        with self.state.lease("copy", ["copying", "following"]), self._reader() as (reader, mapper):
            keys = [quarantined_of(item)[0] for item in self.state.listed("quarantine")]
            for start in range(0, len(keys), KEYS_MAX):
                asked = [key for key in keys[start : start + KEYS_MAX] if key]
                self._count(len(asked), self.applier.apply(readings_of(reader, mapper, asked)))
        return self.tally

    def _walk(self, standing: Standing, *, again: bool) -> None:
        last = None if again else standing.copied_to
        self._copied = standing.copied
        fresh = standing.phase == "new"
        start = None if again else standing.start
        while True:
            with self._reader() as (reader, mapper):
                server = reader.table.server_id
                with snapshot(reader.connection, reader.table) as position:
                    if start is None:
                        start = position
                        if not again:
                            self.state.save(phase="copying", start=start, server=server)
                    ends = time.monotonic() + self.config.source.snapshot_minutes_max * 60
                    batches = self._batches(reader, mapper, last, ends)
                    last, complete = self._write(batches, last, fresh=fresh, save=not again)
                    if complete:
                        self._keyless(reader, mapper)
                        break
        if again:
            self._sweep()
        self.state.save(phase="following", followed=start, server=server)

    def _batches(
        self, reader: Reader, mapper: Mapper, last: str | None, ends: float
    ) -> Iterator[Batch | None]:
        """None when the snapshot has grown old."""
        while True:
            found, rows = False, 0
            orders: list[OldOrder] = []
            for order in reader.after(last):
                found = True
                orders.append(order)
                last, rows = order.last, rows + len(order.lines)
                if len(orders) == BATCH_ORDERS or rows >= ROWS_MAX:
                    yield _batch(mapper, orders)
                    orders, rows = [], 0
            if orders:
                yield _batch(mapper, orders)
            if not found:
                return
            if time.monotonic() > ends:
                yield None
                return

    def _write(
        self, batches: Iterator[Batch | None], last: str | None, *, fresh: bool, save: bool
    ) -> tuple[str | None, bool]:
        """Where to go on, and whether that is the end. Batches are written concurrently, and count
        as done in their order."""
        apply = self.applier.apply_new if fresh else self.applier.apply
        under_way: deque[tuple[Batch, Future[Tally]]] = deque()
        complete = True
        with ThreadPoolExecutor(WRITERS) as pool:
            try:
                for batch in batches:
                    if batch is None:
                        complete = False
                        break
                    under_way.append((batch, pool.submit(apply, batch.readings)))
                    while len(under_way) > WRITERS + AHEAD_MAX or (
                        under_way and under_way[0][1].done()
                    ):
                        last = self._done(*under_way.popleft(), save=save)
                while under_way:
                    last = self._done(*under_way.popleft(), save=save)
            finally:
                pool.shutdown(cancel_futures=True)
        if save and last is not None:
            self.state.save(copied_to=last, copied=self._copied)
        return last, complete

    def _done(self, batch: Batch, written: Future[Tally], *, save: bool) -> str | None:
        self._count(len(batch.readings), written.result())
        self._copied += len(batch.readings)
        if save and time.monotonic() - self._saved > SAVE_SECONDS:
            self.state.save(copied_to=batch.last, copied=self._copied)
            self._saved = time.monotonic()
        return batch.last

    def _keyless(self, reader: Reader, mapper: Mapper) -> None:
        order = reader.without_key()
        if order is not None:
            self._count(1, self.applier.apply([mapper.order(order)]))

    def _sweep(self) -> None:
        """Take out orders that the old table has no more: a walk over it can't see them."""
        with self._reader() as (reader, mapper):
            for keys in self._indexed():
                readings = readings_of(reader, mapper, keys)
                gone = [reading for reading in readings if isinstance(reading, Gone)]
                if gone:
                    self._count(0, self.applier.apply(gone))

    @contextmanager
    def _reader(self) -> Iterator[tuple[Reader, Mapper]]:
        with connected(self.account) as connection:
            table = describe(connection, self.config)
            yield Reader(connection, self.config, table), self.mapper_for(table.utc_columns)

    def _indexed(self) -> Iterator[list[str]]:
        pages: Any = self.state.dynamodb.get_paginator("scan").paginate(
            TableName=self.state.table,
            FilterExpression="begins_with(pk, :order)",
            ExpressionAttributeValues={":order": {"S": "order/"}},
        )
        for page in pages:
            keys = [entry_of(item)[0] for item in page["Items"]]
            for start in range(0, len(keys), KEYS_MAX):
                yield keys[start : start + KEYS_MAX]

    def _count(self, orders: int, tally: Tally) -> None:
        self.tally += tally
        self.on_progress(orders, self.tally)
        limit = self.config.rules.quarantined_max
        if self.tally.quarantined > limit:
            raise SpillwayError(
                f"More than {limit:,} orders cannot be migrated, so the mapping is"
                f" probably wrong: see {self.config.quarantine_file} and `migrate check`."
            )


def readings_of(
    reader: Reader, mapper: Mapper, keys: list[str], *, settled: bool = False
) -> list[Reading]:
    """What the old table says of these orders now, of each one; the gone ones too."""
    found: dict[str, Reading] = {
        order.key: mapper.order(order) for order in reader.of(keys, settled=settled)
    }
    return [found.get(key, Gone(key)) for key in keys]


@contextmanager
def _rarely_collected() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _batch(mapper: Mapper, orders: list[OldOrder]) -> Batch:
    return Batch(tuple(mapper.order(order) for order in orders), orders[-1].last)
