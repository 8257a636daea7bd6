"""A downstream's command queue, in batches."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import command_of
from orders.flow.desk import Message
from orders.handlers.batch import Batch, Record, answer, message_in
from orders.telemetry import trace_id
from orders.wiring import DeliverParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.deliver())


def handle(event: Batch, parts: DeliverParts) -> dict[str, Any]:
    """Attends to a batch side by side: one message that is slow holds up only itself."""

    def attend(message: Message) -> str:
        message.log["downstream"] = parts.settings.downstream
        command = command_of(message.body)
        message.is_about(command.key)
        message.log["command"] = command.step.value
        command = parts.deliver.complete(command)
        message.log["trace"] = trace_id(command.trace)
        delivered = parts.deliver.deliver(command)
        message.log |= {
            "reason": delivered.outcome.refusal,
            "status": delivered.settled,
            "settle_ms": delivered.settle_ms,
        }
        return "done" if delivered.outcome.done else "refused"

    def is_finished(record: Record) -> bool:
        return parts.desk.is_finished(message_in(record), attend)

    records = event["Records"]
    return answer(records, parts.side_by_side(is_finished, records))
