"""Listens to the topic as any other service would: what became of an order must be announced."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orders.domain.order import OrderKey
from spillway.run.load.placing import Placed
from spillway.run.load.settling import SETTLED
from spillway.run.stack import Stack

#: An order's last event leaves when its last fact does; a redriven one when the watchdog is asked.
HEARD_WITHIN_SECONDS = 15.0
_POLL_SECONDS = 0.5


@dataclass(slots=True)
class Announcements:
    """A queue of our own behind the topic. It goes with the stack."""

    sqs: Any
    url: str
    patience_seconds: float = HEARD_WITHIN_SECONDS
    heard: defaultdict[OrderKey, set[str]] = field(default_factory=lambda: defaultdict(set))

    def missing(self, placed: Iterable[Placed]) -> list[str]:
        """What was not announced of these orders by the time that it should have been."""
        settled = [order for order in placed if order.acknowledged and order.status in SETTLED]
        deadline = time.monotonic() + self.patience_seconds
        while True:
            self._hear()
            missing = [text for order in settled for text in unannounced(order, self.heard)]
            if not missing or time.monotonic() > deadline:
                return missing
            time.sleep(_POLL_SECONDS)

    def _hear(self) -> None:
        while True:
            answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            dead_letters = answer.get("Messages", [])
            if not dead_letters:
                return
            for dead_letter in dead_letters:
                event = json.loads(dead_letter["Body"])
                key = OrderKey(event["data"]["customer_id"], event["data"]["order_id"])
                self.heard[key].add(event["type"])
            entries = [
                {"Id": str(place), "ReceiptHandle": dead_letter["ReceiptHandle"]}
                for place, dead_letter in enumerate(dead_letters)
            ]
            self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)


def listening(stack: Stack) -> Announcements:
    """From now on, everything that is announced on the stack's topic."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    url = sqs.create_queue(QueueName="chaos-announcements")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    topics = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    sns.subscribe(
        TopicArn=next(topic for topic in topics if topic.endswith("order-events")),
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
    )
    return Announcements(sqs, url)


def unannounced(order: Placed, heard: defaultdict[OrderKey, set[str]]) -> list[str]:
    """That it was accepted, and how it ended as its customer reads it, unless that was heard."""
    return [
        f"order {order.key.order_id} was never announced as {what}"
        for what in ("accepted", order.status)
        if f"spillway.order.{what}.v1" not in heard[order.key]
    ]
