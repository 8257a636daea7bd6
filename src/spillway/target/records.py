"""What a service stores of its orders. Times are Unix milliseconds, amounts whole minor units."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from orders.domain.order import Order, OrderKey
from orders.domain.saga import ONCE_RESERVED, Downstream, Facts, Step
from orders.domain.trace import Trace
from orders.domain.units import Millis


@dataclass(frozen=True, slots=True)
class Size:
    """An order's size: `units` of goods, and the amount to pay."""

    units: int
    amount: int
    currency: str


class Way(StrEnum):
    """How an order's first three steps came to be on record (decision 0052)."""

    EXPRESS = "express path"
    PARTLY = "express path, then queues"
    QUEUES = "queues"


@dataclass(frozen=True, slots=True)
class Record:
    """What the orders table has of one order.

    `accepted_at` and `size` are None where the table has the order's progress but not the order.
    `order` is its content, None also where it was not kept in memory. `trace` is the client's,
    `book` the version of the price book that it was checked against. `archived` is the object of
    the archive that it was read from. `may_go_express`: the order may go by the express path;
    `express`: the steps that one write of it has recorded as done. `buyer`: who placed it, where
    that is not the customer.
    """

    key: OrderKey
    accepted_at: Millis | None
    size: Size | None
    facts: Facts
    order: Order | None = None
    trace: Trace | None = None
    book: str | None = None
    archived: str | None = None
    may_go_express: bool = False
    express: Collection[Step] = ()
    buyer: str | None = None

    @property
    def way(self) -> Way | None:
        """None where it is not known: before the reservation, and of an archived order."""
        if self.archived is not None or not self.facts.known(Step.RESERVE):
            return None
        if not self.express:
            return Way.QUEUES
        return Way.EXPRESS if {*ONCE_RESERVED} <= {*self.express} else Way.PARTLY

    @property
    def stored(self) -> bool:
        """The order itself is in the table."""
        return self.accepted_at is not None

    @property
    def changed_at(self) -> Millis | None:
        """When the order was accepted, approved, cancelled, got its last answer or the last news of
        its parcels, whichever was last."""
        facts = self.facts
        times = [outcome.at for outcome in facts.outcomes.values()]
        times += [news.at for news in facts.news.values()]
        times += [one.at for one in (facts.approval, facts.cancellation) if one is not None]
        if self.accepted_at is not None:
            times.append(self.accepted_at)
        return max(times, default=None)


@dataclass(frozen=True, slots=True)
class Effect:
    """One entry of a downstream's own table: an effect, or a refusal.

    Reservations and shipments have `units`; postings and refunds have `amount` and `currency`.
    `looked_up_at`: of a downstream without idempotency keys, when whoever commanded it had seen
    that nothing was on record.
    """

    downstream: Downstream
    key: OrderKey
    step: str
    idempotency_key: str
    done: bool
    at: int
    code: str | None = None
    units: int | None = None
    amount: int | None = None
    currency: str | None = None
    looked_up_at: int | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds, as it reports itself."""

    queue: str
    visible: int
    in_flight: int
    delayed: int

    @property
    def messages(self) -> int:
        return self.visible + self.in_flight + self.delayed

    @property
    def is_dead_letter(self) -> bool:
        return "dead_letter" in self.queue
