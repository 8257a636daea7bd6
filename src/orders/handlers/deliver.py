"""A downstream's command queue, in batches, with partial batch responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders import wiring
from orders.aws.messages import command_of
from orders.failures import PermanentFailure, TransientFailure
from orders.flow.deliver import Attended, Delivery
from orders.telemetry import place_of
from orders.wiring import DeliverParts

Record = Mapping[str, Any]


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    return handle(event, wiring.deliver())


def handle(event: Mapping[str, Any], parts: DeliverParts) -> dict[str, Any]:
    """Attends to a batch side by side: one message that is slow holds up only itself.

    Names the messages that are to come again; the queue deletes the others.
    """
    records = event["Records"]
    finished = parts.side_by_side(lambda record: _finished(record, parts), records)
    return {
        "batchItemFailures": [
            {"itemIdentifier": record["messageId"]}
            for record, done in zip(records, finished, strict=True)
            if not done
        ]
    }


def _finished(record: Record, parts: DeliverParts) -> bool:
    """Whether this message can go. Never raises: that would bring the whole batch again."""
    started = parts.clock.now()
    attempt = int(record["attributes"]["ApproximateReceiveCount"])
    outcome: str
    log: dict[str, Any] = {"downstream": parts.settings.downstream, "attempt": attempt}
    try:
        attended = _attend(record, attempt, parts, log)
        outcome, finished = attended.result, attended.finished
        log["detail"] = attended.detail
    except TransientFailure as failure:
        outcome, finished = "unavailable", False
        log["detail"] = str(failure)
    except Exception as bug:  # noqa: BLE001 - a bug is one message's, not its neighbours'
        outcome, finished = "bug", False
        log["error"] = place_of(bug)
    parts.log("deliver", outcome, duration_ms=parts.clock.now() - started, **log)
    return finished


def _attend(record: Record, attempt: int, parts: DeliverParts, log: dict[str, Any]) -> Attended:
    try:
        command = command_of(record["body"])
    except PermanentFailure as failure:
        parts.deliver.inbox.set_aside(record["body"], str(failure))
        return Attended("set_aside", str(failure))
    log |= {
        "order_id": command.key.order_id,
        "customer": command.key.customer_hash,
        "command": command.step.value,
    }
    return parts.deliver.attend(Delivery(command, attempt, record["receiptHandle"], record["body"]))
