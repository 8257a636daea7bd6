"""Moves dead letters back: receive, send, delete, release.

A received message is invisible to others until it is deleted or released. It is deleted only after
its queue has acknowledged everything that was sent for it. Whatever ends the work before that, the
message is released, or becomes visible again after its visibility timeout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from orders.aws.messages import check_message_of, check_of
from orders.aws.queues import BATCH_MAX, batches
from orders.failures import PermanentFailure
from orders.ports import Check
from spillway.operate.redrive.dead_letters import (
    DeadLetter,
    Source,
    contents,
    dead_letter_of,
    order_keys,
    stream_batch,
    why,
)
from spillway.operate.redrive.found import Found, Group
from spillway.operate.redrive.stream import RecordsExpired, orders_changed

#: How long a received message stays invisible, unless it is released before.
VISIBILITY_SECONDS = 300
#: A long poll asks all of SQS's servers: an empty answer means that nothing is visible.
POLL_SECONDS = 1
#: After so many receives in a row with only newer messages, the older ones are all received.
VAIN_RECEIVES_MAX = 3
#: SQS's own limit for all bodies of one request is 1 MiB; it was 256 KiB until 2025.
BATCH_BYTES_MAX = 256 * 1024
#: HTTP dates are whole seconds.
DATE_RESOLUTION_SECONDS = 1

if TYPE_CHECKING:
    from types_boto3_dynamodbstreams import DynamoDBStreamsClient
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
        SendMessageBatchRequestEntryTypeDef,
    )

EXPIRED = (
    "the stream no longer has the changes (it keeps them for 24 h): run `spillway orders resume"
    " --unsettled`, then delete this message by hand"
)
NO_ORDER = "names no order"


class Unmovable(Exception):
    """Nothing can be sent for this dead letter, so it stays; the exception's text says why."""


@dataclass(frozen=True, slots=True)
class Depth:
    """The messages in a dead-letter queue, by SQS's approximate count."""

    visible: int
    in_flight: int


@dataclass(slots=True)
class Redrive:
    """One run over some dead-letter queues: call `count`, then `run`.

    `found` is filled during the run, so it is complete even when the run is interrupted.
    """

    sqs: SQSClient
    streams: DynamoDBStreamsClient
    sources: Sequence[Source]
    dry_run: bool
    sleep: Callable[[float], None] = time.sleep
    found: dict[str, Found] = field(default_factory=dict)
    _depths: dict[str, Depth] = field(default_factory=dict)
    _before: int = 0

    def count(self) -> int:
        """How many dead letters there are, approximately. Only those of now will be moved.

        "Now" is by SQS's clock, not by this machine's.
        """
        for source in self.sources:
            answer = self.sqs.get_queue_attributes(
                QueueUrl=source.dead_letters,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )
            figures = answer["Attributes"]
            self._depths[source.name] = Depth(
                int(figures["ApproximateNumberOfMessages"]),
                int(figures["ApproximateNumberOfMessagesNotVisible"]),
            )
            date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
            seconds = parsedate_to_datetime(date).timestamp() + DATE_RESOLUTION_SECONDS
            self._before = int(seconds * 1000)
        return sum(depth.visible for depth in self._depths.values())

    def run(self, on_dead_letters: Callable[[int], None]) -> None:
        """Move the dead letters, or with `dry_run` only look at them.

        `on_dead_letters` is called with the number of each batch that is done.
        """
        if not self.dry_run and any(depth.visible for depth in self._depths.values()):
            # So a message that comes back because of us is newer than those of the start.
            self.sleep(DATE_RESOLUTION_SECONDS)
        for source in self.sources:
            depth = self._depths[source.name]
            found = self.found[source.name] = Found(source.name, elsewhere=depth.in_flight)
            receiver = Receiver(self.sqs, source.dead_letters, self._before, found)
            tries_max = self._tries_max(source) if depth.visible else None
            try:
                for dead_letters in receiver.dead_letters(wait=depth.visible > 0):
                    groups = _grouped(found, dead_letters, tries_max)
                    if not self.dry_run:
                        self._move(source, receiver, dead_letters, groups)
                    on_dead_letters(len(dead_letters))
            finally:
                receiver.release()

    def _move(
        self,
        source: Source,
        receiver: Receiver,
        dead_letters: Sequence[DeadLetter],
        groups: Sequence[Group],
    ) -> None:
        found = self.found[source.name]
        refused: dict[str, str] = {}
        copies: list[tuple[str, str]] = []
        for dead_letter in dead_letters:
            try:
                copies += [
                    (dead_letter.message_id, body) for body in self._contents(source, dead_letter)
                ]
            except Unmovable as no:
                refused[dead_letter.message_id] = str(no)
        refused |= send(self.sqs, source.queue, copies)
        receiver.delete(
            [dead_letter for dead_letter in dead_letters if dead_letter.message_id not in refused]
        )
        for dead_letter, group in zip(dead_letters, groups, strict=True):
            if dead_letter.message_id not in refused:
                group.moved += 1
        found.not_moved.update(refused.values())

    def _contents(self, source: Source, dead_letter: DeadLetter) -> list[str]:
        """What to send for a dead letter: its messages one by one, or for changes that relay could
        not send, a forced check of each order."""
        if source.name != "relay":
            return [*contents(dead_letter.body)]
        batch = stream_batch(dead_letter.body)
        if batch is None:
            try:
                check_of(dead_letter.body)
            except PermanentFailure as failure:
                raise Unmovable(NO_ORDER) from failure
            return [dead_letter.body]
        try:
            keys = orders_changed(self.streams, batch)
        except RecordsExpired as expired:
            raise Unmovable(EXPIRED) from expired
        return [check_message_of(Check(key, force=True)) for key in keys]

    def _tries_max(self, source: Source) -> int | None:
        """After how many receives SQS dead-letters a message here; None where it never does."""
        if source.name == "relay":
            return None
        answer = self.sqs.get_queue_attributes(
            QueueUrl=source.queue, AttributeNames=["RedrivePolicy"]
        )
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        return None if policy is None else int(msgspec.json.decode(policy)["maxReceiveCount"])


@dataclass(slots=True)
class Receiver:
    """Receives dead letters and keeps their receipts, by message id."""

    sqs: SQSClient
    url: str
    before: int
    found: Found
    _receipts: dict[str, str] = field(default_factory=dict)

    def dead_letters(self, *, wait: bool) -> Iterator[list[DeadLetter]]:
        """Receive the messages sent before `before` (Unix ms by SQS's clock), up to ten at a time.

        Newer messages are received too, so that they do not come again and again, but not yielded.
        `wait`: ask all of SQS's servers, which takes `POLL_SECONDS` when nothing is there.
        """
        vain = 0
        while vain < VAIN_RECEIVES_MAX:
            messages = self._receive(POLL_SECONDS if wait else 0)
            if not messages:
                return
            new = [
                dead_letter
                for dead_letter in messages
                if dead_letter.message_id not in self._receipts
            ]
            self._receipts |= {
                dead_letter.message_id: dead_letter.receipt for dead_letter in messages
            }
            due = [dead_letter for dead_letter in new if dead_letter.sent_at < self.before]
            self.found.came_meanwhile += len(new) - len(due)
            vain = 0 if due else vain + 1
            if due:
                yield due

    def delete(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Delete messages. One that can't be deleted is in both queues then, and is released."""
        for batch in batches(dead_letters):
            entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
                {"Id": str(place), "ReceiptHandle": dead_letter.receipt}
                for place, dead_letter in enumerate(batch)
            ]
            answer = self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
            left = {int(entry["Id"]) for entry in answer.get("Failed", ())}
            for place, dead_letter in enumerate(batch):
                if place not in left:
                    del self._receipts[dead_letter.message_id]

    def release(self) -> None:
        """Make every message that was not deleted visible again."""
        for batch in batches(list(self._receipts.values())):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for place, receipt in enumerate(batch)
            ]
            # Where this fails, the visibility timeout does the same a little later.
            with suppress(BotoCoreError, ClientError):
                self.sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
        self._receipts.clear()

    def _receive(self, wait_seconds: int) -> list[DeadLetter]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH_MAX,
            VisibilityTimeout=VISIBILITY_SECONDS,
            WaitTimeSeconds=wait_seconds,
            MessageAttributeNames=["reason"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return [dead_letter_of(message) for message in answer.get("Messages", ())]


def send(sqs: SQSClient, url: str, copies: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Send copies, each a dead letter's message id and a body, without delay.

    Returns the dead letters of which something was not taken: message id to why.
    """
    refused: dict[str, str] = {}
    for batch in _fitting(copies):
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(place), "MessageBody": body, "DelaySeconds": 0}
            for place, (_, body) in enumerate(batch)
        ]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        for entry in answer.get("Failed", ()):
            message_id, _ = batch[int(entry["Id"])]
            refused[message_id] = f"its queue did not take it ({entry['Code']}): repeat the command"
    return refused


def _grouped(
    found: Found, dead_letters: Iterable[DeadLetter], tries_max: int | None
) -> list[Group]:
    """The group of each dead letter, which is counted in it."""
    return [
        found.add(why(dead_letter, tries_max), order_keys(dead_letter.body))
        for dead_letter in dead_letters
    ]


def _fitting(copies: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """As many at a time as one request takes, by number and by size."""
    batch: list[tuple[str, str]] = []
    size = 0
    for copy in copies:
        bytes_ = len(copy[1].encode())
        if batch and (len(batch) == BATCH_MAX or size + bytes_ > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(copy)
        size += bytes_
    if batch:
        yield batch
