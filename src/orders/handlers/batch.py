"""A batch of queue messages: each is attended to by itself, and only what must come again is
handed back (a partial batch response). The same for deliver, drain and watchdog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orders.domain.order import OrderKey
from orders.failures import PermanentFailure, TransientFailure
from orders.ports import Clock, Inbox, Log
from orders.telemetry import place_of

Record = Mapping[str, Any]
Batch = Mapping[str, Any]


@dataclass(slots=True)
class Message:
    """One message as it came, and what its line in the log will say.

    `attempt` is 1 the first time.
    """

    body: str
    receipt: str
    attempt: int
    log: dict[str, Any] = field(default_factory=dict)

    def is_about(self, key: OrderKey) -> None:
        self.log |= {"order_id": key.order_id, "customer": key.customer_hash}


@dataclass(frozen=True, slots=True)
class Attended:
    """`outcome` is the log's word for what became of a message; one that is not `finished` stays in
    its queue and comes again."""

    outcome: str
    finished: bool = True
    detail: str | None = None


Attend = Callable[[Message], Attended]


def answer(records: Iterable[Record], finished: Iterable[bool]) -> dict[str, Any]:
    """Names the messages that are to come again; the queue deletes the others."""
    return {
        "batchItemFailures": [
            {"itemIdentifier": record["messageId"]}
            for record, done in zip(records, finished, strict=True)
            if not done
        ]
    }


@dataclass(frozen=True, slots=True)
class Desk:
    """Where messages are attended to, one after the other or side by side."""

    step: str
    attend: Attend
    inbox: Inbox
    clock: Clock
    log: Log

    def finished(self, record: Record) -> bool:
        """Whether this message can go. Never raises: that would bring the whole batch again."""
        started = self.clock.now()
        message = Message(
            record["body"],
            record["receiptHandle"],
            int(record["attributes"]["ApproximateReceiveCount"]),
        )
        attended = self._attended(message)
        self.log(
            self.step,
            attended.outcome,
            attempt=message.attempt,
            duration_ms=self.clock.now() - started,
            detail=attended.detail,
            **message.log,
        )
        return attended.finished

    def _attended(self, message: Message) -> Attended:
        try:
            try:
                return self.attend(message)
            except PermanentFailure as failure:
                self.inbox.set_aside(message.body, str(failure))
                return Attended("set_aside", detail=str(failure))
        except TransientFailure as failure:
            # The queue brings it again by itself, when its visibility timeout is over.
            return Attended("unavailable", finished=False, detail=str(failure))
        except Exception as bug:  # noqa: BLE001 - a bug is one message's, not its neighbours'
            message.log["error"] = place_of(bug)
            return Attended("bug", finished=False)
