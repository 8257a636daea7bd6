"""SQS as far as redrive needs it: in memory, with a clock that is set, and no sleeping."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

NOW = 1_795_428_000_000


@dataclass
class Message:
    body: str
    sent_at: int
    reason: str | None = None
    visible: bool = True
    moved_by_sqs: bool = False
    message_id: int = field(default_factory=itertools.count(1).__next__)


@dataclass
class FakeSqs:
    """`queues`: URL to messages. `now` is the service's clock, Unix ms.

    `refuse_send` and `refuse_delete` name bodies that a batch reports as not taken. `on_send` is
    called with each body sent: a worker that looks at it at once.
    """

    queues: dict[str, list[Message]]
    now: int = NOW
    refuse_send: set[str] = field(default_factory=set)
    refuse_delete: set[str] = field(default_factory=set)
    on_send: Callable[[str], None] = lambda _: None
    sent: list[tuple[str, str, int]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        messages = self.queues[QueueUrl]
        visible = sum(message.visible for message in messages)
        date = format_datetime(datetime.fromtimestamp(self.now // 1000, UTC), usegmt=True)
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(visible),
                "ApproximateNumberOfMessagesNotVisible": str(len(messages) - visible),
                "RedrivePolicy": '{"deadLetterTargetArn":"arn","maxReceiveCount":98}',
            },
            "ResponseMetadata": {"HTTPHeaders": {"date": date}},
        }

    def receive_message(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.requests.append("receive")
        taken = [message for message in self.queues[QueueUrl] if message.visible][:10]
        for message in taken:
            message.visible = False
        return {"Messages": [_received(message) for message in taken]} if taken else {}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.requests.append("send")
        assert 1 <= len(Entries) <= 10
        failed = []
        for entry in Entries:
            if entry["MessageBody"] in self.refuse_send:
                failed.append({"Id": entry["Id"], "Code": "InternalError"})
                continue
            self.sent.append((QueueUrl, entry["MessageBody"], entry["DelaySeconds"]))
            self.on_send(entry["MessageBody"])
        return {"Failed": failed} if failed else {}

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.requests.append("delete")
        assert 1 <= len(Entries) <= 10
        failed = []
        for entry in Entries:
            message = self._by_receipt(QueueUrl, entry["ReceiptHandle"])
            if message.body in self.refuse_delete:
                failed.append({"Id": entry["Id"], "Code": "InternalError"})
            else:
                self.queues[QueueUrl].remove(message)
        return {"Failed": failed} if failed else {}

    def change_message_visibility_batch(
        self,
        QueueUrl: str,  # noqa: N803
        Entries: list[dict[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        for entry in Entries:
            assert entry["VisibilityTimeout"] == 0
            self._by_receipt(QueueUrl, entry["ReceiptHandle"]).visible = True
        return {}

    def bodies_sent(self) -> list[str]:
        return [body for _, body, _ in self.sent]

    def _by_receipt(self, url: str, receipt: str) -> Message:
        return next(m for m in self.queues[url] if f"receipt of {m.message_id}" == receipt)


def _received(message: Message) -> dict[str, Any]:
    received: dict[str, Any] = {
        "MessageId": str(message.message_id),
        "ReceiptHandle": f"receipt of {message.message_id}",
        "Body": message.body,
        "Attributes": {"SentTimestamp": str(message.sent_at)},
    }
    if message.moved_by_sqs:
        received["Attributes"]["DeadLetterQueueSourceArn"] = "arn"
    if message.reason is not None:
        received["MessageAttributes"] = {
            "reason": {"DataType": "String", "StringValue": message.reason}
        }
    return received
