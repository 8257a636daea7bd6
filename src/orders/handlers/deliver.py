"""A downstream's command queue, in batches."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import command_of
from orders.domain.order import order_id_time
from orders.domain.saga import Step
from orders.failures import Failure
from orders.flow.desk import Message
from orders.handlers.batch import Batch, Record, answer, message_in
from orders.ports import Command
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
        try:
            delivered = parts.deliver.deliver(command)
        except Failure:
            message.log |= _unsettled(command, parts.desk.clock.now())
            raise
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


def _unsettled(command: Command, now: int) -> dict[str, object]:
    """How old an order is that this delivery did not bring further. Without having read the order,
    by its id, whose time is the client's."""
    since = command.accepted_at or order_id_time(command.key.order_id)
    age_s = (now - since) // 1000
    # Nothing but the reservation is commanded before something is known of the order.
    return {
        "unsettled_s": age_s,
        "half_done_s": None if command.step is Step.RESERVE else age_s,
    }
