"""A batch of queue messages in, a partial batch response out. The same for deliver, drain and
watchdog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orders.aws.messages import messages_in
from orders.flow.desk import Message

Record = Mapping[str, Any]
Batch = Mapping[str, Any]


def message_in(record: Record, packed: Sequence[str] = ()) -> Message:
    return Message(
        record["messageId"],
        record["body"],
        record["receiptHandle"],
        int(record["attributes"]["ApproximateReceiveCount"]),
        packed,
    )


def messages_of(records: Iterable[Record]) -> list[Message]:
    """The messages of a queue in which packs travel."""
    return [message_in(record, messages_in(record["body"])) for record in records]


def answer(records: Iterable[Record], finished: Iterable[bool]) -> dict[str, Any]:
    """Names the messages that are to come again; the queue deletes the others."""
    return {
        "batchItemFailures": [
            {"itemIdentifier": record["messageId"]}
            for record, done in zip(records, finished, strict=True)
            if not done
        ]
    }
