"""The result of a run: everything that was sent, answered, read and judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from spillway.prove.audit.verdicts import Verdict
from spillway.prove.demo.plan import Plan
from spillway.run.load.placing import Placed
from spillway.run.load.records import Outage
from spillway.run.load.settling import SETTLED
from spillway.target.records import Effect, Record


@dataclass(slots=True)
class Run:
    """The result of a run. Durations in seconds; `began_at` in Unix milliseconds."""

    plan: Plan
    began_at: int
    placed: list[Placed] = field(default_factory=list)
    settling_seconds: float = 0.0
    up_seconds: float = 0.0
    records: dict[OrderKey, Record] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    outage: Outage | None = None
    promises: dict[Promise, Verdict] = field(default_factory=dict)

    @property
    def accepted_any(self) -> bool:
        return any(order.acknowledged for order in self.placed)

    @property
    def all_answered(self) -> bool:
        """Every order of the plan was sent and got a final answer, perhaps a refusal."""
        answered = [o for o in self.placed if o.acknowledged or o.refusal is not None]
        return len(answered) == len(self.plan.drafts)

    @property
    def proven(self) -> bool:
        """Every promise held, and there were orders to keep it for."""
        held = all(verdict.held for verdict in self.promises.values())
        return held and self.accepted_any and self.all_answered

    @property
    def accepting_seconds(self) -> float | None:
        """From the first order sent to the last one accepted, without those in the outage."""
        sent, accepted = [], []
        for order in self.placed:
            if order.accept_seconds is not None and not order.during_outage:
                sent.append(order.sent_at / 1000)
                accepted.append(order.sent_at / 1000 + order.accept_seconds)
        return max(accepted) - min(sent) if accepted else None

    def settle_seconds(self, order: Placed) -> float | None:
        """From acceptance to the last fact, by the table's own times; None when not settled."""
        record = self.records.get(order.key)
        if order.status not in SETTLED or record is None or record.accepted_at is None:
            return None
        last = max((outcome.at for outcome in record.facts.outcomes.values()), default=None)
        return None if last is None else (last - record.accepted_at) / 1000

    def undisturbed(self) -> Iterator[Placed]:
        """Orders that were not delayed by an outage or by their customer's cancellation."""
        for order in self.placed:
            if not order.during_outage and not order.cancellation_sent:
                yield order

    def accepted_and_settled(self) -> tuple[list[float], list[float]]:
        """When each order was accepted and settled, in seconds since the run began, by the orders
        table's own times."""
        accepted, settled = [], []
        for order in self.placed:
            record = self.records.get(order.key)
            if record is None or record.accepted_at is None:
                continue
            accepted.append((record.accepted_at - self.began_at) / 1000)
            seconds = self.settle_seconds(order)
            if seconds is not None:
                settled.append(accepted[-1] + seconds)
        return accepted, settled
