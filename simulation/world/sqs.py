"""SQS standard queues, and the client that the service holds.

As AWS has it: at least once and in no order; a message received is invisible for a while, under a
receipt that only lasts until it is received again; a message received too often goes to the dead
letters instead; a batch request answers 200 and lists what it did not take; counts lag behind.

Not modelled: retention (14 days; no schedule is as long), the limit of 120,000 messages in flight,
encryption and permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from simulation.world.calls import (
    Calls,
    Site,
    aws_failed,
    aws_throttled,
    client_error,
)
from simulation.world.chance import Chance
from simulation.world.faults import BATCH_WRITE_KINDS, WRITE_KINDS, Fault, Kinds

#: One request, all bodies together; one message too.
REQUEST_BYTES_MAX = 1024 * 1024
BATCH_MAX = 10
DELAY_SECONDS_MAX = 900
VISIBILITY_SECONDS_MAX = 43_200
#: Between the labels of messages that travel as one.
IN_ONE = ", "
#: A message that is not found at first is found within so long.
FOUND_WITHIN_MS = 30_000

_COUNT_KINDS = Kinds(
    (
        Fault.CRASH_BEFORE,
        Fault.REQUEST_LOST,
        Fault.SLOW,
        Fault.THROTTLED,
        Fault.STALE_COUNT,
    )
)
_AT_SEND = Kinds((Fault.DELAYED,))


class Message:
    """`visible_at`: from when it can be received. `receipt` is the latest, "" before the first."""

    __slots__ = (
        "attributes",
        "body",
        "id",
        "in_flight",
        "label",
        "receipt",
        "receives",
        "sent_at",
        "visible_at",
    )

    def __init__(
        self,
        id_: str,
        label: str,
        body: str,
        attributes: Mapping[str, Any],
        sent_at: int,
        visible_at: int,
    ) -> None:
        self.id = id_
        self.label = label
        self.body = body
        self.attributes = attributes
        self.sent_at = sent_at
        self.visible_at = visible_at
        self.in_flight = False
        self.receives = 0
        self.receipt = ""


class Queue:
    """`on_visible` is told when a message will be visible; `on_sent`, that one comes (before it is
    there); `on_gone`, that one was deleted."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        now: Callable[[], int],
        chance: Chance,
        visibility_seconds: int = 30,
        delay_seconds: int = 0,
        receives_max: int | None = None,
        dead_letters: Queue | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.visibility_seconds = visibility_seconds
        self.delay_seconds = delay_seconds
        self.receives_max = receives_max
        self.dead_letters = dead_letters
        self.messages: dict[str, Message] = {}
        self.on_visible: Callable[[int], None] = lambda _: None
        self.on_gone: Callable[[Message], None] = lambda _: None
        self.on_sent: Callable[[Message], None] = lambda _: None
        self._now = now
        self._chance = chance
        self._sent: dict[str, int] = {}

    def send(
        self, label: str, body: str, attributes: Mapping[str, Any], delay_ms: int | None
    ) -> Message:
        """`label` says what the message is about; with a number for copies it is the id."""
        copies = self._sent[label] = self._sent.get(label, 0) + 1
        id_ = label if copies == 1 else f"{label} ({copies})"
        now = self._now()
        wait = self.delay_seconds * 1000 if delay_ms is None else delay_ms
        message = Message(id_, label, body, attributes, now, now + wait)
        self.on_sent(message)
        self.messages[id_] = message
        self.on_visible(message.visible_at)
        return message

    def visible(self) -> list[Message]:
        now = self._now()
        return [message for message in self.messages.values() if message.visible_at <= now]

    def receive(self, count: int, visibility_seconds: int | None = None) -> list[Message]:
        """Up to so many, in no order; dead ones are put where they belong instead."""
        visible = self.visible()
        if len(visible) > 1:
            visible = self._chance.shuffled(visible)[:count]
            # A poll asks some of the servers only.
            visible = visible[: 1 + self._chance.below(len(visible))]
        seconds = self.visibility_seconds if visibility_seconds is None else visibility_seconds
        received = []
        for message in visible:
            if self.receives_max is not None and message.receives >= self.receives_max:
                self._bury(message)
                continue
            message.receives += 1
            message.receipt = f"{message.id} #{message.receives}"
            message.in_flight = True
            self.hide(message, seconds)
            received.append(message)
        return received

    def hide(self, message: Message, seconds: int) -> None:
        message.visible_at = self._now() + seconds * 1000
        self.on_visible(message.visible_at)

    def show(self, message: Message) -> None:
        """It can be received again although somebody has it: at least once means that."""
        if self.messages.get(message.id) is message:
            message.visible_at = self._now()
            self.on_visible(message.visible_at)

    def holds(self, label: str) -> bool:
        """Some message about this is here, or with the dead letters."""
        if any(label in message.label.split(IN_ONE) for message in self.messages.values()):
            return True
        return self.dead_letters is not None and self.dead_letters.holds(label)

    def holder(self, receipt: str) -> Message | None:
        """The message of which this is the latest receipt."""
        message = self.messages.get(receipt.rpartition(" #")[0])
        return message if message is not None and message.receipt == receipt else None

    def delete(self, message: Message) -> None:
        if self.messages.pop(message.id, None) is not None:
            self.on_gone(message)

    def counts(self) -> dict[str, int]:
        """As the queue's attributes name them, without any lag."""
        now = self._now()
        waiting = flying = delayed = 0
        for message in self.messages.values():
            if message.visible_at <= now:
                waiting += 1
            elif message.in_flight:
                flying += 1
            else:
                delayed += 1
        return {
            "ApproximateNumberOfMessages": waiting,
            "ApproximateNumberOfMessagesNotVisible": flying,
            "ApproximateNumberOfMessagesDelayed": delayed,
        }

    def _bury(self, message: Message) -> None:
        if self.dead_letters is not None:
            self.dead_letters.send(message.label, message.body, message.attributes, None)
        self.delete(message)


class SqsClient:
    """A botocore client of SQS: what the service calls, and what `spillway redrive` does.

    `label` says in a word what a body is about.
    """

    def __init__(
        self,
        calls: Calls,
        queues: Mapping[str, Queue],
        timeout_seconds: float,
        label: Callable[[str], str],
    ) -> None:
        self._calls = calls
        self._queues = queues
        self._label = label
        self._timeout_ms = round(timeout_seconds * 1000)
        self._sites: dict[tuple[str, str], Site] = {}

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MessageBody: str,  # noqa: N803
        MessageAttributes: Mapping[str, Any] | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        def send(_: Fault | None) -> dict[str, Any]:
            queue = self._queue(QueueUrl, "SendMessage")
            _check_size(len(MessageBody.encode()), "SendMessage")
            message = queue.send(
                self._label(MessageBody), MessageBody, MessageAttributes or {}, self._lag(None)
            )
            return {"MessageId": message.id}

        return self._make("SendMessage", QueueUrl, WRITE_KINDS, send, self._label(MessageBody))

    def send_message_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        def send(fault: Fault | None) -> dict[str, Any]:
            queue = self._queue(QueueUrl, "SendMessageBatch")
            _check_batch(Entries, "SendMessageBatch")
            _check_size(
                sum(len(entry["MessageBody"].encode()) for entry in Entries), "SendMessageBatch"
            )
            taken, failed = self._parted(Entries, fault)
            sent = []
            for entry in taken:
                body = entry["MessageBody"]
                delay = entry.get("DelaySeconds")
                if delay is not None and not 0 <= delay <= DELAY_SECONDS_MAX:
                    raise client_error("InvalidParameterValue", "SendMessageBatch")
                message = queue.send(
                    self._label(body),
                    body,
                    entry.get("MessageAttributes", {}),
                    self._lag(None if delay is None else delay * 1000),
                )
                sent.append({"Id": entry["Id"], "MessageId": message.id})
            return _batch_answer(sent, failed)

        about = ", ".join(self._label(entry["MessageBody"]) for entry in Entries)
        return self._make("SendMessageBatch", QueueUrl, BATCH_WRITE_KINDS, send, about)

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> dict[str, Any]:
        def change(_: Fault | None) -> dict[str, Any]:
            queue = self._queue(QueueUrl, "ChangeMessageVisibility")
            if ReceiptHandle.rpartition(" #")[0] not in queue.messages:
                raise _gone(ReceiptHandle)
            message = queue.holder(ReceiptHandle)
            if message is None or message.visible_at <= self._calls.scheduler.now:
                # Not held any more: AWS says yes and does nothing.
                return {}
            if not 0 <= VisibilityTimeout <= VISIBILITY_SECONDS_MAX:
                raise client_error("InvalidParameterValue", "ChangeMessageVisibility")
            queue.hide(message, VisibilityTimeout)
            return {}

        about = f"{ReceiptHandle}, {VisibilityTimeout} s"
        return self._make("ChangeMessageVisibility", QueueUrl, WRITE_KINDS, change, about)

    def get_queue_attributes(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        AttributeNames: Sequence[str],  # noqa: N803
    ) -> dict[str, Any]:
        def read(fault: Fault | None) -> dict[str, Any]:
            queue = self._queue(QueueUrl, "GetQueueAttributes")
            counts = queue.counts()
            if fault is Fault.STALE_COUNT:
                counts = self._as_if_lagging(counts)
            attributes = {name: str(count) for name, count in counts.items()}
            if queue.dead_letters is not None:
                policy = {
                    "deadLetterTargetArn": queue.dead_letters.url,
                    "maxReceiveCount": queue.receives_max,
                }
                attributes["RedrivePolicy"] = msgspec.json.encode(policy).decode()
            return {
                "Attributes": {
                    name: attributes[name] for name in AttributeNames if name in attributes
                },
                "ResponseMetadata": {"HTTPHeaders": {"date": self._date()}},
            }

        return self._make("GetQueueAttributes", QueueUrl, _COUNT_KINDS, read, "", writes=False)

    def receive_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MaxNumberOfMessages: int = 1,  # noqa: N803
        VisibilityTimeout: int | None = None,  # noqa: N803
        WaitTimeSeconds: int = 0,  # noqa: N803, ARG002
        MessageAttributeNames: Sequence[str] = (),  # noqa: N803
        MessageSystemAttributeNames: Sequence[str] = (),  # noqa: N803, ARG002
    ) -> dict[str, Any]:
        def receive(_: Fault | None) -> dict[str, Any]:
            queue = self._queue(QueueUrl, "ReceiveMessage")
            messages = queue.receive(MaxNumberOfMessages, VisibilityTimeout)
            return {
                "Messages": [
                    {
                        "MessageId": message.id,
                        "ReceiptHandle": message.receipt,
                        "Body": message.body,
                        "Attributes": {
                            "SentTimestamp": str(message.sent_at),
                            "ApproximateReceiveCount": str(message.receives),
                        },
                        "MessageAttributes": {
                            name: message.attributes[name]
                            for name in MessageAttributeNames
                            if name in message.attributes
                        },
                    }
                    for message in messages
                ]
            }

        return self._make("ReceiveMessage", QueueUrl, WRITE_KINDS, receive, "")

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> dict[str, Any]:  # noqa: N803
        def delete(_: Fault | None) -> dict[str, Any]:
            self._delete(self._queue(QueueUrl, "DeleteMessage"), ReceiptHandle)
            return {}

        return self._make("DeleteMessage", QueueUrl, WRITE_KINDS, delete, ReceiptHandle)

    def delete_message_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        def delete(fault: Fault | None) -> dict[str, Any]:
            queue = self._queue(QueueUrl, "DeleteMessageBatch")
            _check_batch(Entries, "DeleteMessageBatch")
            taken, failed = self._parted(Entries, fault)
            for entry in taken:
                self._delete(queue, entry["ReceiptHandle"])
            return _batch_answer([{"Id": entry["Id"]} for entry in taken], failed)

        return self._make("DeleteMessageBatch", QueueUrl, BATCH_WRITE_KINDS, delete, "")

    def change_message_visibility_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: Sequence[Mapping[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        def change(fault: Fault | None) -> dict[str, Any]:
            queue = self._queue(QueueUrl, "ChangeMessageVisibilityBatch")
            _check_batch(Entries, "ChangeMessageVisibilityBatch")
            taken, failed = self._parted(Entries, fault)
            for entry in taken:
                message = queue.holder(entry["ReceiptHandle"])
                if message is not None:
                    queue.hide(message, entry["VisibilityTimeout"])
            return _batch_answer([{"Id": entry["Id"]} for entry in taken], failed)

        return self._make("ChangeMessageVisibilityBatch", QueueUrl, BATCH_WRITE_KINDS, change, "")

    def _make(
        self,
        call: str,
        url: str,
        kinds: Kinds,
        do: Callable[[Fault | None], dict[str, Any]],
        about: str,
        *,
        writes: bool = True,
    ) -> dict[str, Any]:
        site = self._sites.get((call, url))
        if site is None:
            queue = self._queues.get(url)
            named = call if queue is None else f"{call} to {queue.name}"
            site = self._sites[call, url] = Site(
                "sqs", named, kinds, self._timeout_ms, aws_failed, aws_throttled, writes
            )
        return self._calls.make(site, do, about)

    def _queue(self, url: str, call: str) -> Queue:
        queue = self._queues.get(url)
        if queue is None:
            raise client_error("AWS.SimpleQueueService.NonExistentQueue", call)
        return queue

    def _delete(self, queue: Queue, receipt: str) -> None:
        """With an old receipt it succeeds, and deletes nothing."""
        message = queue.holder(receipt)
        if message is not None:
            queue.delete(message)

    def _lag(self, delay_ms: int | None) -> int | None:
        """A message that is not found at once, because the servers are many."""
        calls = self._calls
        task, faults = calls.scheduler.task, calls.faults
        if task is None or calls.scheduler.now >= faults.heal_at:
            return delay_ms
        if Fault.DELAYED not in faults.rates or faults.drawn(_AT_SEND, task.chance) is None:
            return delay_ms
        place = f"{task.name}, call {task.calls}: found late"
        if not faults.injects(Fault.DELAYED, place, calls.scheduler.now):
            return delay_ms
        return (delay_ms or 0) + task.chance.below(FOUND_WITHIN_MS)

    def _parted(
        self, entries: Sequence[Mapping[str, Any]], fault: Fault | None
    ) -> tuple[Sequence[Mapping[str, Any]], list[dict[str, Any]]]:
        """Those that are taken, and what the answer says of the others."""
        if fault is not Fault.PARTLY_TAKEN:
            return entries, []
        task = self._calls.scheduler.running
        unlucky = task.chance.below(len(entries))
        code = task.chance.pick(("InternalError", "ServiceUnavailable", "RequestThrottled"))
        failed = {"Id": entries[unlucky]["Id"], "SenderFault": False, "Code": code}
        return [*entries[:unlucky], *entries[unlucky + 1 :]], [failed]

    def _as_if_lagging(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Short of what has just come, or still with what has just gone."""
        task = self._calls.scheduler.running
        if task.chance() < 0.5:
            return dict.fromkeys(counts, 0)
        return {name: count + 1 for name, count in counts.items()}

    def _date(self) -> str:
        """SQS's own clock, as every answer's header has it."""
        return format_datetime(
            datetime.fromtimestamp(self._calls.scheduler.now // 1000, UTC), usegmt=True
        )


def _gone(receipt: str) -> ClientError:
    """What SQS says to the receipt of a message that somebody else has deleted."""
    return client_error(
        "InvalidParameterValue",
        "ChangeMessageVisibility",
        f"Value {receipt} for parameter ReceiptHandle is invalid. Reason: Message does not exist or"
        " is not available for visibility timeout change.",
    )


def _check_batch(entries: Sequence[Mapping[str, Any]], call: str) -> None:
    if not entries:
        raise client_error("AWS.SimpleQueueService.EmptyBatchRequest", call)
    if len(entries) > BATCH_MAX:
        raise client_error("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", call)
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise client_error("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", call)


def _check_size(bytes_: int, call: str) -> None:
    if bytes_ > REQUEST_BYTES_MAX:
        raise client_error("AWS.SimpleQueueService.BatchRequestTooLong", call)


def _batch_answer(
    sent: Iterable[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    answer: dict[str, Any] = {"Successful": list(sent)}
    if failed:
        answer["Failed"] = list(failed)
    return answer
