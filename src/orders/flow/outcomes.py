"""outcomes: a downstream tells by a message of its own what it has decided.

It had taken the command before (`Later`), and its message may come twice, late, before its answer
to the command, or about an order that is none of ours. What is recorded is what deliver would have
recorded had the downstream answered so at once, by the same write; what that leads to is the
table's stream's to tell. The command itself waits in its queue until it sees the outcome on record
(orders.flow.deliver), so a message that is lost delays an order and loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from orders.domain import saga
from orders.domain.saga import DOWNSTREAM_OF, Downstream
from orders.domain.trace import Trace
from orders.failures import PermanentFailure
from orders.flow.recording import Recorded, raise_if_irrefusable, record
from orders.ports import Orders, Told


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
        if DOWNSTREAM_OF[told.step] != downstream:
            raise PermanentFailure(f"{told.step} is nothing that {downstream} does")
        progress = self.orders.progress(told.key)
        if progress is None:
            raise PermanentFailure("there is no such order")
        if told.step not in saga.commanded(progress.facts):
            raise PermanentFailure(f"{told.step} was never commanded for this order")
        raise_if_irrefusable(told.step, told.outcome)
        recorded = record(
            self.orders, told.key, {told.step: told.outcome}, progress.order.accepted_at
        )
        return TakenIn(not progress.facts.known(told.step), progress.order.trace, recorded)
