"""The watchdog's queue, in batches."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import watch_of
from orders.handlers.batch import Attended, Batch, Desk, Message, answer
from orders.wiring import WatchdogParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.watchdog())


def handle(event: Batch, parts: WatchdogParts) -> dict[str, Any]:
    """A watch that fails comes again when its visibility timeout is over: there is no hurry."""

    def attend(message: Message) -> Attended:
        watch = watch_of(message.body)
        message.is_about(watch.key)
        checked = parts.watchdog.check(watch)
        if checked.owed:
            message.log["owed"] = [step.value for step in checked.owed]
            message.log["sent"] = [step.value for step in checked.sent]
        return Attended(checked.result)

    desk = Desk("watchdog", attend, parts.inbox, parts.clock, parts.log)
    records = event["Records"]
    return answer(records, map(desk.finished, records))
