"""copy: walk over the old table by its key, and write every order to the new one.

It notes the position in the binary log before it reads the first row, and `follow` later reads
again whatever has changed since. So rows may change during the copy, a later run may continue under
a later snapshot, and a part may be copied twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from spillway.errors import SpillwayError
from spillway.migrate.new.applying import Tally
from spillway.migrate.new.state import Phase, Standing, quarantined_of
from spillway.migrate.old.binlog import log_made
from spillway.migrate.old.keys import NO_NUMBER
from spillway.migrate.old.mapping import Gone, Mapped, OldOrder, Reading
from spillway.migrate.old.readiness import findings
from spillway.migrate.old.server import ask_of
from spillway.migrate.old.table import OldTable
from spillway.migrate.running import Parts

#: Batches that wait for the tables at the same time, and how many more are ready.
WRITERS = 8
AHEAD_MAX = 4
#: Orders a batch: their items fill whole requests, except for the last of each kind.
BATCH_ORDERS = 100
#: Rows a batch, so that a thousand long orders don't fill the memory.
ROWS_MAX = 5_000
SAVE_SECONDS = 1.0

#: Called after each batch: its orders, and what became of all so far.
OnProgress = Callable[[int, Tally], None]
Apply = Callable[[Sequence[Reading]], Tally]


@dataclass(frozen=True, slots=True)
class Batch:
    """Orders as they were read. `last` is the key to continue after."""

    readings: list[Reading]
    last: str | None


@dataclass(slots=True)
class Copy:
    parts: Parts
    on_progress: OnProgress
    tally: Tally = field(default_factory=Tally)
    _saved: float = 0.0
    _copied: int = 0
    _complete: bool = False

    def run(self, *, again: bool = False) -> Tally:
        """Copy what is not copied yet, from where an earlier run ended.

        `again`, after a lost binary log or a change of the mapping: read everything once more and
        write what differs. `follow` then continues from here.
        """
        phases: list[Phase] = ["following"] if again else ["new", "copying"]
        with self.parts.old_table() as old:
            self._check_followable(old)
        with self.parts.state.lease("copy", phases) as standing:
            self._walk(standing, again=again)
        return self.tally

    def run_quarantined(self) -> Tally:
        with (
            self.parts.state.lease("copy", ["copying", "following"]),
            self.parts.old_table() as old,
        ):
            keys = [quarantined_of(item)[0] for item in self.parts.state.listed("quarantine")]
            for readings in old.readings(keys):
                self._count(len(readings), self.parts.applier.apply(readings))
        return self.tally

    def _check_followable(self, old: OldTable) -> None:
        """A copy that cannot be followed afterwards is days of work for nothing."""
        found = findings(ask_of(old), self.parts.config)
        subjects = dict.fromkeys(one.subject for one in found if one.level == "blocker")
        if subjects:
            raise SpillwayError(
                f"`follow` would miss changes of this table ({', '.join(subjects)}): `spillway"
                " migrate check` says what to run first."
            )

    def _walk(self, standing: Standing, *, again: bool) -> None:
        state, applier, reads = self.parts.state, self.parts.applier, self.parts.config.reads
        if not again:
            standing.check_reads(reads)
        last, start = (None, None) if again else (standing.copied_to, standing.start)
        made = standing.log_made
        self._copied = standing.copied
        apply = applier.apply_new if standing.phase == "new" else applier.apply
        while not self._complete:
            with self.parts.old_table() as old, old.snapshot() as position:
                server = old.table.server_id
                if standing.phase == "new" and start is None:
                    self._check_unmigrated(old)
                if start is None:
                    start = position
                    made = log_made(self.parts.account, self.parts.config, start)
                    if not again:
                        begun = {"start": start, "server": server, "log_made": made}
                        state.save(phase="copying", reads=reads, **begun)
                last = self._write(self._batches(old, last), last, apply, save=not again)
                if self._complete:
                    for keyless in old.readings([NO_NUMBER]):
                        self._count(0, applier.apply(keyless))
        if again:
            self._sweep()
        place = {"followed": start, "server": server, "log_made": made, "described": None}
        state.save(phase="following", reads=reads, **place)

    def _check_unmigrated(self, old: OldTable) -> None:
        """A new copy overwrites: where the state is gone and the orders are not, the live service
        may have gone on with them. An order's place is the same in each copy of its table."""
        first = map(old.mapper.order, islice(old.after(None), BATCH_ORDERS))
        if self.parts.applier.has_any([one.place for one in first if isinstance(one, Mapped)]):
            place = self.parts.place
            raise SpillwayError(
                f"{place.orders_table} has orders of this old table, and {place.state_table} knows"
                " of none: begin with an empty orders table, or bring that state back."
            )

    def _batches(self, old: OldTable, last: str | None) -> Iterator[Batch]:
        """They end with the table, which is then complete, or when the snapshot is too old."""
        ends = time.monotonic() + self.parts.config.source.snapshot_minutes_max * 60
        orders: list[OldOrder] = []
        rows = 0
        for order in old.after(last):
            orders.append(order)
            rows += len(order.lines)
            if len(orders) == BATCH_ORDERS or rows >= ROWS_MAX:
                yield _batch(old, orders)
                orders, rows = [], 0
                if time.monotonic() > ends:
                    return
        if orders:
            yield _batch(old, orders)
        self._complete = True

    def _write(
        self, batches: Iterator[Batch], last: str | None, apply: Apply, *, save: bool
    ) -> str | None:
        """Where to continue. Batches are written concurrently, and count as done in their order."""
        under_way: deque[tuple[Batch, Future[Tally]]] = deque()
        with ThreadPoolExecutor(WRITERS) as pool:
            try:
                for batch in batches:
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
            self.parts.state.save(copied_to=last, copied=self._copied)
        return last

    def _done(self, batch: Batch, written: Future[Tally], *, save: bool) -> str | None:
        self._count(len(batch.readings), written.result())
        self._copied += len(batch.readings)
        if save and time.monotonic() - self._saved > SAVE_SECONDS:
            self.parts.state.save(copied_to=batch.last, copied=self._copied)
            self._saved = time.monotonic()
        return batch.last

    def _sweep(self) -> None:
        """Remove orders that the old table no longer has, and those in quarantine: a walk over it
        can't see them."""
        with self.parts.old_table() as old:
            for keys in self.parts.state.known():
                for readings in old.readings(keys):
                    gone = [reading for reading in readings if isinstance(reading, Gone)]
                    self._count(0, self.parts.applier.apply(gone))

    def _count(self, orders: int, tally: Tally) -> None:
        self.tally += tally
        self.on_progress(orders, self.tally)
        limit = self.parts.config.rules.quarantined_max
        if self.tally.quarantined > limit:
            raise SpillwayError(
                f"More than {limit:,} orders cannot be migrated, so the mapping is probably wrong:"
                f" see {self.parts.config.quarantine_file} and `spillway migrate check`."
            )


def _batch(old: OldTable, orders: list[OldOrder]) -> Batch:
    # Of those without a number there may be several, and one item stands for all.
    readings = {order.key: old.mapper.order(order) for order in orders}
    return Batch(list(readings.values()), orders[-1].last)
