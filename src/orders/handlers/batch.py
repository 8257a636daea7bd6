"""A batch of queue messages in, a partial batch response out. The same for deliver, drain and
watchdog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orders.flow.desk import Message

Record = Mapping[str, Any]
Batch = Mapping[str, Any]


def message_in(record: Record) -> Message:
    receives = int(record["attributes"]["ApproximateReceiveCount"])
    return Message(record["body"], record["receiptHandle"], receives)


def answer(records: Iterable[Record], finished: Iterable[bool]) -> dict[str, Any]:
    """Names the messages that are to come again; the queue deletes the others."""
    return {
        "batchItemFailures": [
            {"itemIdentifier": record["messageId"]}
            for record, done in zip(records, finished, strict=True)
            if not done
        ]
    }
