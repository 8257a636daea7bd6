"""An order's status, in the customer's words: computed from its facts, never stored."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from orders.domain import saga
from orders.domain.saga import Facts, Step


class Status(StrEnum):
    HELD = "held"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    REJECTING = "rejecting"
    REJECTED = "rejected"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


#: Nothing is owed any more. A confirmed order can still become a cancelled one, when the customer
#: asks and fulfilment agrees; the other two never change.
SETTLED = frozenset({Status.CONFIRMED, Status.REJECTED, Status.CANCELLED})

CancellationOutcome = Literal["pending", "done", "refused"]


def status(facts: Facts) -> Status:
    settled = saga.settled(facts)
    if saga.awaits_approval(facts):
        return Status.HELD
    if saga.refused(facts) or saga.declined(facts):
        return Status.REJECTED if settled else Status.REJECTING
    if saga.cancelled(facts):
        return Status.CANCELLED if settled else Status.CANCELLING
    if facts.cancellation is not None and not facts.refused(Step.CANCEL_SHIPMENT):
        return Status.CANCELLING
    return Status.CONFIRMED if settled else Status.ACCEPTED


def reason(facts: Facts) -> str | None:
    """Why an order was rejected: the downstream's code, like `out_of_stock`, or `approval_refused`
    or `approval_expired`. None otherwise.

    When two steps were refused, the one earlier in the order's path counts.
    """
    if facts.approval is not None and saga.declined(facts):
        return f"approval_{facts.approval.verdict}"
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        outcome = facts.outcomes.get(step)
        if outcome is not None and outcome.refusal is not None:
            return outcome.refusal
    return None


def cancellation_outcome(facts: Facts) -> CancellationOutcome | None:
    """The result of the customer's request to cancel; None when there was none."""
    if facts.cancellation is None:
        return None
    if saga.cancelled(facts):
        return "done"
    # An order that is being rejected is undone anyway: there is nothing left to cancel.
    if facts.refused(Step.CANCEL_SHIPMENT) or saga.refused(facts):
        return "refused"
    return "pending"
