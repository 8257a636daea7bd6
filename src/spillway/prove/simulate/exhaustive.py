"""Where it is small, everything: each fault at each place of one order's way, one at a time.

An order with every expected outcome runs once without a fault, by its queues and by the express
path, which lists the places where something can go wrong; then once more for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from orders.domain.saga import DOWNSTREAMS, Downstream, Verdict
from simulation import store
from simulation.catalogue import ExpectedOutcome, Shape, draft, draft_for_company
from simulation.world.faults import Fault
from spillway.prove.simulate.plan import (
    APPROVERS,
    HOUR,
    Decision,
    ExpressPath,
    Ordered,
    Plan,
    fault_settings_for,
)
from spillway.prove.simulate.schedule import Result, run

CRASHES = frozenset({Fault.CRASH_BEFORE, Fault.CRASH_AFTER})
#: The cases that are tried with every two crashes.
PAIRED = ("confirmed", "blocked", "confirmed, cancelled after 60 ms", "express: confirmed")

#: When the customer cancels, in ms after the order: while it is placed, before, while and after its
#: stock is reserved, while it ships, and long after it is confirmed.
CANCEL_AT = (None, 10, 35, 60, 90, 130, 5_000)
EXPECTED_OUTCOMES: Mapping[str, ExpectedOutcome] = {
    "confirmed": ExpectedOutcome(),
    "out of stock": ExpectedOutcome(out_of_stock=True),
    "undeliverable": ExpectedOutcome(undeliverable=True),
    "blocked": ExpectedOutcome(blocked=True),
    "undeliverable and blocked": ExpectedOutcome(undeliverable=True, blocked=True),
}


#: Who decides later, together.
_LATER: tuple[tuple[Downstream, ...], ...] = (*((name,) for name in DOWNSTREAMS), DOWNSTREAMS)

#: The case of this name was run with these faults, by place.
Tried = tuple[str, Mapping[str, Fault], Result]


def cases() -> dict[str, Plan]:
    """One order of every expected outcome, cancelled at every moment, and one whose shipment can no
    longer be stopped, all of them by their queues and by express; one that is too large to travel,
    one that cost nothing, and one with a downstream without keys; some whose downstreams decide
    later, some that an approver releases or refuses, and one of whose parcels fulfilment tells."""
    healthy, blocked = ExpectedOutcome(), ExpectedOutcome(blocked=True)
    every = {
        name if at is None else f"{name}, cancelled after {at} ms": _plan(expected_outcome, at)
        for name, expected_outcome in EXPECTED_OUTCOMES.items()
        for at in CANCEL_AT
    }
    every["cancelled too late"] = _plan(healthy, 5_000, too_late=True)
    by_express = {
        f"express: {name}": replace(plan, express=ExpressPath(at_start=True))
        for name, plan in every.items()
    }
    return {
        **every,
        **by_express,
        "too large to travel": _plan(healthy, shape="large"),
        "nothing to pay, blocked": _plan(blocked, shape="free"),
        "without keys": _plan(blocked, without_keys=frozenset({"fulfilment"})),
        **{
            f"later, {', '.join(sorted(later))}: {name}": replace(every[name], later=later)
            for later in map(frozenset[Downstream], _LATER)
            for name in ("confirmed", "blocked, cancelled after 130 ms")
        },
        **{f"held: {verdict}": _held(verdict) for verdict in get_args(Verdict)},
        "parcels": replace(every["confirmed"], parcels=True),
    }


def each_fault(kinds: frozenset[Fault] | None = None, only: Sequence[str] = ()) -> Iterator[Tried]:
    """Every case (of these names) with every single fault (of these kinds) at every place that its
    order passes."""
    for name, plan in cases().items():
        if not only or name in only:
            healthy = run(plan, forced={})
            yield name, {}, healthy
            for fault in _faults(healthy.visited, kinds):
                yield _tried(name, plan, fault)


def each_pair_of_crashes() -> Iterator[Tried]:
    """Some cases with every two crashes: the second at every place that is passed after the first
    was injected."""
    for name in PAIRED:
        plan = cases()[name]
        for first in _faults(run(plan, forced={}).visited, CRASHES):
            visited = run(plan, forced=dict([first])).visited
            passed = [place for place, _ in visited]
            after = visited[passed.index(first[0]) + 1 :] if first[0] in passed else ()
            for second in _faults(after, CRASHES):
                yield _tried(name, plan, first, second)


def _faults(
    visited: Sequence[tuple[str, tuple[Fault, ...]]], kinds: frozenset[Fault] | None
) -> Iterator[tuple[str, Fault]]:
    """Every fault (of these kinds) that is possible at these places."""
    for place, possible in visited:
        for kind in possible:
            if kinds is None or kind in kinds:
                yield place, kind


def _tried(name: str, plan: Plan, *chosen: tuple[str, Fault]) -> Tried:
    faults = dict(chosen)
    return name, faults, run(plan, forced=faults)


def _held(verdict: Verdict) -> Plan:
    """An order that is held, and decided about 100 ms after it; or nobody does."""
    by = () if verdict == "expired" else (Decision(APPROVERS[0], verdict, 100),)
    of_company = draft_for_company(0, "below", store.COUPON, ExpectedOutcome())
    order = Ordered("order 1", of_company, ExpectedOutcome(), place_at=0, decisions=by)
    return replace(_plan(ExpectedOutcome()), orders=(order,), holds=True)


def _plan(
    outcome: ExpectedOutcome,
    cancel_at: int | None = None,
    *,
    shape: Shape = "retail",
    too_late: bool = False,
    without_keys: frozenset[str] = frozenset(),
) -> Plan:
    order = Ordered("order 1", draft(0, shape, outcome), outcome, place_at=0, cancel_at=cancel_at)
    return Plan(
        seed=0,
        orders=(order,),
        fault_settings=fault_settings_for(
            (order,), without_keys, too_late=too_late, leaves_after_ms=None
        ),
        heal_after=HOUR,
        without_keys=without_keys,
    )
