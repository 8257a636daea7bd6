"""Messages as they lie in the queues, without touching one: on the emulator only.

SQS shows a message only to who receives it, and whoever receives one delays it. The emulator shows
all of them (`/_ministack/sqs/messages`). On AWS what an order waits for is told by its facts and by
the deliveries' lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orders.domain.order import OrderKey
from spillway.operate.redrive.dead_letters import order_keys
from spillway.target.service import Service


@dataclass(frozen=True, slots=True)
class Message:
    """One message; one that is a pack is about several `orders`. Times are Unix milliseconds;
    `due_at` is when it is tried (again), `tries` how often it was received so far. `reason` is why
    it was set aside, with the dead letters."""

    queue: str
    orders: Sequence[OrderKey]
    sent_at: int
    due_at: int
    tries: int
    reason: str | None


def messages_of(service: Service, key: OrderKey) -> list[Message] | None:
    """All that lies in any queue about an order; None where nobody may look."""
    if service.emulator is None:
        return None
    found = [message for queue in service.queues for message in peek(service, queue)]
    return [message for message in found if key in message.orders]


def peek(service: Service, queue: str) -> list[Message]:
    """What a queue of the emulator holds. Nothing is received."""
    import httpx

    answer = httpx.get(
        f"{service.emulator}/_ministack/sqs/messages",
        params={"QueueUrl": service.queues[queue]},
        trust_env=False,
    ).json()
    return [_message(queue, raw) for raw in _raw(answer)]


def _raw(answer: Any) -> list[dict[str, Any]]:
    """By account, Region and queue, as the emulator nests them."""
    return [
        message
        for regions in answer["messages"].values()
        for queues in regions.values()
        for messages in queues.values()
        for message in messages
    ]


def _message(queue: str, raw: dict[str, Any]) -> Message:
    reason = raw["MessageAttributes"].get("reason", {}).get("StringValue")
    return Message(
        queue,
        order_keys(raw["Body"]),
        int(raw["SentTimestamp"]) * 1000,
        int(raw["VisibleAt"]) * 1000,
        int(raw["ReceiveCount"]),
        reason,
    )
