"""The result of a run: everything that was sent, answered, read and judged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from orders.domain.events import settled_at
from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import Step
from orders.domain.status import SETTLED
from spillway.operate.coupons import uses
from spillway.prove.audit.payments import PaymentOnRecord
from spillway.prove.audit.pricing import PriceAudit
from spillway.prove.audit.verdicts import Verdict, Violation
from spillway.prove.demo.plan import Plan
from spillway.run.load.placing import Placed
from spillway.run.load.records import Outage, Probe
from spillway.target.records import Depth, Effect, Record, Way


@dataclass(slots=True)
class Run:
    """Durations in seconds; `began_at` in Unix milliseconds.

    `histories` maps customers to the order ids in their history; `invocations` counts each
    function's runs at rest, None on a shared stack; `violations` were found during the run.
    `payments` is the gateway's record. `prices` and `coupons` are None where nobody looked at them.
    """

    plan: Plan
    began_at: int
    placed: list[Placed] = field(default_factory=list)
    settling_seconds: float = 0.0
    up_seconds: float = 0.0
    outage: Outage | None = None
    records: dict[OrderKey, Record] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    histories: dict[str, list[str]] = field(default_factory=dict)
    depths_before: list[Depth] = field(default_factory=list)
    depths: list[Depth] = field(default_factory=list)
    invocations: dict[str, int] | None = None
    prices: PriceAudit | None = None
    coupons: uses.Audit | None = None
    payments: list[PaymentOnRecord] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
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

    @property
    def accept_seconds(self) -> list[float]:
        """From sending an order to its first 2xx."""
        return [order.accept_seconds for order in self.placed if order.accept_seconds is not None]

    @property
    def settle_seconds(self) -> list[float]:
        """`settled_after` of the orders that nothing held up."""
        settled = map(self.settled_after, self.undisturbed())
        return [seconds for seconds in settled if seconds is not None]

    def settled_after(self, order: Placed) -> float | None:
        """Seconds from acceptance to the fact that settled it, by the table's own times; None: not
        settled."""
        record = self.records.get(order.key)
        if order.status not in SETTLED or record is None or record.accepted_at is None:
            return None
        at = settled_at(record.facts)
        return None if at is None else (at - record.accepted_at) / 1000

    @property
    def ways(self) -> Counter[Way]:
        """How many orders that were reserved went which way; empty where none may go by the express
        path."""
        records = [one for one in self.records.values() if one.facts.done(Step.RESERVE)]
        if not any(record.may_go_express for record in records):
            return Counter()
        return Counter(record.way for record in records if record.way is not None)

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
            seconds = self.settled_after(order)
            if seconds is not None:
                settled.append(accepted[-1] + seconds)
        return accepted, settled


def shipped_after(
    records: Mapping[OrderKey, Record], effects: Iterable[Effect]
) -> dict[OrderKey, float]:
    """Seconds from an order's acceptance to its shipment, by the tables' own times."""
    found = {}
    for effect in effects:
        record = records.get(effect.key)
        if effect.step == "ship" and record is not None and record.accepted_at is not None:
            found[effect.key] = (effect.at - record.accepted_at) / 1000
    return found


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
