"""Lambda's event sources: what reads the queues and the stream and invokes the functions.

The numbers are the deployed ones (infra/event_sources.py). As on AWS, a batch has any size up to
the largest. Messages that an answer does not name as failed are deleted. A batch of a failed
function comes again as a whole; from a stream it comes again at once and in halves, and nothing of
its shard overtakes it, until the records are too old.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from infra.event_sources import RECORD_AGE_SECONDS_MAX, QueueSource, StreamSource
from simulation.world import stream
from simulation.world.chance import Chance
from simulation.world.faults import Fault, Faults
from simulation.world.filters import passes
from simulation.world.functions import Function
from simulation.world.scheduler import Scheduler
from simulation.world.sqs import Message, Queue, md5_of
from simulation.world.stream import Shard

#: The longest time from a message's being visible to its receive, and from a change to its being
#: read, without a batching window.
POLL_MAX_MS = 20
STREAM_POLL_MS = 20
#: Lambda asks a shard four times a second: what came meanwhile is one batch.
CROWD_POLL_MS = 250
#: A message that is received twice is received again within this time.
SECOND_RECEIVE_MAX_MS = 5_000
#: Between two attempts at a stream's batch: doubled from the first up to the second.
RETRY_MS = 500
RETRY_MAX_MS = 300_000
_FUNCTIONS = "arn:aws:lambda:eu-west-1:123456789012:function"
#: How an invocation failed whose answer names what is not in its batch: a bug, as if it had raised.
NAMED_NONE = "raised nothing, and named as failed what is not in its batch"


def failed_in(answer: Any, batch: Collection[str]) -> Collection[str] | None:
    """The messages of a batch that must come again, as the function's answer names them. None where
    it names anything else: then the whole batch comes again.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    failures = (answer or {}).get("batchItemFailures") or ()
    failed = {failure.get("itemIdentifier") for failure in failures}
    return failed if failed <= set(batch) else None


@dataclass(eq=False)
class QueueReader:
    """`on_error` gets the function's name and the reason of each failed invocation."""

    queue: Queue
    source: QueueSource
    function: Function
    scheduler: Scheduler
    faults: Faults
    chance: Chance
    on_error: Callable[[str, str], None]
    _running: int = 0
    _held_up: bool = False

    def __post_init__(self) -> None:
        self.queue.on_visible = self._visible

    def _visible(self, at: int) -> None:
        lag = 1 + self.chance.below(POLL_MAX_MS) + self.source.window_seconds * 1000
        self.scheduler.at(max(at, self.scheduler.now) + lag, self._poll)

    def _poll(self) -> None:
        if not self.queue.messages:
            return
        if self._running >= self.source.concurrency_max:
            self._held_up = True
            return
        messages = self.queue.receive(self.source.batch_size)
        if not messages:
            return
        self._running += 1
        held = [(message, message.receipt) for message in messages]
        for message, receipt in held:
            self._maybe_second_receive(message, receipt)
        label = _label_of_batch(messages[0].receipt, len(messages))
        event = {"Records": [record_of(message, self.queue.name) for message in messages]}
        self.function.invoke(label, event, lambda result, error: self._ended(held, result, error))
        if self.queue.visible():
            self._visible(self.scheduler.now)

    def _ended(self, held: list[tuple[Message, str]], result: Any, error: str | None) -> None:
        self._running -= 1
        failed = None if error is not None else failed_in(result, {each.id for each, _ in held})
        if failed is None:
            self.on_error(self.function.name, error or NAMED_NONE)
        else:
            for message, receipt in held:
                if message.id not in failed:
                    self._delete(message, receipt)
        if self._held_up:
            self._held_up = False
            self._visible(self.scheduler.now)

    def _delete(self, message: Message, receipt: str) -> None:
        place = (self.queue.name, " ", receipt, ": its deletion")
        if self.faults.injects_at(Fault.DELETE_LOST, self.scheduler.now, *place):
            return
        # With a receipt that another receive has outdated, AWS may delete it or not.
        if message.receipt == receipt or self.chance() < 0.5:
            self.queue.delete(message)

    def _maybe_second_receive(self, message: Message, receipt: str) -> None:
        place = (self.queue.name, " ", receipt, ": received twice")
        if self.faults.injects_at(Fault.DUPLICATED, self.scheduler.now, *place):
            wait = self.chance.below(SECOND_RECEIVE_MAX_MS)
            self.scheduler.after(wait, self.queue.show, message)


@dataclass(eq=False)
class ShardReader:
    """Has a function process one shard, batch after batch, from a place of its own. `on_given_up`
    gets the failure record for records that have grown too old."""

    shard: Shard
    source: StreamSource
    function: Function
    scheduler: Scheduler
    faults: Faults
    chance: Chance
    label: Callable[[stream.Record], str]
    on_given_up: Callable[[str], None]
    on_error: Callable[[str, str], None]
    poll_ms: int
    _next: int = 0
    #: Where the batches end that are still to be tried: the whole one, then its halves.
    _ends: list[int] = field(default_factory=list)
    _failures: int = 0
    _running: bool = False

    def __post_init__(self) -> None:
        self.shard.on_record.append(self._wake)

    def still_has(self, customer_id: str, order_id: str) -> bool:
        """A change of this order has not been processed yet."""
        return any(
            record["dynamodb"]["Keys"]["pk"]["S"] == customer_id
            and record["dynamodb"]["Keys"]["sk"]["S"].startswith(order_id)
            for record in self.shard.records[self._next :]
        )

    def _wake(self) -> None:
        lag = 1 + self.chance.below(self.poll_ms) + self.source.window_seconds * 1000
        self.scheduler.after(lag, self._poll)

    def _poll(self) -> None:
        shard = self.shard
        if self._running or self._next == len(shard.records):
            return
        age = self.scheduler.now - shard.written_at[self._next]
        end = self._end()
        kept = self._kept(end)
        if not kept:
            self._go_past(end)
            self._wake()
            return
        if age > RECORD_AGE_SECONDS_MAX * 1000:
            self._give_up(end)
            return
        self._running = True
        self._invoke(kept, lambda _, error: self._ended(end, kept, error))

    def _kept(self, end: int) -> list[stream.Record]:
        """The records up to there that the function is invoked for."""
        records = self.shard.records[self._next : end]
        return [record for record in records if passes(record, self.source.filters)]

    def _end(self) -> int:
        if self._ends:
            return self._ends[-1]
        waiting = len(self.shard.records) - self._next
        # A poll may come before all of what is written.
        return self._next + 1 + self.chance.below(min(waiting, self.source.batch_size))

    def _invoke(
        self, records: Sequence[stream.Record], on_end: Callable[[Any, str | None], None]
    ) -> None:
        label = _label_of_batch(self.label(records[0]), len(records))
        self.function.invoke(label, {"Records": records}, on_end)

    def _ended(self, end: int, kept: Sequence[stream.Record], error: str | None) -> None:
        self._running = False
        start = self._next
        if error is None:
            self._go_past(end)
            self._maybe_again(kept)
            self._wake()
            return
        self.on_error(self.function.name, error)
        if not self._ends:
            self._ends.append(end)
        if end - start > 1:
            # Bisected: the first half is tried next.
            self._ends.append(start + (end - start) // 2)
        self._failures += 1
        wait = min(RETRY_MAX_MS, RETRY_MS << min(self._failures, 10))
        self.scheduler.after(wait, self._poll)

    def _maybe_again(self, records: Sequence[stream.Record]) -> None:
        """At least once: the reader died before it noted how far it was."""
        number = records[0]["dynamodb"]["SequenceNumber"]
        again = "relayed again" if self.function.name == "relay" else f"{self.function.name} again"
        if self.faults.injects_at(
            Fault.STREAM_REPEATED, self.scheduler.now, "stream ", number, ": ", again
        ):
            self._invoke(records, lambda *_: None)

    def _give_up(self, end: int) -> None:
        shard, start = self.shard, self._next
        dead_letter = {
            "requestContext": {
                "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
                "functionArn": f"{_FUNCTIONS}:{self.function.name}",
                "condition": "RecordAgeExceeded",
                "approximateInvokeCount": self._failures,
            },
            "version": "1.0",
            "DDBStreamBatchInfo": {
                "shardId": shard.name,
                "startSequenceNumber": shard.records[start]["dynamodb"]["SequenceNumber"],
                "endSequenceNumber": shard.records[end - 1]["dynamodb"]["SequenceNumber"],
                "batchSize": end - start,
                "streamArn": stream.ARN,
            },
        }
        self.on_given_up(msgspec.json.encode(dead_letter).decode())
        self._go_past(end)
        self._wake()

    def _go_past(self, end: int) -> None:
        self._next, self._failures = end, 0
        while self._ends and self._ends[-1] <= end:
            self._ends.pop()


def _label_of_batch(first: str, count: int) -> str:
    return first if count == 1 else f"{first} and {count - 1} more"


def record_of(message: Message, queue: str) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": message.system_attributes(),
        "messageAttributes": {
            name: {
                "stringValue": attribute["StringValue"],
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": attribute["DataType"],
            }
            for name, attribute in message.attributes.items()
        },
        "md5OfBody": md5_of(message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:{queue}",
        "awsRegion": "eu-west-1",
    }
