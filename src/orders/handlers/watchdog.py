"""The watchdog's queue, in batches of watches and packs of watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from orders import wiring
from orders.aws.messages import check_of
from orders.domain.order import OrderKey, order_id_time
from orders.domain.status import status
from orders.failures import PermanentFailure
from orders.flow.desk import Message, RetryLater
from orders.flow.watchdog import Checked
from orders.handlers.batch import Batch, answer, messages_of
from orders.ports import Check
from orders.wiring import WatchdogParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.watchdog())


def handle(event: Batch, parts: WatchdogParts) -> dict[str, Any]:
    records = event["Records"]
    messages = messages_of(records)
    fetched = parts.watchdog.batch_get_progress([*_watches_in(messages)])

    def attend(message: Message) -> str | None:
        check = check_of(message.body)
        message.is_about(check.key)
        checked = parts.watchdog.check(check, fetched.get(check.key))
        if checked.owed:
            message.log |= _found(check.key, checked, parts.desk.clock.now())
        if checked.look_again:
            raise RetryLater(checked.result)
        # That an order has settled was told by the delivery that settled it.
        return None if checked.result == "settled" else checked.result

    return answer(records, parts.desk.all_finished(messages, attend))


def _found(key: OrderKey, checked: Checked, now: int) -> dict[str, object]:
    """What the log says of an order that has not settled.

    How old it is, is told from its first outcome, which is at hand; without one, from the id, whose
    time is the client's.
    """
    outcomes = checked.facts.outcomes.values()
    since = min((outcome.at for outcome in outcomes), default=None)
    unsettled_s = (now - (since or order_id_time(key.order_id))) // 1000
    return {
        "status": status(checked.facts).value,
        "owed": [step.value for step in checked.owed],
        "sent": [step.value for step in checked.sent],
        "unsettled_s": unsettled_s,
        "half_done_s": unsettled_s if outcomes else None,
    }


def _watches_in(messages: Iterable[Message]) -> Iterator[Check]:
    """Those that can be read: what becomes of the others is said when their turn comes."""
    for message in messages:
        for body in message.packed or (message.body,):
            with suppress(PermanentFailure):
                yield check_of(body)
