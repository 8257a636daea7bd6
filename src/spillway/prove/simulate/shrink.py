"""A broken schedule, made small: as few faults and orders as still break the same promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spillway.prove.simulate.plan import Plan
from spillway.prove.simulate.schedule import Result, run

#: Runs that shrinking may take: some seconds.
RUNS_MAX = 600


def shrink(plan: Plan, first: Result) -> tuple[Plan, frozenset[str]]:
    """A smaller plan, and the places of the faults that it takes to break the promise that was
    broken `first`."""
    promise = first.broken[0].promise
    runs = 0

    def still_breaks(plan: Plan, places: Sequence[str]) -> bool:
        nonlocal runs
        runs += 1
        broken = run(plan, only=frozenset(places)).broken
        return any(each.promise == promise for each in broken)

    places = [fault.place for fault in first.injected]
    if not still_breaks(plan, places):
        return plan, frozenset(places)
    plan = _fewer_orders(plan, places, still_breaks)
    size = max(1, len(places) // 2)
    while runs < RUNS_MAX:
        for start in range(0, len(places), size):
            left = places[:start] + places[start + size :]
            if still_breaks(plan, left):
                places = left
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
    return _fewer_orders(plan, places, still_breaks), frozenset(places)


def _fewer_orders(
    plan: Plan, places: Sequence[str], still_breaks: Callable[[Plan, Sequence[str]], bool]
) -> Plan:
    for order in plan.orders:
        fewer = replace(plan, orders=tuple(other for other in plan.orders if other is not order))
        if fewer.orders and still_breaks(fewer, places):
            plan = fewer
    return plan
