"""Listens to the topic as any other service would: each order's outcome must be announced."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from orders.domain.order import OrderKey
from orders.domain.status import SETTLED
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Placed
from spillway.run.stack import Stack

_POLL_SECONDS = 0.5


@dataclass(slots=True)
class Announcements:
    """A queue of our own that is subscribed to the topic."""

    sqs: Any
    url: str
    patience: Patience = field(default_factory=Patience)
    heard: defaultdict[OrderKey, set[str]] = field(default_factory=lambda: defaultdict(set))

    def missing(self, placed: Iterable[Placed]) -> list[str]:
        """What was not announced about these orders, once no more announcements come."""
        settled = [order for order in placed if order.acknowledged and order.status in SETTLED]
        while True:
            self._receive()
            missing = [
                f"order {order.key.order_id} was never announced as {what}"
                for order in settled
                for what in ("accepted", order.status)
                if f"spillway.order.{what}.v1" not in self.heard[order.key]
            ]
            if not missing or self.patience.is_over(len(missing)):
                return missing
            time.sleep(_POLL_SECONDS)

    def _receive(self) -> None:
        while True:
            answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            if not messages:
                return
            for message in messages:
                event = json.loads(message["Body"])
                key = OrderKey(event["data"]["customer_id"], event["data"]["order_id"])
                self.heard[key].add(event["type"])
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ]
            self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)


@contextmanager
def listening(stack: Stack) -> Iterator[Announcements]:
    """Receives everything that is published on the stack's topic during the block."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    url = sqs.create_queue(QueueName="chaos-announcements")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    topics = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    subscription = sns.subscribe(
        TopicArn=next(topic for topic in topics if topic.endswith("order-events")),
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
    )["SubscriptionArn"]
    try:
        yield Announcements(sqs, url)
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
        sqs.delete_queue(QueueUrl=url)
