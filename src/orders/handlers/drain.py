"""The overflow queue, in batches."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import overflowed_order_of
from orders.domain.backoff import DRAIN_DELAY_MAX_SECONDS, delay_seconds
from orders.failures import TransientFailure
from orders.handlers.batch import Attended, Batch, Desk, Message, answer
from orders.wiring import DrainParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.drain())


def handle(event: Batch, parts: DrainParts) -> dict[str, Any]:
    """Places one order after the other, and stops at the first that the table won't take: whatever
    the table can take then belongs to live orders."""
    table_is_well = True

    def attend(message: Message) -> Attended:
        nonlocal table_is_well
        accepted = overflowed_order_of(message.body)
        message.is_about(accepted.key)
        try:
            if table_is_well:
                return Attended(parts.drain.drain(accepted))
            reason = "left for later"
        except TransientFailure as failure:
            table_is_well = False
            reason = str(failure)
        wait = delay_seconds(message.attempt, parts.jitter(), DRAIN_DELAY_MAX_SECONDS)
        parts.inbox.postpone(message.receipt, wait)
        return Attended("postponed", finished=False, detail=reason)

    desk = Desk("drain", attend, parts.inbox, parts.clock, parts.log)
    records = event["Records"]
    return answer(records, map(desk.finished, records))
