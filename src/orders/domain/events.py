"""The events of an order: CloudEvents 1.0, at least once, with deterministic ids."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orders.domain.order import OrderKey
from orders.domain.parcels import News, in_order
from orders.domain.saga import Facts, Step
from orders.domain.status import SETTLED, Status, reason, status
from orders.domain.units import Millis

SOURCE = "spillway/orders"


class EventType(StrEnum):
    ACCEPTED = "spillway.order.accepted.v1"
    CONFIRMED = "spillway.order.confirmed.v1"
    REJECTED = "spillway.order.rejected.v1"
    CANCELLED = "spillway.order.cancelled.v1"
    PAYMENT_RETURNED = "spillway.order.payment_returned.v1"
    SHIPPED = "spillway.order.shipped.v1"
    DELIVERED = "spillway.order.delivered.v1"
    RETURNED = "spillway.order.returned.v1"


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is the time of the fact that made it true; `reason` only of a rejection and of a payment
    that went back. `about` tells it from another event of its type for the same order: of which
    payment, or of which parcel it is. `news`: what is told of that parcel."""

    type: EventType
    key: OrderKey
    at: Millis
    reason: str | None = None
    about: str | None = None
    news: News | None = None

    @property
    def id(self) -> str:
        """The same however often the event is sent, so that a consumer can tell a repetition."""
        about = "" if self.about is None else f"/{self.about}"
        return f"{self.key.customer_id}/{self.key.order_id}/{self.type.name.lower()}{about}"


def accepted(key: OrderKey, at: Millis) -> Event:
    return Event(EventType.ACCEPTED, key, at)


def became_true(key: OrderKey, before: Facts, after: Facts) -> list[Event]:
    """The events that a change of facts makes true: it may settle the order, or be news."""
    settled = None if status(after) == status(before) else settlement(key, after)
    return [
        *([settled] if settled else []),
        *(_told(key, news) for news in in_order(after.news) if news.key not in before.news),
    ]


def settlement(key: OrderKey, facts: Facts) -> Event | None:
    """The event that says how the order settled; None while something is owed for that."""
    at = settled_at(facts)
    return None if at is None else Event(EventType[status(facts).name], key, at, reason(facts))


def settled_at(facts: Facts) -> Millis | None:
    """When the order settled; None where it has not."""
    now = status(facts)
    if now not in SETTLED:
        return None
    # The same event must have the same content whenever it is made again, so only facts count that
    # were there when it first came true. A cancellation that comes too late leaves an order as
    # confirmed as before, and so does the refund of a return; and of the two ways to stop a
    # shipment the second may be answered when the first has settled the order (the release, which
    # waits for either, is later anyway).
    if now is Status.CONFIRMED:
        settling = {Step.SHIP, Step.POST}
    else:
        settling = facts.outcomes.keys() - {Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT}
    return max(facts.outcomes[step].at for step in settling)


def all_true(key: OrderKey, accepted_at: Millis, facts: Facts) -> list[Event]:
    """Every event that is true of an order now, as it was or should have been announced."""
    settled = settlement(key, facts)
    return [
        accepted(key, accepted_at),
        *([settled] if settled else []),
        *(_told(key, news) for news in in_order(facts.news)),
    ]


def _told(key: OrderKey, news: News) -> Event:
    return Event(EventType[news.what.name], key, news.at, about=news.parcel or None, news=news)
