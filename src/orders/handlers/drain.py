"""The overflow queue."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import overflowed_order_of
from orders.domain.order import AcceptedOrder
from orders.failures import TransientFailure
from orders.flow.consumer import Consumer, Event
from orders.flow.drain import Drain
from orders.ports import Message
from orders.telemetry import trace_id


def handler(event: Event, _context: object) -> dict[str, Any]:
    return handle(event, *wiring.drain())


wiring.prepare(wiring.drain)


def handle(event: Event, consumer: Consumer, drain: Drain) -> dict[str, Any]:
    """Places one order after the other. After the table has failed once, the rest are left for
    later: whatever capacity the table has then belongs to live orders."""
    table_is_well = True

    def place(accepted: AcceptedOrder) -> str:
        nonlocal table_is_well
        if not table_is_well:
            raise TransientFailure("left for later")
        try:
            return drain.place(accepted)
        except TransientFailure:
            table_is_well = False
            raise

    def place_one(message: Message) -> str:
        accepted = overflowed_order_of(message.body)
        message.log |= accepted.key.in_logs | {"trace": trace_id(accepted.trace)}
        try:
            return place(accepted)
        except TransientFailure:
            message.log["buffered_s"] = (consumer.clock.now() - accepted.accepted_at) // 1000
            raise

    return consumer.consume(consumer.received(event), place_one)
