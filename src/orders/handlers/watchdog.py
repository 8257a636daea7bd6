"""The watchdog's queue, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from orders import wiring
from orders.aws.messages import watch_of
from orders.failures import PermanentFailure
from orders.flow.desk import Message, NotYet
from orders.handlers.batch import Batch, Record, answer, message_in
from orders.ports import Watch
from orders.wiring import WatchdogParts


def handler(event: Batch, _context: object) -> dict[str, Any]:
    return handle(event, wiring.watchdog())


def handle(event: Batch, parts: WatchdogParts) -> dict[str, Any]:
    records = event["Records"]
    glanced = parts.watchdog.glance([*_watches_in(records)])

    def attend(message: Message) -> str:
        watch = watch_of(message.body)
        message.is_about(watch.key)
        checked = parts.watchdog.check(watch, glanced.get(watch.key))
        if checked.owed:
            message.log["owed"] = [step.value for step in checked.owed]
            message.log["sent"] = [step.value for step in checked.sent]
        if checked.look_again:
            raise NotYet(checked.result)
        return checked.result

    return answer(
        records, [parts.desk.is_finished(message_in(record), attend) for record in records]
    )


def _watches_in(records: Iterable[Record]) -> Iterator[Watch]:
    """Those that can be read: what becomes of the others is said when their turn comes."""
    for record in records:
        with suppress(PermanentFailure):
            yield watch_of(record["body"])
