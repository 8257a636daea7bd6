"""The watchdog's queue, in batches."""

from __future__ import annotations

from typing import Any

from orders import wiring
from orders.aws.messages import watch_of
from orders.flow.desk import Message, NotYet
from orders.handlers.batch import Batch, answer, message_in
from orders.wiring import WatchdogParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.watchdog())


def handle(event: Batch, parts: WatchdogParts) -> dict[str, Any]:
    def attend(message: Message) -> str:
        watch = watch_of(message.body)
        message.is_about(watch.key)
        checked = parts.watchdog.check(watch)
        if checked.owed:
            message.log["owed"] = [step.value for step in checked.owed]
            message.log["sent"] = [step.value for step in checked.sent]
        if checked.look_again:
            raise NotYet(checked.result)
        return checked.result

    records = event["Records"]
    return answer(
        records, [parts.desk.is_finished(message_in(record), attend) for record in records]
    )
