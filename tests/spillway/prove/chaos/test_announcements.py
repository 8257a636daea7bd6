"""What must be announced about an order, by the status that its customer reads."""

from __future__ import annotations

import json
from typing import Any

from spillway.prove.chaos.announcements import Announcements
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Placed
from tests.spillway.prove.demo.builders import an_order


class Queue:
    """An SQS client of one queue, whose messages are received until they are deleted."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.messages = {str(number): json.dumps(event) for number, event in enumerate(events)}

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int) -> dict[str, Any]:  # noqa: N803
        taken = list(self.messages.items())[:MaxNumberOfMessages]
        return {"Messages": [{"Body": body, "ReceiptHandle": receipt} for receipt, body in taken]}

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> None:  # noqa: N803
        for entry in Entries:
            del self.messages[entry["ReceiptHandle"]]


def event(order: Placed, what: str) -> dict[str, Any]:
    return {
        "type": f"spillway.order.{what}.v1",
        "data": {"customer_id": order.key.customer_id, "order_id": order.key.order_id},
    }


def missing(queue: Queue, *orders: Placed) -> list[str]:
    return Announcements(queue, "http://queue", Patience(seconds=-1)).missing(orders)


def test_an_order_that_was_announced_as_accepted_and_confirmed_is_not_missing() -> None:
    order = an_order()
    repeated = [event(order, "accepted")] * 11

    assert missing(Queue(*repeated, event(order, "confirmed")), order) == []


def test_an_event_that_was_not_announced_is_named() -> None:
    order = an_order()

    assert missing(Queue(event(order, "accepted")), order) == [
        f"order {order.key.order_id} was never announced as confirmed"
    ]


def test_an_order_that_never_settled_is_left_to_the_audit() -> None:
    assert missing(Queue(), an_order(status="accepted"), an_order(2, answers=[])) == []
