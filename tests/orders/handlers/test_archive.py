"""A run of the archive: what it takes, when it stops, and what it says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from orders.domain.keeping import DAY_MS, PARTS
from orders.domain.order import OrderKey
from orders.domain.saga import Facts, Outcome, Step
from orders.domain.units import Millis
from orders.failures import TransientFailure
from orders.flow.archive import BATCH_BYTES_MAX, BATCH_SECONDS, Archive
from orders.handlers.archive import ArchiveFailed, handle
from orders.ports import ArchiveBatch, StoredOrder
from simulation.world.runtime import MemoryLog, SetClock
from tests.builders import CUSTOMER, NOW, order_id

DAYS = 90
OLD = Millis(NOW - DAYS * DAY_MS)
RUN_SECONDS = 900
DONE = {step: Outcome(OLD) for step in (Step.RESERVE, Step.SHIP, Step.POST)}
UNDONE = {Step.RESERVE: Outcome(OLD, refusal="out_of_stock"), Step.REFUND: Outcome(OLD)}


@dataclass
class Batch:
    keys: Collection[OrderKey]


@dataclass
class Fake:
    """Moves what it is given, but for `changed`. `slow`: what a page takes, in seconds. `large`: a
    line, in bytes."""

    clock: SetClock
    orders: Sequence[StoredOrder] = ()
    free: bool = True
    changed: Collection[OrderKey] = ()
    slow: int = 0
    large: int = 600
    error: Exception | None = None
    asked: tuple[int, int] = (0, 0)
    batches: list[Batch] = field(default_factory=list)
    ended: bool = False

    def begin(self) -> bool:
        return self.free

    def pages(self, segment: int, of: int) -> Iterator[Sequence[StoredOrder]]:
        self.asked = segment, of
        if self.error is not None:
            raise self.error
        for order in self.orders:
            self.clock.milliseconds += self.slow * 1000
            yield [order]

    def line_bytes(self, order: StoredOrder) -> int:
        return self.large

    def batch(self, orders: Sequence[StoredOrder]) -> ArchiveBatch:
        self.batches.append(Batch([order.key for order in orders]))
        return self.batches[-1]

    def announce(self, batch: ArchiveBatch) -> None: ...

    def store(self, batch: ArchiveBatch) -> None: ...

    def move(self, batch: ArchiveBatch) -> Collection[OrderKey]:
        return {*batch.keys} - {*self.changed}

    def tidy(self, batch: ArchiveBatch, moved: Collection[OrderKey]) -> None: ...

    def end(self) -> None:
        self.ended = True


def stored(facts: Facts | None = None, at: int = OLD, **fields: Any) -> StoredOrder:
    defaults = {"imported": False, "holds_coupons": False, "items": ({}, {})}
    return StoredOrder(
        OrderKey(CUSTOMER, order_id(at)), facts or Facts(DONE), **{**defaults, **fields}
    )


def run(fake: Fake, *, imported: bool = False, **event: int) -> dict[str, object]:
    """The log line of a run."""
    log = MemoryLog()
    handle(event, Archive(fake, fake.clock, DAYS, imported, RUN_SECONDS), log)
    [line] = log.lines
    return line


def fake(*orders: StoredOrder, **fields: Any) -> Fake:
    return Fake(SetClock(NOW), orders, **fields)


def test_a_day_has_a_part_of_the_table_and_each_month_has_all() -> None:
    parts = set()
    for day in range(PARTS):
        archiving = fake()
        archiving.clock.milliseconds += day * DAY_MS
        assert run(archiving)["outcome"] == "archived"
        parts.add(archiving.asked)
    assert parts == {(part, PARTS) for part in range(PARTS)}
    archiving = fake()
    run(archiving, segment=0, of=1)
    assert archiving.asked == (0, 1)


@pytest.mark.parametrize(
    ("order", "leaves"),
    [
        (stored(), True),
        (stored(Facts({**DONE, Step.POST: Outcome(Millis(OLD + 1))})), False),
        (stored(Facts({Step.RESERVE: Outcome(OLD)})), False),
        (stored(Facts(UNDONE)), True),
        (stored(Facts(UNDONE), holds_coupons=True), False),
        (stored(holds_coupons=True), True),
        (stored(imported=True), False),
    ],
)
def test_an_order_leaves_when_nothing_is_owed_to_it_any_more(
    order: StoredOrder, leaves: bool
) -> None:
    archiving = fake(order)
    assert run(archiving)["archived"] == int(leaves)
    assert archiving.ended


def test_imported_orders_leave_where_the_stage_says_so() -> None:
    assert run(fake(stored(imported=True)), imported=True)["archived"] == 1
    young = stored(imported=True, at=NOW - 2 * DAY_MS)
    assert run(fake(young), imported=True)["archived"] == 0


def test_a_batch_is_as_large_as_the_memory_allows_and_says_what_stayed() -> None:
    orders = [stored() for _ in range(5)]
    archiving = fake(*orders, changed=[orders[0].key], large=BATCH_BYTES_MAX // 2)
    line = run(archiving)
    assert [len(batch.keys) for batch in archiving.batches] == [2, 2, 1]
    assert (line["archived"], line["left"]) == (4, 1)


def test_a_run_ends_in_time_for_its_last_batch() -> None:
    archiving = fake(*(stored() for _ in range(9)), slow=200)
    line = run(archiving)
    assert line["outcome"] == "unfinished"
    # What was looked at by then.
    assert line["archived"] == (RUN_SECONDS - BATCH_SECONDS) // 200
    assert archiving.ended


def test_a_second_run_does_nothing() -> None:
    archiving = fake(stored(), free=False)
    assert run(archiving) == {"step": "archive", "outcome": "busy", "duration_ms": 0}
    assert not archiving.batches


@pytest.mark.parametrize(
    ("error", "raised", "outcome"),
    [
        (TransientFailure("Scan: throttled"), TransientFailure, "unavailable"),
        (KeyError("of an order"), ArchiveFailed, "bug"),
    ],
)
def test_a_run_that_fails_is_counted_and_its_journal_is_left_to_the_next(
    error: Exception, raised: type[Exception], outcome: str
) -> None:
    archiving, log = fake(error=error), MemoryLog()
    with pytest.raises(raised) as seen:
        handle({}, Archive(archiving, archiving.clock, DAYS, imported=False, run_seconds=900), log)
    assert "of an order" not in str(seen.value)
    assert [line["outcome"] for line in log.lines] == [outcome]
    assert not archiving.ended
