"""The messages in the queues, without receiving any: on the emulator only.

SQS shows a message only to its receiver, and receiving delays it. The emulator shows all messages
(`/_ministack/sqs/messages`). On AWS an order's facts and the deliveries' log lines say what it
waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orders.domain.order import OrderKey
from spillway.operate.redrive.dead_letters import order_keys
from spillway.run.loopback import http_client
from spillway.target.service import Service


@dataclass(frozen=True, slots=True)
class Message:
    """One message; a batch is about several `orders`. Times are Unix milliseconds.

    `due_at` is the time of its next attempt, `tries` how often it was received. `reason` is why it
    is a dead letter, if it is one.
    """

    queue: str
    orders: Sequence[OrderKey]
    sent_at: int
    due_at: int
    tries: int
    reason: str | None


def messages_of(service: Service, key: OrderKey) -> list[Message] | None:
    """All messages about an order; None where they cannot be seen."""
    if service.emulator is None:
        return None
    found = [message for queue in service.queues for message in peek(service, queue)]
    return [message for message in found if key in message.orders]


def peek(service: Service, queue: str) -> list[Message]:
    """The messages in a queue of the emulator. None is received."""
    with http_client() as http:
        answer = http.get(
            f"{service.emulator}/_ministack/sqs/messages",
            params={"QueueUrl": service.queues[queue]},
        ).json()
    # By account, Region and queue, as the emulator nests them.
    return [
        _message(queue, raw)
        for regions in answer["messages"].values()
        for queues in regions.values()
        for messages in queues.values()
        for raw in messages
    ]


def _message(queue: str, raw: dict[str, Any]) -> Message:
    return Message(
        queue,
        order_keys(queue.removesuffix("_dead_letter"), raw["Body"]),
        sent_at=int(raw["SentTimestamp"]) * 1000,
        due_at=int(raw["VisibleAt"]) * 1000,
        tries=int(raw["ReceiveCount"]),
        reason=raw["MessageAttributes"].get("reason", {}).get("StringValue"),
    )
