"""When a customer who follows an order should look again: the `Retry-After` of its answers.

A look through the store's site costs half as much as a whole order in a crowd, so the first one
comes when nearly every order has settled, and the next ones the later the longer it takes. How deep
the queues are is not asked: a request for it would cost as much as the read. The order itself says
it for nothing. One that is not even reserved by then waits in a backlog. Once it is reserved, what
is left takes about as long as what is done.
"""

from __future__ import annotations

from orders.domain.saga import Facts, Step, settled
from orders.domain.units import Millis

#: Twice what an order without trouble takes: `healthy_settle_seconds` in spillway.plan.capacity.
FIRST_SECONDS = 2
#: An order that waits for a downstream is looked at so often by those who keep their page open.
MAX_SECONDS = 300
#: An order in the overflow queue is placed after half a minute at the soonest, often minutes.
BUFFERED_SECONDS = 30
#: Times its age, for an order that waits in a backlog before its first step.
_BEFORE_RESERVATION = 4


def look_again_seconds(facts: Facts, accepted_at: Millis, now: Millis) -> int | None:
    """Whole seconds until the next look; None for a settled order, of which there is no more to
    know. Its age counts from the last that people asked of it: placed, approved, or cancelled."""
    if settled(facts):
        return None
    asked = (one.at for one in (facts.approval, facts.cancellation) if one is not None)
    asked_at = max(asked, default=accepted_at)
    return wait_seconds((now - asked_at) / 1000, reserved=Step.RESERVE in facts.outcomes)


def wait_seconds(age_seconds: float, *, reserved: bool) -> int:
    wait = round(age_seconds * (1 if reserved else _BEFORE_RESERVATION))
    return min(MAX_SECONDS, max(FIRST_SECONDS, wait))
