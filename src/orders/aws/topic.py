"""The order-events topic: the `Events` port on SNS, as CloudEvents 1.0 in structured JSON.

A stage says which types are published (`[events] published`), because each event is paid for even
where nobody subscribes. The others are left out here, the one place that relay's events and those
of a forced check pass. What follows from an order's facts does not depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from orders.aws.clients import Client, bugs_are_for_a_person, translate_aws_errors
from orders.aws.messages import attributes, json_text
from orders.aws.queues import batches, raise_if_any_failed
from orders.domain.events import SOURCE, Event, EventType
from orders.domain.parcels import What


@dataclass(frozen=True, slots=True)
class SnsEvents:
    client: Client
    topic_arn: str
    published: frozenset[EventType]

    def publish(self, events: Sequence[Event]) -> None:
        for batch in batches([event for event in events if event.type in self.published]):
            entries = [
                {
                    "Id": str(position),
                    "Message": cloud_event(event),
                    # Subscribers filter by this without opening the message.
                    "MessageAttributes": attributes(type=event.type.value),
                }
                for position, event in enumerate(batch)
            ]
            with bugs_are_for_a_person(), translate_aws_errors("PublishBatch"):
                answer = self.client.publish_batch(
                    TopicArn=self.topic_arn, PublishBatchRequestEntries=entries
                )
            raise_if_any_failed("PublishBatch", answer.get("Failed", ()))


def cloud_event(event: Event) -> str:
    """No more of the customer than a parcel's tracking number: who needs the order's content reads
    it with their own rights."""
    data: dict[str, str | None] = {
        "customer_id": event.key.customer_id,
        "order_id": event.key.order_id,
    }
    if event.reason is not None:
        data["reason"] = event.reason
    if event.news is not None:
        data["parcel"] = event.news.parcel or None
        if event.news.what is What.SHIPPED:
            data["carrier"] = event.news.carrier
            data["tracking_number"] = event.news.tracking_number
    return json_text(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": SOURCE,
            "type": event.type.value,
            "subject": event.key.order_id,
            "time": datetime.fromtimestamp(event.at / 1000, UTC),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
