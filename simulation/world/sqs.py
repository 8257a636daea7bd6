"""SQS standard queues, and the client that the service holds.

As on AWS, delivery is at least once and in no order. A received message is invisible for a while,
under a receipt that is valid until it is received again. A message received too often goes to the
dead-letter queue. A batch request answers 200 and lists what it did not take. Counts lag behind.

Not modelled: retention (14 days; no schedule is as long), the limit of 120,000 messages in flight,
encryption and permissions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from simulation.world.calls import Calls, Site, aws_failed, aws_throttled, client_error
from simulation.world.chance import Chance
from simulation.world.faults import BATCH_WRITE_KINDS, WRITE_KINDS, Fault, Kinds

#: One request, all bodies and attributes together; one message too.
REQUEST_BYTES_MAX = 1024 * 1024
#: What a body may hold: the characters of XML 1.0. An attribute's text is not empty either.
_BODY = re.compile("[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_ENTRY_ID = re.compile("[A-Za-z0-9_-]{1,80}")
BATCH_MAX = 10
DELAY_SECONDS_MAX = 900
VISIBILITY_SECONDS_MAX = 43_200
#: Between the labels of messages that travel as one.
IN_ONE = ", "
#: A message that is not found at first is found within so long.
FOUND_WITHIN_MS = 30_000

Attributes = Mapping[str, Any]
Entries = Sequence[Attributes]
Answer = dict[str, Any]

_COUNT_KINDS = Kinds(
    (Fault.CRASH_BEFORE, Fault.REQUEST_LOST, Fault.SLOW, Fault.THROTTLED, Fault.STALE_COUNT)
)
_AT_SEND = Kinds((Fault.DELAYED,))


@dataclass(eq=False, slots=True)
class Message:
    """`visible_at`: from when it can be received. `receipt` is the latest, "" before the first.
    `source`: the queue that it was received from too often. `counted`: the queue's count has it, as
    it must within a minute or so."""

    id: str
    label: str
    body: str
    attributes: Attributes
    sent_at: int
    visible_at: int
    in_flight: bool = False
    receives: int = 0
    receipt: str = ""
    source: str = ""
    counted: bool = True

    def system_attributes(self) -> dict[str, str]:
        attributes = {
            "ApproximateReceiveCount": str(self.receives),
            "SentTimestamp": str(self.sent_at),
            "SenderId": "AROAEXAMPLE:spillway",
            "ApproximateFirstReceiveTimestamp": str(self.sent_at),
        }
        return attributes | ({"DeadLetterQueueSourceArn": self.source} if self.source else {})


@dataclass(eq=False)
class Queue:
    """`on_visible` is called with the time at which a message will be visible, `on_sent` before a
    message is in the queue, `on_gone` after one was deleted."""

    name: str
    url: str
    now: Callable[[], int]
    chance: Chance
    visibility_seconds: int = 30
    delay_seconds: int = 0
    receives_max: int | None = None
    dead_letters: Queue | None = None
    messages: dict[str, Message] = field(default_factory=dict)
    on_visible: Callable[[int], None] = lambda _: None
    on_gone: Callable[[Message], None] = lambda _: None
    on_sent: Callable[[Message], None] = lambda _: None
    #: Messages so far, by label.
    sent: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dead_letters is not None:
            # A message that is dead-lettered keeps its id, so no id is in both queues.
            self.sent = self.dead_letters.sent

    def send(self, label: str, body: str, attributes: Attributes, delay_ms: int | None) -> Message:
        """`label` says what the message is about. With a number for copies it is the id."""
        copies = self.sent[label] = self.sent.get(label, 0) + 1
        id_ = label if copies == 1 else f"{label} ({copies})"
        now = self.now()
        wait = self.delay_seconds * 1000 if delay_ms is None else delay_ms
        message = Message(id_, label, body, attributes, now, now + wait)
        self.on_sent(message)
        self.messages[id_] = message
        self.on_visible(message.visible_at)
        return message

    def visible(self) -> list[Message]:
        now = self.now()
        return [message for message in self.messages.values() if message.visible_at <= now]

    def receive(self, count: int, visibility_seconds: int | None = None) -> list[Message]:
        """Up to so many, in no order. A message received too often is dead-lettered instead."""
        visible = self.visible()
        if len(visible) > 1:
            visible = self.chance.shuffled(visible)[:count]
            # A poll asks some of the servers only.
            visible = visible[: 1 + self.chance.below(len(visible))]
        seconds = self.visibility_seconds if visibility_seconds is None else visibility_seconds
        received = []
        for message in visible:
            if self.receives_max is not None and message.receives >= self.receives_max:
                self._dead_letter(message)
                continue
            message.receives += 1
            message.receipt = f"{message.id} #{message.receives}"
            message.in_flight = True
            self.hide(message, seconds)
            received.append(message)
        return received

    def hide(self, message: Message, seconds: int) -> None:
        message.visible_at = self.now() + seconds * 1000
        self.on_visible(message.visible_at)

    def show(self, message: Message) -> None:
        """It can be received again while its receiver works on it: delivery is at least once."""
        if self.messages.get(message.id) is message:
            message.visible_at = self.now()
            self.on_visible(message.visible_at)

    def holds(self, label: str) -> bool:
        """A message about this is in the queue or in its dead-letter queue."""
        if any(label in message.label.split(IN_ONE) for message in self.messages.values()):
            return True
        return self.dead_letters is not None and self.dead_letters.holds(label)

    def holder(self, receipt: str) -> Message | None:
        """The message that has this as its latest receipt."""
        message = self.messages.get(receipt.rpartition(" #")[0])
        return message if message is not None and message.receipt == receipt else None

    def delete(self, message: Message) -> None:
        if self.messages.pop(message.id, None) is not None:
            self.on_gone(message)

    def counts(self) -> dict[str, int]:
        """As the queue's attributes name them, without any lag."""
        now = self.now()
        waiting = flying = delayed = 0
        for message in self.messages.values():
            if not message.counted:
                continue
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

    def _dead_letter(self, message: Message) -> None:
        """It keeps its id, its count, and the time at which it was first sent."""
        if self.dead_letters is not None:
            buried = replace(
                message, visible_at=self.now(), in_flight=False, receipt="", source=self.url
            )
            self.dead_letters.messages[buried.id] = buried
        self.delete(message)


@dataclass(eq=False)
class SqsClient:
    """A botocore client of SQS, as the service and `spillway redrive` call it.

    `label` says in a word what a body is about.
    """

    calls: Calls
    queues: Mapping[str, Queue]
    timeout_seconds: float
    label: Callable[[str], str]
    _sites: dict[tuple[str, str], Site] = field(default_factory=dict)

    def send_message(
        self, *, QueueUrl: str, MessageBody: str, MessageAttributes: Attributes | None = None
    ) -> Answer:
        def send(_: Fault | None) -> Answer:
            queue = self._queue(QueueUrl, "SendMessage")
            attributes = MessageAttributes or {}
            if _bytes(MessageBody, attributes) > REQUEST_BYTES_MAX:
                raise client_error("InvalidParameterValue", "SendMessage")
            _check_content(MessageBody, attributes, "SendMessage")
            return {"MessageId": self._send(queue, MessageBody, attributes, None).id}

        return self._make("SendMessage", QueueUrl, WRITE_KINDS, send, self.label(MessageBody))

    def send_message_batch(self, *, QueueUrl: str, Entries: Entries) -> Answer:
        def check() -> None:
            sizes = (
                _bytes(entry["MessageBody"], entry.get("MessageAttributes", {}))
                for entry in Entries
            )
            if sum(sizes) > REQUEST_BYTES_MAX:
                raise client_error("AWS.SimpleQueueService.BatchRequestTooLong", "SendMessageBatch")

        def send(queue: Queue, entry: Attributes) -> Answer:
            delay = entry.get("DelaySeconds")
            if delay is not None and not 0 <= delay <= DELAY_SECONDS_MAX:
                raise client_error("InvalidParameterValue", "SendMessageBatch")
            delay_ms = None if delay is None else delay * 1000
            body, attributes = entry["MessageBody"], entry.get("MessageAttributes", {})
            _check_content(body, attributes, "SendMessageBatch")
            message = self._send(queue, body, attributes, delay_ms)
            return {"MessageId": message.id, "MD5OfMessageBody": md5_of(body)}

        about = ", ".join(self.label(entry["MessageBody"]) for entry in Entries)
        return self._make_batch("SendMessageBatch", QueueUrl, Entries, send, about, check)

    def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> Answer:
        def change(_: Fault | None) -> Answer:
            queue = self._queue(QueueUrl, "ChangeMessageVisibility")
            return self._change(queue, ReceiptHandle, VisibilityTimeout)

        about = f"{ReceiptHandle}, {VisibilityTimeout} s"
        return self._make("ChangeMessageVisibility", QueueUrl, WRITE_KINDS, change, about)

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: Sequence[str]) -> Answer:
        def read(fault: Fault | None) -> Answer:
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
                "Attributes": _chosen(attributes, AttributeNames),
                "ResponseMetadata": {"HTTPHeaders": {"date": self._date()}},
            }

        return self._make("GetQueueAttributes", QueueUrl, _COUNT_KINDS, read, "", writes=False)

    def receive_message(
        self,
        *,
        QueueUrl: str,
        MaxNumberOfMessages: int = 1,
        VisibilityTimeout: int | None = None,
        WaitTimeSeconds: int = 0,
        MessageAttributeNames: Sequence[str] = (),
        MessageSystemAttributeNames: Sequence[str] = (),
    ) -> Answer:
        def receive(_: Fault | None) -> Answer:
            queue = self._queue(QueueUrl, "ReceiveMessage")
            if not 1 <= MaxNumberOfMessages <= BATCH_MAX:
                raise client_error("InvalidParameterValue", "ReceiveMessage")
            messages = [
                _received(message, MessageAttributeNames, MessageSystemAttributeNames)
                for message in queue.receive(MaxNumberOfMessages, VisibilityTimeout)
            ]
            return {"Messages": messages} if messages else {}

        return self._make("ReceiveMessage", QueueUrl, WRITE_KINDS, receive, "")

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> Answer:
        def delete(_: Fault | None) -> Answer:
            return _delete(self._queue(QueueUrl, "DeleteMessage"), ReceiptHandle)

        return self._make("DeleteMessage", QueueUrl, WRITE_KINDS, delete, ReceiptHandle)

    def delete_message_batch(self, *, QueueUrl: str, Entries: Entries) -> Answer:
        def delete(queue: Queue, entry: Attributes) -> Answer:
            return _delete(queue, entry["ReceiptHandle"])

        return self._make_batch("DeleteMessageBatch", QueueUrl, Entries, delete)

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Entries) -> Answer:
        def change(queue: Queue, entry: Attributes) -> Answer:
            return self._change(queue, entry["ReceiptHandle"], entry["VisibilityTimeout"])

        return self._make_batch("ChangeMessageVisibilityBatch", QueueUrl, Entries, change)

    def _change(self, queue: Queue, receipt: str, seconds: int) -> Answer:
        call = "ChangeMessageVisibility"
        _check_receipt(receipt, call)
        if not 0 <= seconds <= VISIBILITY_SECONDS_MAX:
            raise client_error("InvalidParameterValue", call)
        if receipt.rpartition(" #")[0] not in queue.messages:
            raise _gone(receipt)
        message = queue.holder(receipt)
        # Not held any more: AWS says yes and does nothing.
        if message is not None and message.visible_at > self.calls.scheduler.now:
            queue.hide(message, seconds)
        return {}

    def _make(
        self,
        call: str,
        url: str,
        kinds: Kinds,
        do: Callable[[Fault | None], Answer],
        about: str,
        *,
        writes: bool = True,
    ) -> Answer:
        site = self._sites.get((call, url))
        if site is None:
            queue = self.queues.get(url)
            named = call if queue is None else f"{call} to {queue.name}"
            timeout_ms = round(self.timeout_seconds * 1000)
            site = self._sites[call, url] = Site(
                "sqs", named, kinds, timeout_ms, aws_failed, aws_throttled, writes
            )
        return self.calls.make(site, do, about)

    def _make_batch(
        self,
        call: str,
        url: str,
        entries: Entries,
        do: Callable[[Queue, Attributes], Answer],
        about: str = "",
        check: Callable[[], None] = lambda: None,
    ) -> Answer:
        """`do` takes one entry and returns what the answer says of it beside its id. An error that
        it raises is of this entry alone."""

        def do_all(fault: Fault | None) -> Answer:
            queue = self._queue(url, call)
            _check_batch(entries, call)
            check()
            taken, failed = self._split(entries, fault)
            successful = []
            for entry in taken:
                try:
                    successful.append({"Id": entry["Id"], **do(queue, entry)})
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    failed.append({"Id": entry["Id"], "SenderFault": True, "Code": code})
            # Each member is there only with something in it.
            answer = {"Successful": successful, "Failed": failed}
            return {name: listed for name, listed in answer.items() if listed}

        return self._make(call, url, BATCH_WRITE_KINDS, do_all, about)

    def _send(
        self, queue: Queue, body: str, attributes: Attributes, delay_ms: int | None
    ) -> Message:
        return queue.send(self.label(body), body, attributes, self._lag(delay_ms))

    def _queue(self, url: str, call: str) -> Queue:
        queue = self.queues.get(url)
        if queue is None:
            raise client_error("AWS.SimpleQueueService.NonExistentQueue", call)
        return queue

    def _lag(self, delay_ms: int | None) -> int | None:
        """A message that is not found at once, because the servers are many."""
        calls = self.calls
        task, faults = calls.scheduler.task, calls.faults
        if task is None or calls.scheduler.now >= faults.heal_at:
            return delay_ms
        if Fault.DELAYED not in faults.rates or faults.drawn(_AT_SEND, task.chance) is None:
            return delay_ms
        place = f"{task.name}, call {task.calls}: found late"
        if not faults.injects(Fault.DELAYED, place, calls.scheduler.now):
            return delay_ms
        return (delay_ms or 0) + task.chance.below(FOUND_WITHIN_MS)

    def _split(self, entries: Entries, fault: Fault | None) -> tuple[Entries, list[Answer]]:
        """The entries that are taken, and what the answer says of the others."""
        if fault is not Fault.PARTLY_TAKEN:
            return entries, []
        task = self.calls.scheduler.running
        unlucky = task.chance.below(len(entries))
        code = task.chance.pick(("InternalError", "ServiceUnavailable", "RequestThrottled"))
        failed = {"Id": entries[unlucky]["Id"], "SenderFault": False, "Code": code}
        return [*entries[:unlucky], *entries[unlucky + 1 :]], [failed]

    def _as_if_lagging(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Short of what has just come, or still with what has just gone."""
        task = self.calls.scheduler.running
        if task.chance() < 0.5:
            return dict.fromkeys(counts, 0)
        return {name: count + 1 for name, count in counts.items()}

    def _date(self) -> str:
        """SQS's own clock, as every answer's header has it."""
        return format_datetime(
            datetime.fromtimestamp(self.calls.scheduler.now // 1000, UTC), usegmt=True
        )


def _delete(queue: Queue, receipt: str) -> Answer:
    """With an old receipt it succeeds, and deletes nothing."""
    _check_receipt(receipt, "DeleteMessage")
    message = queue.holder(receipt)
    if message is not None:
        queue.delete(message)
    return {}


def _received(message: Message, names: Sequence[str], system_names: Sequence[str]) -> Answer:
    """What was not asked for, or is not there, has no member in it."""
    more = {
        "Attributes": _chosen(message.system_attributes(), system_names),
        "MessageAttributes": _chosen(message.attributes, names),
    }
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": md5_of(message.body),
        "Body": message.body,
        **{name: attributes for name, attributes in more.items() if attributes},
    }


def _chosen(attributes: Attributes, names: Sequence[str]) -> Answer:
    if "All" in names:
        return dict(attributes)
    return {name: attributes[name] for name in names if name in attributes}


def md5_of(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def _gone(receipt: str) -> ClientError:
    """What SQS answers to the receipt of a message that was deleted meanwhile."""
    return client_error(
        "InvalidParameterValue",
        "ChangeMessageVisibility",
        f"Value {receipt} for parameter ReceiptHandle is invalid. Reason: Message does not exist or"
        " is not available for visibility timeout change.",
    )


def _check_batch(entries: Entries, call: str) -> None:
    if not entries:
        raise client_error("AWS.SimpleQueueService.EmptyBatchRequest", call)
    if len(entries) > BATCH_MAX:
        raise client_error("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", call)
    if any(_ENTRY_ID.fullmatch(entry["Id"]) is None for entry in entries):
        raise client_error("AWS.SimpleQueueService.InvalidBatchEntryId", call)
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise client_error("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", call)


def _check_content(body: str, attributes: Attributes, call: str) -> None:
    if not body:
        raise client_error("MissingParameter", call)
    if _BODY.fullmatch(body) is None:
        raise client_error("InvalidMessageContents", call)
    for attribute in attributes.values():
        if _BODY.fullmatch(attribute["StringValue"]) is None:
            raise client_error("InvalidParameterValue", call)


def _check_receipt(receipt: str, call: str) -> None:
    """SQS knows its own receipts, also those of messages that are gone."""
    if " #" not in receipt:
        raise client_error("ReceiptHandleIsInvalid", call)


def _bytes(body: str, attributes: Attributes) -> int:
    """A body's and its attributes' names, types and values."""
    texts = [body, *attributes]
    for attribute in attributes.values():
        texts += (attribute["DataType"], attribute["StringValue"])
    return sum(len(text.encode()) for text in texts)
