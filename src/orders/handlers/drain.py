"""The overflow queue, in batches."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import overflowed_order_of
from orders.domain.order import AcceptedOrder
from orders.failures import TransientFailure
from orders.flow.desk import Message
from orders.handlers.batch import Batch, answer, message_in
from orders.telemetry import trace_id
from orders.wiring import DrainParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.drain())


def handle(event: Batch, parts: DrainParts) -> dict[str, Any]:
    """Places one order after the other, and asks no more of a table that won't take one: whatever
    it can take then belongs to live orders."""
    table_is_well = True

    def place(accepted: AcceptedOrder) -> str:
        nonlocal table_is_well
        if not table_is_well:
            raise TransientFailure("left for later")
        try:
            return parts.drain.drain(accepted)
        except TransientFailure:
            table_is_well = False
            raise

    def attend(message: Message) -> str:
        accepted = overflowed_order_of(message.body)
        message.is_about(accepted.key)
        message.log["trace"] = trace_id(accepted.trace)
        try:
            return place(accepted)
        except TransientFailure:
            message.log["buffered_s"] = (parts.desk.clock.now() - accepted.accepted_at) // 1000
            raise

    records = event["Records"]
    return answer(
        records, [parts.desk.is_finished(message_in(record), attend) for record in records]
    )
