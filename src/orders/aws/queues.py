"""The queues: what goes out (`Commands`, `Checks`, `Overflow`), what comes in (`Inbox`), what
waits (`Backlogs`), and dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from orders.aws.clients import Client, translate_aws_errors
from orders.aws.messages import (
    attributes,
    batch_messages_of,
    check_message_of,
    message_of,
    overflow_message_of,
)
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.saga import DOWNSTREAM_OF, DOWNSTREAMS, Downstream
from orders.failures import Failure, PermanentFailure, TransientFailure
from orders.ports import Check, Clock, Command

BATCH_MAX = 10
#: Commands in one message. A batch of ten such is what one delivery environment gets through in
#: some seconds; more would save little (decision 0023).
COMMANDS_BATCHED_MAX = 6
#: Checks in one message: a batch of ten such is as many as one batch read takes.
CHECKS_BATCHED_MAX = 10
# A reason is for a person, and an attribute counts toward the message's size.
REASON_MAX = 500
# The queues' own counts lag by more than this.
FRESH_FOR_MS = 10_000
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

#: The receipt is no longer that of a message in flight. SQS gives the first for a message that is
#: gone; when it gives the others is not documented.
_NO_LONGER_HELD = frozenset(
    {
        "InvalidParameterValue",
        "AWS.SimpleQueueService.MessageNotInflight",
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqsCommands:
    """`batched_max`: commands for one downstream that travel as one message."""

    client: Client
    queue_urls: Mapping[Downstream, str]
    batched_max: int = 1

    def send(self, commands: Sequence[Command]) -> None:
        """Tries every queue before it raises: one that is unwell must not keep the commands of
        the other downstreams from going out."""
        failures: dict[str, Failure] = {}
        for downstream in DOWNSTREAMS:
            bodies = [
                message_of(command)
                for command in commands
                if DOWNSTREAM_OF[command.step] == downstream
            ]
            try:
                send_all(
                    self.client,
                    self.queue_urls[downstream],
                    batch_messages_of(bodies, self.batched_max),
                )
            except Failure as failure:
                failures[downstream] = failure
        if failures:
            raise _joined(failures)


@dataclass(frozen=True, slots=True)
class SqsChecks:
    """`batched_max`: checks that travel as one message."""

    client: Client
    queue_url: str
    batched_max: int = 1

    def set(self, checks: Sequence[Check]) -> None:
        """The queue itself delays what it delivers: no timer of ours, no scan."""
        bodies = [check_message_of(check) for check in checks]
        send_all(self.client, self.queue_url, batch_messages_of(bodies, self.batched_max))


@dataclass(frozen=True, slots=True)
class SqsOverflow:
    client: Client
    queue_url: str

    def buffer(self, order: AcceptedOrder) -> None:
        with translate_aws_errors("SendMessage"):
            self.client.send_message(
                QueueUrl=self.queue_url, MessageBody=overflow_message_of(order)
            )


@dataclass(frozen=True, slots=True)
class SqsBacklogs:
    """The `Backlogs` port. A queue is asked at most once in `FRESH_FOR_MS`, however many orders a
    batch holds."""

    client: Client
    queue_urls: Mapping[Downstream, Sequence[str]]
    clock: Clock
    _counted: dict[Downstream, tuple[int, int]] = field(default_factory=dict)

    def is_empty(self, downstream: Downstream) -> bool:
        now = self.clock.now()
        at, messages = self._counted.get(downstream, (0, 0))
        if now - at > FRESH_FOR_MS:
            messages = sum(_messages(self.client, url) for url in self.queue_urls[downstream])
            self._counted[downstream] = now, messages
        return messages == 0


@dataclass(frozen=True, slots=True)
class SqsBuffered:
    """The `Buffered` port."""

    client: Client
    queue_url: str
    dead_letter_queue_url: str

    def is_empty(self) -> bool:
        # A message is sent to the one before it is deleted from the other. The overflow queue is
        # counted twice, because a redrive moves a dead letter back there between two counts.
        counted = (self.queue_url, self.dead_letter_queue_url, self.queue_url)
        return not any(_messages(self.client, url) for url in counted)


@dataclass(frozen=True, slots=True)
class SqsInbox:
    client: Client
    queue_url: str
    dead_letters: SqsDeadLetters

    def postpone(self, receipt: str, seconds: int) -> None:
        with translate_aws_errors("ChangeMessageVisibility"):
            try:
                self.client.change_message_visibility(
                    QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
                )
            except ClientError as error:
                # Delivered at least once: another copy of this message may have been finished with
                # meanwhile, or have outdated our receipt. Then nothing is left to postpone.
                if error.response["Error"]["Code"] not in _NO_LONGER_HELD:
                    raise

    def dead_letter(self, message: str, reason: str) -> None:
        self.dead_letters.dead_letter(message, reason)

    def requeue(self, messages: Sequence[tuple[str, int]]) -> None:
        _send(
            self.client,
            self.queue_url,
            [{"MessageBody": body, "DelaySeconds": seconds} for body, seconds in messages],
        )


@dataclass(frozen=True, slots=True)
class SqsDeadLetters:
    client: Client
    queue_url: str

    def dead_letter(self, message: str, reason: str) -> None:
        with translate_aws_errors("SendMessage"):
            self.client.send_message(
                QueueUrl=self.queue_url,
                MessageBody=message,
                MessageAttributes=attributes(reason=reason[:REASON_MAX]),
            )


@dataclass(frozen=True, slots=True)
class SqsChangeDeadLetters:
    """The `ChangeDeadLetters` port. Its message is a check: redriving it hands the order to the
    watchdog. The order itself stays in the table, and only there."""

    dead_letters: SqsDeadLetters

    def dead_letter(self, key: OrderKey, reason: str) -> None:
        self.dead_letters.dead_letter(check_message_of(Check(key, force=True)), reason)


def _messages(client: Client, queue_url: str) -> int:
    with translate_aws_errors("GetQueueAttributes"):
        answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(_COUNTS))
    return sum(int(answer["Attributes"][count]) for count in _COUNTS)


def send_all(client: Client, queue_url: str, bodies: Sequence[str]) -> None:
    """Send messages in as few requests as possible, and read what each did not take."""
    _send(client, queue_url, [{"MessageBody": body} for body in bodies])


def _send(client: Client, queue_url: str, messages: Sequence[Mapping[str, Any]]) -> None:
    for batch in batches(messages):
        entries = [{"Id": str(place), **message} for place, message in enumerate(batch)]
        with translate_aws_errors("SendMessageBatch"):
            answer = client.send_message_batch(QueueUrl=queue_url, Entries=entries)
        raise_if_any_failed("SendMessageBatch", answer.get("Failed", ()))


def batches(entries: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as one request of SQS or SNS takes."""
    for start in range(0, len(entries), BATCH_MAX):
        yield entries[start : start + BATCH_MAX]


def raise_if_any_failed(call: str, failed: Sequence[Mapping[str, object]]) -> None:
    """A batch request answers 200 and lists what it did not take: that list is always read.

    Raises PermanentFailure where nothing is left that AWS may take another time.
    """
    if failed:
        codes = sorted({str(entry.get("Code")) for entry in failed})
        hopeless = all(entry.get("SenderFault") for entry in failed)
        failure = PermanentFailure if hopeless else TransientFailure
        raise failure(f"{call}: {len(failed)} not taken ({', '.join(codes)})")


def _joined(failures: Mapping[str, Failure]) -> Failure:
    """As one, by where they were. It is permanent where each of them is."""
    text = "; ".join(f"{where}: {failure}" for where, failure in failures.items())
    if all(isinstance(failure, PermanentFailure) for failure in failures.values()):
        return PermanentFailure(text)
    return TransientFailure(text)
