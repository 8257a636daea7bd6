"""outcomes: a downstream tells by a message of its own what it has decided.

It had taken the command before (`Later`), and its message may come twice, late, before its answer
to the command, or about an order that is none of ours. What is recorded is what deliver would have
recorded had the downstream answered so at once, by the same write; what that leads to is the
table's stream's to tell. The command itself waits in its queue until it sees the outcome on record
(orders.flow.deliver), so a message that is lost delays an order and loses nothing.

Fulfilment may also tell of the order's parcels, for as long as the order is in the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orders.domain import parcels, saga
from orders.domain.saga import DOWNSTREAM_OF, Downstream, Step
from orders.domain.trace import Trace
from orders.failures import Contradiction, PermanentFailure
from orders.flow.recording import Recorded, raise_if_irrefusable, record
from orders.ports import Archived, Orders, Progress, Told, ToldOfParcel


@dataclass(frozen=True, slots=True)
class TakenIn:
    """`new`: it was not on record before. `trace`: the one that the order's client named."""

    new: bool
    trace: Trace | None
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Outcomes:
    orders: Orders

    def take(self, told: Told, downstream: Downstream) -> TakenIn:
        """Record what this downstream says.

        Raises PermanentFailure for what it cannot have decided, Contradiction where it has said
        otherwise before, Archived for an order that had settled months ago.
        """
        progress = self._progress(told, downstream)
        if told.step not in saga.commanded(progress.facts):
            raise PermanentFailure(f"{told.step} was never commanded for this order")
        raise_if_irrefusable(told.step, told.outcome)
        recorded = record(
            self.orders, told.key, {told.step: told.outcome}, progress.order.accepted_at
        )
        return TakenIn(not progress.facts.known(told.step), progress.order.trace, recorded)

    def take_news(self, told: ToldOfParcel, downstream: Downstream) -> TakenIn:
        """Record what it tells of a parcel.

        Raises PermanentFailure for news of an order that it was never commanded to ship, or that
        has left the table, and for news that cannot be true beside what is on record: a person must
        decide what follows. Contradiction where it had refused to ship.
        """
        try:
            progress = self._progress(told, downstream)
            if not _may_be_shipped(progress):
                raise PermanentFailure("this order was never commanded to be shipped")
            news, there = told.news, progress.facts.news
            if progress.erased:
                # The number says where its customer lives: it is neither stored nor kept again.
                news = replace(news, tracking_number=None)
            _raise_if_contradicted(there, news)
            if news.key not in there:
                # Another copy may have come between: the first stays.
                after = self.orders.record_news(told.key, news).news
                _raise_if_contradicted(after, news)
        except Archived:
            raise PermanentFailure("the order has left the table for the archive") from None
        return TakenIn(news.key not in there, progress.order.trace, Recorded())

    def _progress(self, told: Told | ToldOfParcel, downstream: Downstream) -> Progress:
        if DOWNSTREAM_OF[told.step] != downstream:
            raise PermanentFailure(f"{told.step} is nothing that {downstream} does")
        progress = self.orders.progress(told.key)
        if progress is None:
            raise PermanentFailure("there is no such order")
        return progress


def _may_be_shipped(progress: Progress) -> bool:
    """An order on the express path is shipped before its reservation is on record."""
    facts = progress.facts
    if facts.refused(Step.SHIP):
        raise Contradiction("it has refused to ship this order, and tells of a parcel of it")
    if Step.SHIP in saga.commanded(facts):
        return True
    begun = progress.order.express and not facts.known(Step.RESERVE)
    return begun and not saga.held(facts) and not saga.cancelled(facts)


def _raise_if_contradicted(there: parcels.AllNews, news: parcels.News) -> None:
    """No `Contradiction`, which says that a step has two effects: a tracking number that was
    corrected has none."""
    why = parcels.contradiction(there, news)
    if why is not None:
        raise PermanentFailure(f"news of a parcel: {why}")
