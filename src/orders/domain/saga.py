"""The saga: what is still owed to an order, as a pure function of its facts.

    reserve ─┬─ done ──▶ ship ∥ post ─┬─ both done ───────────────────▶ confirmed
             │                        ├─ ship refused ─▶ release, refund ▶ rejected
             │                        └─ post refused ─▶ recall, release, refund ▶ rejected
             └─ refused ─▶ refund ──────────────────────────────────────▶ rejected

    cancellation before the reservation is known ─▶ release, refund ────▶ cancelled
    cancellation after it ─▶ cancel the shipment ─┬─ done ─▶ release, refund ▶ cancelled
                                                  └─ refused (too late) ─────▶ stays confirmed

    held for approval ─┬─ released ──▶ as any other
                       └─ refused, expired or cancelled ─▶ refund ────────▶ rejected, cancelled

    returned as a whole, once posted ─▶ refund ──────────────────────────▶ stays confirmed

One rule makes it safe without locks, claims or a second write: **whatever has been commanded is
brought to a known outcome, and only then undone.** A command is never withdrawn, because it is
unknown whether a copy of it is under way. So the decision must be able to tell from the facts alone
which commands were given, and it can: `ship` and `post` are commanded when the reservation is known
and no cancellation was there before it, and a cancellation records on which side of the reservation
it fell (its write is conditional on that). Where `ship` may be commanded before the reservation is
on record (orders.flow.express), no cancellation counts as before it.

Facts are recorded when they arrive, also late ones, each written once. `owed` depends only on which
facts are there, so their order of arrival cannot matter. tests/orders/domain/test_saga.py visits
every reachable state.

The price: an order cancelled while fulfilment is down is shipped once fulfilment is back, and then
stopped if it is not too late. A claim before each call would have spared both calls, at two more
writes an order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from orders.domain.parcels import AllNews, all_returned, all_returned_at
from orders.domain.units import CustomerId, Millis

Downstream = Literal["inventory", "fulfilment", "accounting"]
DOWNSTREAMS: tuple[Downstream, ...] = ("inventory", "fulfilment", "accounting")


class Step(StrEnum):
    RESERVE = "reserve"
    SHIP = "ship"
    POST = "post"
    CANCEL_SHIPMENT = "cancel_shipment"
    RECALL_SHIPMENT = "recall_shipment"
    RELEASE = "release"
    REFUND = "refund"


DOWNSTREAM_OF: Mapping[Step, Downstream] = {
    Step.RESERVE: "inventory",
    Step.RELEASE: "inventory",
    Step.SHIP: "fulfilment",
    Step.CANCEL_SHIPMENT: "fulfilment",
    Step.RECALL_SHIPMENT: "fulfilment",
    Step.POST: "accounting",
    Step.REFUND: "accounting",
}

#: What is owed next to an order whose stock is reserved.
ONCE_RESERVED = (Step.SHIP, Step.POST)

#: Steps that a downstream may refuse. A refusal of any other breaks the downstream's contract and
#: needs manual action.
REFUSABLE = frozenset({Step.RESERVE, Step.SHIP, Step.POST, Step.CANCEL_SHIPMENT})


@dataclass(frozen=True, slots=True)
class Outcome:
    """A downstream's final answer to one step.

    `at` is by our clock. `reference` is the downstream's own name for what it
    did. `refusal` is its code for why it will not (`out_of_stock`), None when it was done.
    """

    at: Millis
    reference: str | None = None
    refusal: str | None = None

    @property
    def done(self) -> bool:
        return self.refusal is None


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The customer's request. `before_reservation`: written while the reserve outcome was unknown,
    and for an order that waits for it to be recorded before anything else is commanded; or while
    the order was held."""

    at: Millis
    before_reservation: bool


#: What became of an order that was held: an approver of its customer decided, or nobody in time.
Verdict = Literal["released", "refused", "expired"]


@dataclass(frozen=True, slots=True)
class Approval:
    """Written once, and never beside a cancellation that came first. `by`: the approver, None where
    it expired."""

    at: Millis
    verdict: Verdict
    by: CustomerId | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of an order's progress. Empty for an order just accepted, unless it is held
    for approval: `held_until` is when that expires. `news`: what fulfilment has told of its
    parcels, by what and parcel."""

    outcomes: Mapping[Step, Outcome] = field(default_factory=dict)
    cancellation: Cancellation | None = None
    held_until: Millis | None = None
    approval: Approval | None = None
    news: AllNews = field(default_factory=dict)

    @property
    def references(self) -> dict[Step, str]:
        """What the downstreams call what they did."""
        return {
            step: outcome.reference
            for step, outcome in self.outcomes.items()
            if outcome.reference is not None
        }

    def known(self, step: Step) -> bool:
        return step in self.outcomes

    def done(self, step: Step) -> bool:
        outcome = self.outcomes.get(step)
        return outcome is not None and outcome.done

    def refused(self, step: Step) -> bool:
        outcome = self.outcomes.get(step)
        return outcome is not None and not outcome.done


def owed(facts: Facts) -> frozenset[Step]:
    """The steps that have been or must now be commanded, and have no known outcome yet."""
    returning = {Step.REFUND} if returned(facts) and facts.known(Step.POST) else set()
    return _owed_to_settle(facts) | (returning - facts.outcomes.keys())


def _owed_to_settle(facts: Facts) -> frozenset[Step]:
    """All but the refund of a return."""
    if held(facts):
        # Nothing was commanded, so nothing is to be brought to an end but the payment.
        return frozenset({Step.REFUND} if undoing(facts) else ()) - facts.outcomes.keys()
    steps = {Step.RESERVE}
    if reserved_first(facts):
        steps |= {*ONCE_RESERVED}
    if facts.done(Step.SHIP):
        steps |= _stopping_the_shipment(facts)
    if undoing(facts):
        if facts.done(Step.RESERVE) and _nothing_ships(facts):
            steps.add(Step.RELEASE)
        # Money goes back when accounting's own books are known: a refund must never overtake
        # the posting that it reverses.
        if facts.known(Step.POST) or not reserved_first(facts):
            steps.add(Step.REFUND)
    return frozenset(step for step in steps if not facts.known(step))


def commanded(facts: Facts) -> frozenset[Step]:
    """Every step that may have been commanded by now, in whichever order these facts came: no
    downstream can have decided any other."""
    steps = {*owed(facts), *facts.outcomes}
    if facts.done(Step.SHIP):
        # Each way of stopping the shipment may have come before what made the other one the way.
        if facts.cancellation is not None:
            steps.add(Step.CANCEL_SHIPMENT)
        if refused(facts):
            steps.add(Step.RECALL_SHIPMENT)
    return frozenset(steps)


def settled(facts: Facts) -> bool:
    """The order is confirmed, rejected or cancelled: nothing is owed for that any more, nor is a
    decision awaited. A confirmed order that was returned stays so, whatever its refund does."""
    return not _owed_to_settle(facts) and not awaits_approval(facts)


def at_rest(facts: Facts) -> bool:
    """Nothing is owed any more, nor is a decision awaited."""
    return not owed(facts) and not awaits_approval(facts)


def returned(facts: Facts) -> bool:
    """All of the order came back, so its money goes back, too. Stock is not released: the warehouse
    books what it gets back."""
    return all_returned(facts.news)


def refund_owed_since(facts: Facts) -> Millis | None:
    """Of an order to which only the refund of its return is owed; None of any other."""
    returned_at = all_returned_at(facts.news)
    if returned_at is None or at_rest(facts) or not settled(facts):
        return None
    return max(returned_at, facts.outcomes[Step.POST].at)


def held(facts: Facts) -> bool:
    """It was held for approval, and has not been released: nothing is commanded but a refund."""
    released = facts.approval is not None and facts.approval.verdict == "released"
    return facts.held_until is not None and not released


def awaits_approval(facts: Facts) -> bool:
    return held(facts) and not undoing(facts)


def declined(facts: Facts) -> bool:
    """An approver has refused it, or nobody decided in time."""
    return facts.approval is not None and facts.approval.verdict != "released"


def reserved_first(facts: Facts) -> bool:
    """Stock was reserved before any cancellation: `ship` and `post` have been commanded."""
    cancelled_first = facts.cancellation is not None and facts.cancellation.before_reservation
    return facts.done(Step.RESERVE) and not cancelled_first


def refused(facts: Facts) -> bool:
    """A downstream has refused a step without which there is no order."""
    return facts.refused(Step.RESERVE) or facts.refused(Step.SHIP) or facts.refused(Step.POST)


def cancelled(facts: Facts) -> bool:
    """The customer's cancellation is in effect: it came first, or the shipment was stopped."""
    if facts.cancellation is None:
        return False
    return facts.cancellation.before_reservation or facts.done(Step.CANCEL_SHIPMENT)


def undoing(facts: Facts) -> bool:
    return refused(facts) or cancelled(facts) or declined(facts)


def _stopping_the_shipment(facts: Facts) -> set[Step]:
    """How a shipment is stopped, if it must be: requested for the customer, required for us.

    Fulfilment may say `too_late` to a customer. When accounting has refused, the goods must come
    back wherever they are, so that is another command, which fulfilment cannot refuse.
    """
    if refused(facts):
        return set() if facts.done(Step.CANCEL_SHIPMENT) else {Step.RECALL_SHIPMENT}
    return {Step.CANCEL_SHIPMENT} if facts.cancellation is not None else set()


def _nothing_ships(facts: Facts) -> bool:
    if not reserved_first(facts):
        return True
    return (
        facts.refused(Step.SHIP)
        or facts.done(Step.CANCEL_SHIPMENT)
        or facts.done(Step.RECALL_SHIPMENT)
    )
