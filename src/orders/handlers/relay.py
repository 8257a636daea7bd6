"""The table's stream, in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders import wiring
from orders.aws import items
from orders.failures import TransientFailure, error_location
from orders.flow.relay import Change, FactsChanged, OrderPlaced
from orders.wiring import RelayParts

Record = Mapping[str, Any]


class RelayFailed(Exception):
    """A bug, named by its place alone."""


def handler(event: Mapping[str, Any], _context: object) -> None:
    handle(event, wiring.relay())


def handle(event: Mapping[str, Any], parts: RelayParts) -> None:
    """Raises when anything could not be sent, so that the stream brings the whole batch again.

    Naming the failed records in the answer (a partial batch response) would repeat less, but a
    batch whose answer goes unread would then be lost in silence; sending again is safe.

    A batch that goes well is not logged: each delivery tells of its command, and Lambda counts
    batches and their delay for nothing.
    """
    started = parts.clock.now()
    changes = []
    for record in event["Records"]:
        try:
            change = change_of(record)
        except Exception as bug:  # noqa: BLE001 - one poison record must not hold up its shard
            _dead_letter(record, bug, parts)
            continue
        if change is not None:
            changes.append(change)
    try:
        parts.relay.relay(changes)
    except TransientFailure as failure:
        _log_unsent(event, parts, started, "unsent", detail=str(failure))
        raise
    except Exception as bug:  # noqa: BLE001 - it is raised again, without its text
        _log_unsent(event, parts, started, "bug", error=error_location(bug))
        # Lambda logs what is raised here, and a bug's own text may quote an order.
        raise RelayFailed(error_location(bug)) from None


def change_of(record: Record) -> Change | None:
    """What a stream record says; None for what calls for nothing: a removal (an erased customer,
    say), or an old order that is being brought over."""
    images = record["dynamodb"]
    after = images.get("NewImage")
    if record["eventName"] == "REMOVE" or after is None:
        return None
    before = images.get("OldImage")
    if items.written_by_import(before, after):
        return None
    if items.is_progress(after):
        return FactsChanged(items.key_of(after), items.facts(before), items.facts(after))
    # An order is written once. A rewritten one (a restore, a migration) is not placed again.
    return OrderPlaced(items.accepted_order(after)) if before is None else None


def _log_unsent(
    event: Mapping[str, Any], parts: RelayParts, started: int, outcome: str, **why: str
) -> None:
    parts.log(
        "relay",
        outcome,
        records=len(event["Records"]),
        duration_ms=parts.clock.now() - started,
        **why,
    )


def _dead_letter(record: Record, bug: Exception, parts: RelayParts) -> None:
    key = items.key_of(record["dynamodb"]["Keys"])
    parts.relay_dead_letters.dead_letter(key, error_location(bug))
    parts.log(
        "relay",
        "set_aside",
        error=error_location(bug),
        **key.in_logs,
    )
