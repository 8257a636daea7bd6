"""A downstream's command queue, in batches."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import command_of
from orders.flow.deliver import Delivery
from orders.handlers.batch import Attended, Batch, Desk, Message, answer
from orders.wiring import DeliverParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.deliver())


def handle(event: Batch, parts: DeliverParts) -> dict[str, Any]:
    """Attends to a batch side by side: one message that is slow holds up only itself."""

    def attend(message: Message) -> Attended:
        message.log["downstream"] = parts.settings.downstream
        command = command_of(message.body)
        message.is_about(command.key)
        message.log["command"] = command.step.value
        attended = parts.deliver.attend(
            Delivery(command, message.attempt, message.receipt, message.body)
        )
        return Attended(attended.result, attended.finished, attended.detail)

    desk = Desk("deliver", attend, parts.deliver.inbox, parts.clock, parts.log)
    records = event["Records"]
    return answer(records, parts.side_by_side(desk.finished, records))
