"""The queues: `Commands` on the way out, `Inbox` on the way in, and dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from orders.aws.clients import Client, failures_translated
from orders.aws.messages import attributes, message_of
from orders.domain.saga import DOWNSTREAM_OF, DOWNSTREAMS, Downstream
from orders.failures import TransientFailure
from orders.ports import Command

BATCH_MAX = 10
# A reason is for a person, and an attribute counts toward the message's size.
REASON_MAX = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqsCommands:
    client: Client
    queue_urls: Mapping[Downstream, str]

    def send(self, commands: Sequence[Command]) -> None:
        for downstream in DOWNSTREAMS:
            bodies = [
                message_of(command)
                for command in commands
                if DOWNSTREAM_OF[command.step] == downstream
            ]
            for batch in batches(bodies):
                self._send_batch(self.queue_urls[downstream], batch)

    def _send_batch(self, queue_url: str, bodies: Sequence[str]) -> None:
        entries = [
            {"Id": str(position), "MessageBody": body} for position, body in enumerate(bodies)
        ]
        with failures_translated("SendMessageBatch"):
            answer = self.client.send_message_batch(QueueUrl=queue_url, Entries=entries)
        raise_if_any_failed("SendMessageBatch", answer.get("Failed", ()))


@dataclass(frozen=True, slots=True)
class SqsInbox:
    client: Client
    queue_url: str
    dead_letters: SqsDeadLetters

    def postpone(self, receipt: str, seconds: int) -> None:
        with failures_translated("ChangeMessageVisibility"):
            self.client.change_message_visibility(
                QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            )

    def set_aside(self, message: str, reason: str) -> None:
        self.dead_letters.set_aside(message, reason)


@dataclass(frozen=True, slots=True)
class SqsDeadLetters:
    client: Client
    queue_url: str

    def set_aside(self, message: str, reason: str) -> None:
        with failures_translated("SendMessage"):
            self.client.send_message(
                QueueUrl=self.queue_url,
                MessageBody=message,
                MessageAttributes=attributes(reason=reason[:REASON_MAX]),
            )


def batches(entries: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as one request of SQS or SNS takes."""
    for start in range(0, len(entries), BATCH_MAX):
        yield entries[start : start + BATCH_MAX]


def raise_if_any_failed(call: str, failed: Sequence[Mapping[str, object]]) -> None:
    """A batch request answers 200 and lists what it did not take: that list is always read."""
    if failed:
        codes = sorted({str(entry.get("Code")) for entry in failed})
        raise TransientFailure(f"{call}: {len(failed)} not taken ({', '.join(codes)})")
