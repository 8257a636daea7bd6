"""A downstream's command queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orders import wiring
from orders.aws.messages import command_of, message_of
from orders.domain.saga import Step
from orders.domain.units import Millis
from orders.failures import Failure, TransientFailure
from orders.flow.consumer import Consumer, Event, RetryLater
from orders.flow.deliver import Deliver
from orders.ports import Archived, Command, Message, Taken
from orders.telemetry import trace_id


def handler(event: Event, _context: object) -> dict[str, Any]:
    return handle(event, *wiring.deliver())


wiring.prepare(wiring.deliver)


def handle(event: Event, consumer: Consumer, deliver: Deliver) -> dict[str, Any]:
    """Delivers the messages concurrently, so that a slow call delays only its own order.

    Commands inside batch messages take turns. One for which the function might not have the time
    any more is left for later.
    """
    clock = consumer.clock
    turns_end_at = clock.now() + deliver.turns_ms

    def deliver_one(message: Message) -> str | None:
        command = _command_in(message, deliver)
        if clock.now() > turns_end_at:
            raise TransientFailure("left for later")
        if deliver.is_decided(command):
            # Whoever recorded it has logged it.
            return None
        try:
            return deliver_command(message, command)
        except Archived:
            return "archived"

    def deliver_command(message: Message, sent: Command) -> str:
        command = deliver.complete(sent, clock.now())
        message.log["trace"] = trace_id(command.trace)
        try:
            delivered = deliver.deliver(command)
        except Failure:
            message.log |= _unsettled(command, deliver.waiting_since(command), clock.now())
            raise
        if isinstance(delivered, Taken):
            body = None if delivered == sent.taken else message_of(replace(sent, taken=delivered))
            raise RetryLater("taken", backoff=deliver.asks, body=body)
        message.log |= {
            "reason": delivered.outcome.refusal,
            "express": delivered.express,
            "status": delivered.recorded.settled_as,
            "settle_ms": delivered.recorded.settle_ms,
        }
        return "done" if delivered.outcome.done else "refused"

    return consumer.consume(consumer.received(event), deliver_one)


def _command_in(message: Message, deliver: Deliver) -> Command:
    try:
        command = command_of(message.body)
    except Exception:
        # A command names its downstream; without one, the log line has to.
        message.log["downstream"] = deliver.downstream_name
        raise
    message.log |= command.key.in_logs | {"command": command.step.value}
    return command


def _unsettled(command: Command, since: Millis, now: Millis) -> dict[str, object]:
    """The age of an order that this delivery did not advance."""
    age_s = (now - since) // 1000
    # No step but the reservation is commanded before another has an outcome.
    return {
        "unsettled_s": age_s,
        "half_done_s": None if command.step is Step.RESERVE else age_s,
    }
