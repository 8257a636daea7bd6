"""Moves dead letters back: receive, send, delete, release.

A received message is invisible to others until it is deleted or released. It is deleted only after
its queue has acknowledged everything that was sent for it. Whatever ends the work before that, the
message is released, or becomes visible again after its visibility timeout.

SQS shows a message only to its receiver. So looking at a dead letter receives it too, and then
releases it.
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
from orders.aws.queues import BATCH_MAX
from orders.failures import PermanentFailure
from orders.ports import Check
from spillway.operate.batches import in_batches
from spillway.operate.redrive.dead_letters import (
    OF_STREAM_READERS,
    DeadLetter,
    Source,
    Unmovable,
    contents,
    dead_letter_of,
    lambda_failure,
    source_of,
    why,
)
from spillway.operate.redrive.found import Found
from spillway.operate.redrive.reading import is_readable, what_it_is
from spillway.operate.redrive.stream import orders_changed
from spillway.target.service import Service

if TYPE_CHECKING:
    from types_boto3_dynamodbstreams import DynamoDBStreamsClient
    from types_boto3_sqs import SQSClient

#: How long a received message stays invisible, unless it is released before.
VISIBILITY_SECONDS = 300
#: A long poll asks all of SQS's servers: an empty answer means that nothing is visible.
POLL_SECONDS = 1
#: After so many receives in a row with only newer messages, the older ones are all received.
VAIN_RECEIVES_MAX = 3
#: HTTP dates are whole seconds.
DATE_RESOLUTION_SECONDS = 1

NO_ORDER = "names no order"


def redrive_of(service: Service, names: Iterable[str], *, dry_run: bool) -> Redrive:
    sources = [source_of(service.queues, name) for name in names]
    return Redrive(service.sqs, service.client("dynamodbstreams"), sources, dry_run)


@dataclass(slots=True)
class Redrive:
    """One run over some dead-letter queues.

    `found` is by queue, and is filled during the run, so it is right even when the run is
    `interrupted`. Safe to repeat, and while orders come in.
    """

    sqs: SQSClient
    streams: DynamoDBStreamsClient
    sources: Sequence[Source]
    dry_run: bool
    sleep: Callable[[float], None] = time.sleep
    found: dict[str, Found] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def dead_letters(self) -> int:
        return sum(found.dead_letters for found in self.found.values())

    @property
    def moved(self) -> int:
        return sum(found.moved for found in self.found.values())

    @property
    def visible(self) -> int:
        return sum(found.visible for found in self.found.values())

    def run(self, on_progress: Callable[[int, int], None] = lambda *_: None) -> None:
        """Move the dead letters that are there now, or with `dry_run` only look at them.

        `on_progress` is called with how many are done, and of about how many.
        """
        before = self._count()
        on_progress(0, self.visible)
        if not self.dry_run and self.visible:
            # So a message that comes back because of us is newer than those of the start.
            self.sleep(DATE_RESOLUTION_SECONDS)
        for source in self.sources:
            found = self.found[source.name]
            receiver = Receiver(self.sqs, source.dead_letters, before, found)
            tries_max = self._tries_max(source) if found.visible else None
            try:
                for dead_letters in receiver.dead_letters():
                    self._handle(source, receiver, dead_letters, tries_max)
                    on_progress(self.dead_letters, self.visible)
            finally:
                receiver.release()

    def _count(self) -> int:
        """Count the dead letters, approximately. Returns when: only those of before are moved.

        The time is Unix milliseconds by SQS's clock, not by this machine's.
        """
        counted, seconds = {}, 0.0
        for source in self.sources:
            answer = self.sqs.get_queue_attributes(
                QueueUrl=source.dead_letters,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )
            held = answer["Attributes"]
            counted[source.name] = Found(
                visible=int(held["ApproximateNumberOfMessages"]),
                elsewhere=int(held["ApproximateNumberOfMessagesNotVisible"]),
            )
            date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
            seconds = parsedate_to_datetime(date).timestamp() + DATE_RESOLUTION_SECONDS
        # At once, because a page may read it meanwhile.
        self.found = counted
        return int(seconds * 1000)

    def _handle(
        self,
        source: Source,
        receiver: Receiver,
        dead_letters: Sequence[DeadLetter],
        tries_max: int | None,
    ) -> None:
        found = self.found[source.name]
        groups = [
            found.add(source.name, self._why(source, one, tries_max), one) for one in dead_letters
        ]
        if self.dry_run:
            return
        kept = self._send(source, dead_letters)
        receiver.delete([one for one in dead_letters if one.message_id not in kept])
        for dead_letter, group in zip(dead_letters, groups, strict=True):
            group.moved += dead_letter.message_id not in kept
        found.not_moved.update(kept.values())

    def _why(self, source: Source, dead_letter: DeadLetter, tries_max: int | None) -> str:
        reason = why(dead_letter, tries_max)
        if dead_letter.reason is None and not is_readable(source.name, dead_letter.body):
            return f"{what_it_is(source.name, dead_letter.body)}; {reason}"
        return reason

    def _send(self, source: Source, dead_letters: Sequence[DeadLetter]) -> dict[str, str]:
        """Send what the dead letters hold, without delay.

        Returns why, by message id, for each that was not sent as a whole.
        """
        kept: dict[str, str] = {}
        copies: list[tuple[str, str]] = []
        for dead_letter in dead_letters:
            id_ = dead_letter.message_id
            try:
                copies += [(id_, body) for body in self._contents(source, dead_letter.body)]
            except Unmovable as no:
                kept[id_] = str(no)
        entries = [{"MessageBody": body, "DelaySeconds": 0} for _, body in copies]
        failed = in_batches(self.sqs.send_message_batch, source.queue, entries)
        for place, code in failed.items():
            kept[copies[place][0]] = f"its queue did not take it ({code}): repeat the command"
        return kept

    def _contents(self, source: Source, body: str) -> Sequence[str]:
        """What to send for a dead letter: its messages one by one, or for changes that Lambda gave
        up on, a forced check of each order."""
        failure = lambda_failure(body) if source.name in OF_STREAM_READERS else None
        if failure is not None:
            keys = orders_changed(self.streams, failure.batch)
            return [check_message_of(Check(key, force=True)) for key in keys]
        if source.name != "relay":
            return contents(source.name, body)
        try:
            check_of(body)
        except PermanentFailure as no_check:
            raise Unmovable(NO_ORDER) from no_check
        return [body]

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

    def dead_letters(self) -> Iterator[list[DeadLetter]]:
        """Receive the messages sent before `before` (Unix ms by SQS's clock), up to ten at a time.

        Newer messages are received too, so that they do not come again and again, but not yielded.

        A message that SQS itself dead-letters meanwhile keeps the time at which it was first sent,
        so it is taken for an older one and yielded. That does no harm: it has all its tries before
        it can be here again, so none goes round in circles.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
        """
        vain = 0
        while vain < VAIN_RECEIVES_MAX:
            messages = self._receive()
            if not messages:
                return
            new = [message for message in messages if message.message_id not in self._receipts]
            self._receipts |= {message.message_id: message.receipt for message in messages}
            due = [message for message in new if message.sent_at < self.before]
            self.found.came_meanwhile += len(new) - len(due)
            vain = 0 if due else vain + 1
            if due:
                yield due

    def delete(self, dead_letters: Sequence[DeadLetter]) -> int:
        """Delete messages. One that can't be deleted is in both queues then, and is released.

        Returns how many those are.
        """
        entries = [{"ReceiptHandle": one.receipt} for one in dead_letters]
        failed = in_batches(self.sqs.delete_message_batch, self.url, entries)
        for place, dead_letter in enumerate(dead_letters):
            if place not in failed:
                del self._receipts[dead_letter.message_id]
        return len(failed)

    def release(self) -> None:
        """Make every message that was not deleted visible again."""
        entries = [
            {"ReceiptHandle": receipt, "VisibilityTimeout": 0}
            for receipt in self._receipts.values()
        ]
        # Where this fails, the visibility timeout does the same a little later.
        with suppress(BotoCoreError, ClientError):
            in_batches(self.sqs.change_message_visibility_batch, self.url, entries)
        self._receipts.clear()

    def _receive(self) -> list[DeadLetter]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH_MAX,
            VisibilityTimeout=VISIBILITY_SECONDS,
            # An empty queue needs no long poll.
            WaitTimeSeconds=POLL_SECONDS if self.found.visible else 0,
            MessageAttributeNames=["reason"],
            MessageSystemAttributeNames=["SentTimestamp", "DeadLetterQueueSourceArn"],
        )
        return [dead_letter_of(message) for message in answer.get("Messages", ())]
