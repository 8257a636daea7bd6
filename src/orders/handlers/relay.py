"""The table's stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orders import wiring
from orders.aws import items
from orders.domain.order import OrderKey
from orders.failures import PermanentFailure, TransientFailure, error_location
from orders.flow.relay import Change, FactsChanged, OrderPlaced, Relay
from orders.ports import Clock, Log

Record = Mapping[str, Any]


class RelayFailed(Exception):
    """A bug, named only by its location."""


def handler(event: Mapping[str, Any], _context: object) -> None:
    handle(event, *wiring.relay())


wiring.prepare(wiring.relay)


def handle(event: Mapping[str, Any], relay: Relay, clock: Clock, log: Log) -> None:
    """Raises when anything could not be sent, so that the stream delivers the whole batch again.

    A partial batch response, which names the failed records, would repeat less. But if Lambda did
    not read it, the batch would be lost without a sign; sending everything again is safe.

    A batch that succeeds is not logged: each delivery logs its command, and Lambda's own metrics
    count batches and their delay for nothing.
    """
    started = clock.now()
    changes = []
    for record in event["Records"]:
        try:
            change = change_of(record)
        except Exception as bug:  # noqa: BLE001 - one poison record must not block its shard
            key = items.key_of(record["dynamodb"]["Keys"])
            _dead_letter(key, relay, log, error=error_location(bug))
            continue
        if change is not None:
            changes.append(change)

    def log_unsent(outcome: str, **why: str) -> None:
        records, duration_ms = len(event["Records"]), clock.now() - started
        log("relay", outcome, records=records, duration_ms=duration_ms, **why)

    try:
        _send(changes, relay, log)
    except TransientFailure as failure:
        log_unsent("unsent", detail=str(failure))
        raise
    except Exception as bug:  # noqa: BLE001 - it is raised again, without its text
        log_unsent("bug", error=error_location(bug))
        # Lambda logs what is raised here, and the text of a bug may quote an order.
        raise RelayFailed(error_location(bug)) from None


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


def _send(changes: Sequence[Change], relay: Relay, log: Log) -> None:
    """Raises TransientFailure. What AWS will never take must not block its shard for a day: it is
    sought among the changes, and dead-lettered."""
    try:
        relay.send(changes)
    except PermanentFailure as failure:
        if len(changes) == 1:
            _dead_letter(changes[0].key, relay, log, detail=str(failure))
            return
        for change in changes:
            _send([change], relay, log)


def _dead_letter(key: OrderKey, relay: Relay, log: Log, **why: str) -> None:
    [reason] = why.values()
    relay.dead_letters.dead_letter(key, reason)
    log("relay", "dead_lettered", **why, **key.in_logs)
