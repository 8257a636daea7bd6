"""The records of the table's stream, which relay and the watch handle alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orders.aws import items
from orders.domain.order import OrderKey
from orders.failures import PermanentFailure, TransientFailure, error_location
from orders.flow.changes import Change, FactsChanged, OrderPlaced
from orders.ports import ChangeDeadLetters, Clock, Log

Record = Mapping[str, Any]


class BatchFailed(Exception):
    """A bug, named only by its location."""


def change_of(record: Record) -> Change | None:
    """The change that a stream record describes. None where nothing follows from it: a removal, an
    id made void, an order that the migration imports, or one that is archived."""
    images = record["dynamodb"]
    after = images.get("NewImage")
    if record["eventName"] == "REMOVE" or after is None:
        return None
    before = images.get("OldImage")
    if items.is_void(after) or items.is_stub(after) or items.written_by_import(before, after):
        return None
    if items.is_progress(after):
        facts_before = items.facts_before(before, after)
        return FactsChanged(items.key_of(after), facts_before, items.facts(after))
    # An order is written once. One that is rewritten (a restore, a migration) is not placed again.
    return OrderPlaced(items.accepted_order(after)) if before is None else None


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """Handles a batch of records as a whole. `send` does what follows from changes; `step` is what
    its log lines call it."""

    step: str
    send: Callable[[Sequence[Change]], object]
    dead_letters: ChangeDeadLetters
    clock: Clock
    log: Log

    def handle(self, records: Sequence[Record], on_unread: Callable[[OrderKey, str], None]) -> None:
        """Raises when anything could not be sent, so that the stream delivers the whole batch
        again. `on_unread` gets the order of each record that cannot be read, and the bug's place.

        A partial batch response, which names the failed records, would repeat less. But if Lambda
        did not read it, the batch would be lost without a sign; sending everything again is safe.

        A batch that succeeds is not logged: Lambda's own metrics count batches and their delay for
        nothing.
        """
        started = self.clock.now()

        def log_unsent(outcome: str, **why: str) -> None:
            duration_ms = self.clock.now() - started
            self.log(self.step, outcome, records=len(records), duration_ms=duration_ms, **why)

        try:
            self._send([*_read(records, on_unread)])
        except TransientFailure as failure:
            log_unsent("unsent", detail=str(failure))
            raise
        except Exception as bug:  # noqa: BLE001 - it is raised again, without its text
            log_unsent("bug", error=error_location(bug))
            # Lambda logs what is raised here, and the text of a bug may quote an order.
            raise BatchFailed(error_location(bug)) from None

    def dead_letter(self, key: OrderKey, **why: str) -> None:
        """`why`: the log field `detail` or `error`."""
        [reason] = why.values()
        self.dead_letters.dead_letter(key, reason)
        self.log(self.step, "dead_lettered", **why, **key.in_logs)

    def _send(self, changes: Sequence[Change]) -> None:
        """Raises TransientFailure. What AWS will never take must not block its shard for a day: it
        is sought among the changes, and dead-lettered."""
        try:
            self.send(changes)
        except PermanentFailure as failure:
            if len(changes) == 1:
                self.dead_letter(changes[0].key, detail=str(failure))
                return
            for change in changes:
                self._send([change])


def _read(
    records: Iterable[Record], on_unread: Callable[[OrderKey, str], None]
) -> Iterable[Change]:
    for record in records:
        try:
            change = change_of(record)
        except Exception as bug:  # noqa: BLE001 - one poison record must not block its shard
            on_unread(items.key_of(record["dynamodb"]["Keys"]), error_location(bug))
            continue
        if change is not None:
            yield change
