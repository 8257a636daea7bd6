"""Lambda's event sources: what reads the queues and the stream and invokes the functions.

The numbers are those that are deployed (infra/event_sources.py). As AWS has it: a batch may be of
any size up to the largest; what an answer does not name as failed is deleted; a batch whose
function failed comes again as a whole, from a stream at once and in halves, with nothing of its
shard overtaking it, until the records are too old.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from infra.event_sources import RECORD_AGE_SECONDS_MAX, RELAY_BATCH_SIZE, QueueSource
from simulation.world import stream
from simulation.world.chance import Chance
from simulation.world.faults import Fault, Faults
from simulation.world.functions import Function
from simulation.world.scheduler import Scheduler
from simulation.world.sqs import Message, Queue
from simulation.world.stream import Shard

#: From a message's being visible to its being received, at most; and from a change to its relay.
POLL_MAX_MS = 20
STREAM_POLL_MS = 20
#: Lambda asks a shard four times a second: what came meanwhile is one batch.
CROWD_POLL_MS = 250
#: A message that is received a second time at once is so within this.
SECOND_RECEIVE_MAX_MS = 5_000
#: Between two tries of a stream's batch: from this, doubled up to that.
RETRY_MS = 500
RETRY_MAX_MS = 300_000


class QueueReader:
    """`on_error` is told of each invocation that failed: the function and why."""

    def __init__(
        self,
        queue: Queue,
        source: QueueSource,
        function: Function,
        scheduler: Scheduler,
        faults: Faults,
        chance: Chance,
        on_error: Callable[[str, str], None],
    ) -> None:
        self._on_error = on_error
        self._queue = queue
        self._source = source
        self._function = function
        self._scheduler = scheduler
        self._faults = faults
        self._chance = chance
        self._running = 0
        self._held_up = False
        queue.on_visible = self._visible

    def _visible(self, at: int) -> None:
        lag = 1 + self._chance.below(POLL_MAX_MS) + self._source.window_seconds * 1000
        self._scheduler.at(max(at, self._scheduler.now) + lag, self._poll)

    def _poll(self) -> None:
        if not self._queue.messages:
            return
        if self._running >= self._source.concurrency_max:
            self._held_up = True
            return
        messages = self._queue.receive(self._source.batch_size)
        if not messages:
            return
        self._running += 1
        held = [(message, message.receipt) for message in messages]
        for message, receipt in held:
            self._maybe_second_receive(message, receipt)
        label = messages[0].receipt
        if len(messages) > 1:
            label += f" and {len(messages) - 1} more"
        event = {"Records": [record_of(message, self._queue.name) for message in messages]}
        self._function.invoke(label, event, lambda result, error: self._ended(held, result, error))
        if self._queue.visible():
            self._visible(self._scheduler.now)

    def _ended(self, held: list[tuple[Message, str]], result: Any, error: str | None) -> None:
        self._running -= 1
        if error is not None:
            self._on_error(self._function.name, error)
        else:
            failed = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
            for message, receipt in held:
                if message.id not in failed:
                    self._delete(message, receipt)
        if self._held_up:
            self._held_up = False
            self._visible(self._scheduler.now)

    def _delete(self, message: Message, receipt: str) -> None:
        if self._faults.injects_at(
            Fault.DELETE_LOST, self._scheduler.now, self._queue.name, " ", receipt, ": its deletion"
        ):
            return
        # With a receipt that another receive has outdated, AWS may delete it or not.
        if message.receipt == receipt or self._chance() < 0.5:
            self._queue.delete(message)

    def _maybe_second_receive(self, message: Message, receipt: str) -> None:
        if self._faults.injects_at(
            Fault.DUPLICATED,
            self._scheduler.now,
            self._queue.name,
            " ",
            receipt,
            ": received twice",
        ):
            wait = self._chance.below(SECOND_RECEIVE_MAX_MS)
            self._scheduler.after(wait, self._queue.show, message)


class ShardReader:
    """Relays one shard, batch after batch. `on_given_up` gets the failure record for records that
    have grown too old."""

    def __init__(
        self,
        shard: Shard,
        function: Function,
        scheduler: Scheduler,
        faults: Faults,
        chance: Chance,
        label: Callable[[stream.Record], str],
        on_given_up: Callable[[str], None],
        on_error: Callable[[str, str], None],
        poll_ms: int = STREAM_POLL_MS,
    ) -> None:
        self._on_error = on_error
        self._poll_ms = poll_ms
        self._shard = shard
        self._function = function
        self._scheduler = scheduler
        self._faults = faults
        self._chance = chance
        self._label = label
        self._on_given_up = on_given_up
        self._next = 0
        self._ends: list[int] = []
        self._failures = 0
        self._running = False
        shard.on_record = self._wake

    def still_has(self, customer_id: str, order_id: str) -> bool:
        """A change of this order has not been relayed yet."""
        return any(
            record["dynamodb"]["Keys"]["pk"]["S"] == customer_id
            and record["dynamodb"]["Keys"]["sk"]["S"].startswith(order_id)
            for record in self._shard.records[self._next :]
        )

    def _wake(self) -> None:
        self._scheduler.after(1 + self._chance.below(self._poll_ms), self._poll)

    def _poll(self) -> None:
        shard = self._shard
        if self._running or self._next == len(shard.records):
            return
        age = self._scheduler.now - shard.written_at[self._next]
        end = self._end()
        if age > RECORD_AGE_SECONDS_MAX * 1000:
            self._give_up(end)
            return
        self._running = True
        self._invoke(self._next, end, lambda _, error: self._ended(end, error))

    def _end(self) -> int:
        if self._ends:
            return self._ends[-1]
        waiting = len(self._shard.records) - self._next
        # A poll may come before all of what is written.
        return self._next + 1 + self._chance.below(min(waiting, RELAY_BATCH_SIZE))

    def _invoke(self, start: int, end: int, on_end: Callable[[Any, str | None], None]) -> None:
        records = self._shard.records[start:end]
        label = self._label(records[0])
        if len(records) > 1:
            label += f" and {len(records) - 1} more"
        self._function.invoke(label, {"Records": records}, on_end)

    def _ended(self, end: int, error: str | None) -> None:
        self._running = False
        start = self._next
        if error is None:
            self._next, self._failures = end, 0
            while self._ends and self._ends[-1] <= end:
                self._ends.pop()
            self._maybe_again(start, end)
            self._wake()
            return
        self._on_error(self._function.name, error)
        if not self._ends:
            self._ends.append(end)
        if end - start > 1:
            # Bisected: the first half is tried next.
            self._ends.append(start + (end - start) // 2)
        self._failures += 1
        wait = min(RETRY_MAX_MS, RETRY_MS << min(self._failures, 10))
        self._scheduler.after(wait, self._poll)

    def _maybe_again(self, start: int, end: int) -> None:
        """At least once: the reader died before it noted how far it was."""
        number = self._shard.records[start]["dynamodb"]["SequenceNumber"]
        if self._faults.injects_at(
            Fault.STREAM_REPEATED, self._scheduler.now, "stream ", number, ": relayed again"
        ):
            self._invoke(start, end, lambda *_: None)

    def _give_up(self, end: int) -> None:
        shard, start = self._shard, self._next
        dead_letter = {
            "requestContext": {
                "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
                "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:relay",
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
        self._on_given_up(msgspec.json.encode(dead_letter).decode())
        self._next, self._failures = end, 0
        while self._ends and self._ends[-1] <= end:
            self._ends.pop()
        self._wake()


def record_of(message: Message, queue: str) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(message.sent_at),
            "SenderId": "AROAEXAMPLE:spillway",
            "ApproximateFirstReceiveTimestamp": str(message.sent_at),
        },
        "messageAttributes": message.attributes,
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:{queue}",
        "awsRegion": "eu-west-1",
    }
