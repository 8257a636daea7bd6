"""The table's stream, which says which orders to check, and the queue of these checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from orders import wiring
from orders.aws.messages import check_of
from orders.domain.order import OrderKey, order_id_time
from orders.domain.saga import refund_owed_since
from orders.domain.status import status
from orders.domain.units import Millis
from orders.failures import PermanentFailure
from orders.flow.consumer import Consumer, Event, RetryLater
from orders.flow.watch import Watch
from orders.flow.watchdog import Checked, Watchdog
from orders.handlers.changes import StreamBatch
from orders.ports import Check, Clock, Log, Message


def handler(event: Event, _context: object) -> dict[str, Any] | None:
    return handle(event, *wiring.watchdog())


wiring.prepare(wiring.watchdog)


def handle(
    event: Event, consumer: Consumer, watchdog: Watchdog, watch: Watch
) -> dict[str, Any] | None:
    # Lambda never mixes the two in one batch.
    if event["Records"][0]["eventSource"] == "aws:dynamodb":
        _watch(event, watch, consumer.clock, consumer.log)
        return None
    return _check(event, consumer, watchdog)


def _watch(event: Event, watch: Watch, clock: Clock, log: Log) -> None:
    """Raises when the checks could not be set: see `StreamBatch.handle`."""

    def check(key: OrderKey, error: str) -> None:
        """Whatever the record says, the check reads the order itself."""
        watch.checks.set([Check(key)])
        log("watchdog", "unread", error=error, **key.in_logs)

    batch = StreamBatch("watchdog", watch.send, watch.dead_letters, clock, log)
    batch.handle(event["Records"], check)


def _check(event: Event, consumer: Consumer, watchdog: Watchdog) -> dict[str, Any]:
    messages = consumer.received(event)
    fetched = watchdog.batch_get_progress([*_checks_in(messages)], consumer.clock.now())

    def check_one(message: Message) -> str | None:
        check = check_of(message.body)
        message.log |= check.key.in_logs
        checked = watchdog.check(check, fetched.get(check.key))
        if checked.owed:
            message.log |= found(check.key, checked, consumer.clock.now())
        if checked.look_again:
            raise RetryLater(checked.result)
        # The delivery that settled the order has logged that it did.
        return None if checked.result == "settled" else checked.result

    return consumer.consume(messages, check_one)


def found(key: OrderKey, checked: Checked, now: Millis) -> dict[str, object]:
    """The log fields of an order that has not settled.

    Its age counts from its first outcome, which is at hand; where only the refund of its return is
    owed, from that. Without an outcome it counts from its release, if it was held, or from the time
    in the order id, which is the client's.
    """
    outcomes, approval = checked.facts.outcomes.values(), checked.facts.approval
    first = min((outcome.at for outcome in outcomes), default=approval and approval.at)
    since = refund_owed_since(checked.facts) or first
    unsettled_s = (now - (since or order_id_time(key.order_id))) // 1000
    return {
        "status": status(checked.facts).value,
        "owed": [step.value for step in checked.owed],
        "sent": [step.value for step in checked.sent],
        "unsettled_s": unsettled_s,
        "half_done_s": unsettled_s if outcomes else None,
    }


def _checks_in(messages: Iterable[Message]) -> Iterator[Check]:
    """Those that can be read. The others fail when they are handled."""
    for message in messages:
        for body in message.batched or (message.body,):
            with suppress(PermanentFailure):
                yield check_of(body)
