"""archive: move orders that settled long ago from the table to the archive, where a gigabyte costs
a twentieth.

Promise: `acknowledged_is_durable`. An order's line is stored before its stub takes the order's
place, and one transaction puts the stub and deletes the progress, on condition that neither has
changed since it was read. So whatever dies, and whoever writes meanwhile, an order is whole in one
place. What a run leaves half done is a line that no stub names: the run after it takes it out.

Each run looks at one part of the table, so that all of it is looked at once a month: nothing is
remembered between runs, no index is paid for, and what stayed comes up again.
"""

from __future__ import annotations

from dataclasses import dataclass

from orders.domain import saga
from orders.domain.keeping import DAY_MS, last_changed, may_be_archived
from orders.domain.units import Millis
from orders.ports import Archiving, Clock, StoredOrder

#: One batch, which a process holds in memory, some copies of its lines included: orders, and bytes
#: of their lines. Stored they tell nothing: an order of many equal lines is a hundredth as large.
BATCH_MAX, BATCH_BYTES_MAX = 5_000, 24 * 1024 * 1024
#: So long before its time is over a run begins no batch any more.
BATCH_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Ran:
    """`archived` orders have left the table; `left` would have, and stayed because they had changed
    or a line would lose something of them. `unfinished`: time ran out before the part's end."""

    archived: int = 0
    left: int = 0
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Archive:
    """`days`: how long a settled order stays. `imported`: also orders that were brought over from
    an older database, whose migration must be over by then."""

    archiving: Archiving
    clock: Clock
    days: int
    imported: bool
    run_seconds: int

    def run(self, segment: int, of: int) -> Ran | None:
        """Archive what is due in one of so many parts of the table. None: another run is under way.

        Raises TransientFailure to be called again.
        """
        started = self.clock.now()
        if not self.archiving.begin():
            return None
        ran = self._run(started, segment, of)
        self.archiving.end()
        return ran

    def _run(self, started: Millis, segment: int, of: int) -> Ran:
        stop_at = started + (self.run_seconds - BATCH_SECONDS) * 1000
        due: list[StoredOrder] = []
        archived = left = size = 0
        unfinished = False

        def archive_due() -> None:
            nonlocal archived, left, size
            moved = self._archive(due)
            archived += moved
            left += len(due) - moved
            due.clear()
            size = 0

        for page in self.archiving.pages(segment, of):
            if self.clock.now() > stop_at:
                unfinished = True
                break
            for order in page:
                if self._is_due(order, started):
                    due.append(order)
                    size += self.archiving.line_bytes(order)
                if len(due) >= BATCH_MAX or size >= BATCH_BYTES_MAX:
                    archive_due()
        if due:
            archive_due()
        return Ran(archived, left, unfinished)

    def _is_due(self, order: StoredOrder, now: Millis) -> bool:
        if not saga.at_rest(order.facts):
            return False
        # The old database may have had facts that are older than the order's id. By the id it would
        # be taken for one that cannot have left.
        if order.imported and not (self.imported and may_be_archived(order.key.order_id, now)):
            return False
        if saga.undoing(order.facts) and order.holds_coupons:
            return False
        return now - last_changed(order.facts) >= self.days * DAY_MS

    def _archive(self, due: list[StoredOrder]) -> int:
        """Each step may be the last one that is done: see above."""
        batch = self.archiving.batch(due)
        self.archiving.announce(batch)
        self.archiving.store(batch)
        moved = self.archiving.move(batch)
        self.archiving.tidy(batch, moved)
        return len(moved)
