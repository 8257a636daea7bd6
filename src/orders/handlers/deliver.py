"""A downstream's command queue, in batches of commands and packs of commands."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import command_of
from orders.domain.order import order_id_time
from orders.domain.saga import Step
from orders.failures import Failure, TransientFailure
from orders.flow.desk import Message
from orders.handlers.batch import Batch, answer, messages_of
from orders.ports import Command
from orders.telemetry import trace_id
from orders.wiring import DeliverParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.deliver())


def handle(event: Batch, parts: DeliverParts) -> dict[str, Any]:
    """Attends to a batch side by side: one message that is slow holds up only itself.

    A pack's commands take turns. What has not had its turn when its downstream should have answered
    the first is left for later, for the function's time would end with it under way.
    """
    clock = parts.desk.clock
    turns_end_at = clock.now() + round(parts.settings.timeout_seconds * 1000)

    def attend(message: Message) -> str:
        message.log["downstream"] = parts.settings.downstream
        command = command_of(message.body)
        message.is_about(command.key)
        # A command belongs to one downstream: in the line of one the other need not be said.
        del message.log["downstream"]
        message.log["command"] = command.step.value
        if clock.now() > turns_end_at:
            raise TransientFailure("left for later")
        command = parts.deliver.complete(command)
        message.log["trace"] = trace_id(command.trace)
        try:
            delivered = parts.deliver.deliver(command)
        except Failure:
            message.log |= _unsettled(command, clock.now())
            raise
        message.log |= {
            "reason": delivered.outcome.refusal,
            "status": delivered.settled,
            "settle_ms": delivered.settle_ms,
        }
        return "done" if delivered.outcome.done else "refused"

    records = event["Records"]
    return answer(
        records, parts.desk.all_finished(messages_of(records), attend, parts.concurrent_map)
    )


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
