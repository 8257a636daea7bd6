"""What a downstream has decided goes on record: once, whoever learns of it first.

Deliver learns of an outcome from the answer to a command, `orders.flow.outcomes` from a message of
the downstream's. Both record it with the same conditional write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.saga import REFUSABLE, Outcome, Step
from orders.domain.status import Status, status
from orders.domain.units import Millis
from orders.failures import Contradiction, PermanentFailure
from orders.ports import Orders


@dataclass(frozen=True, slots=True)
class Recorded:
    """If an outcome that was not on record before has settled the order: `settled_as` is the
    order's status, and `settle_ms` the time since the customer's last request (None if it is not
    known when the order was accepted, and where it was the refund of a settled order's return)."""

    settled_as: Status | None = None
    settle_ms: int | None = None


def record(
    orders: Orders,
    key: OrderKey,
    outcomes: Mapping[Step, Outcome],
    accepted_at: Millis | None,
) -> Recorded:
    """Raises Contradiction where another outcome is on record, which stays."""
    facts = orders.record(key, outcomes)
    for step, answered in outcomes.items():
        _check(step, facts.outcomes[step], answered)
    # An outcome that was on record before was logged then.
    was_there = all(facts.outcomes[step] != outcomes[step] for step in outcomes)
    if was_there or not saga.settled(facts):
        return Recorded()
    others = {step: one for step, one in facts.outcomes.items() if step not in outcomes}
    before = replace(facts, outcomes=others)
    if saga.settled(before):
        # It took no time to settle again: this was the refund of its return.
        at_rest_now = saga.at_rest(facts) and not saga.at_rest(before)
        return Recorded(status(facts)) if at_rest_now else Recorded()
    if accepted_at is None:
        return Recorded(status(facts))
    # Since somebody last had a say: who ordered, approved or cancelled.
    decided = [one.at for one in (facts.approval, facts.cancellation) if one is not None]
    asked_at = max(decided, default=accepted_at)
    settled_at = max(outcome.at for outcome in outcomes.values())
    return Recorded(status(facts), settled_at - asked_at)


def raise_if_irrefusable(step: Step, outcome: Outcome) -> None:
    """Raises PermanentFailure."""
    if not outcome.done and step not in REFUSABLE:
        raise PermanentFailure(
            f"{step} was refused ({outcome.refusal}), which its contract rules out"
        )


def _check(step: Step, there: Outcome, answered: Outcome) -> None:
    if there.refusal != answered.refusal:
        raise Contradiction(
            f"{step} is on record as {there.refusal or 'done'}, and the downstream now answers"
            f" {answered.refusal or 'done'} under the same key"
        )
