"""Reads archived orders from their bucket.

A page of a customer's history may have a hundred of them: their lines are read side by side, each
by one ranged GET. What cannot be read is a failure and never a gap: an order that the customer has
would be missing from the answer, or be taken for one that never was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders.aws import items
from orders.aws.bucket import Bucket
from orders.aws.items import Item
from orders.domain.waits import ARCHIVE_MS
from orders.failures import TransientFailure
from orders.ports import Clock, ConcurrentMap

if TYPE_CHECKING:
    from orders.aws.archive_file import Items


@dataclass(frozen=True, slots=True)
class ArchiveReader:
    bucket: Bucket
    clock: Clock
    concurrent_map: ConcurrentMap

    def items_of(self, stubs: Sequence[Item]) -> Sequence[Items]:
        """Order and progress in whose place each stub is. Raises TransientFailure."""
        begin_by = self.clock.now() + ARCHIVE_MS

        def read(stub: Item) -> Items:
            if self.clock.now() > begin_by:
                raise TransientFailure("the archive: no time is left for it")
            return self._read(stub)

        return list(self.concurrent_map(read, stubs))

    def _read(self, stub: Item) -> Items:
        # Few orders are read there: no cold start waits for what a line looks like.
        from orders.aws import archive_file

        location = items.location_of(stub)
        key, part = archive_file.object_key(location), archive_file.range_of(location)
        try:
            return archive_file.items_at(stub, self.bucket.get_part(key, part))
        except (TransientFailure, archive_file.LineInvalid) as problem:
            raise TransientFailure(f"the archive, {key}: {problem}") from problem
