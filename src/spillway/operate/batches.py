"""SQS's batch requests: each entry can fail alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orders.aws.queues import BATCH_MAX

#: SQS's own limit for all bodies of one request is 1 MiB; it was 256 KiB until 2025.
BATCH_BYTES_MAX = 256 * 1024

Entry = Mapping[str, Any]


def in_batches(call: Callable[..., Any], url: str, entries: Sequence[Entry]) -> dict[int, str]:
    """Make a batch request for all entries, as many at a time as one request takes.

    `call` is the client's method. Returns the error codes of the entries that failed, by place.
    """
    failed: dict[int, str] = {}
    for batch in _fitting(entries):
        answer = call(QueueUrl=url, Entries=batch)
        failed |= {int(entry["Id"]): entry["Code"] for entry in answer.get("Failed", ())}
    return failed


def _fitting(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for place, entry in enumerate(entries):
        bytes_ = len(entry.get("MessageBody", "").encode())
        if batch and (len(batch) == BATCH_MAX or size + bytes_ > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append({"Id": str(place), **entry})
        size += bytes_
    if batch:
        yield batch
