"""A broken schedule, made small: as few faults and orders as still break the same promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spillway.prove.simulate.plan import Plan
from spillway.prove.simulate.schedule import Result, run

#: Runs that shrinking may take: some seconds.
RUNS_MAX = 600


def shrink(plan: Plan, first: Result) -> tuple[Plan, frozenset[str], int]:
    """`first` is what became of the plan, and was broken. Returns a smaller plan, the places to run
    it with, and how many faults it still takes."""
    promise = first.broken[0].promise
    runs = 0

    def attempt(plan: Plan, places: Sequence[str]) -> Result | None:
        nonlocal runs
        runs += 1
        result = run(plan, only=frozenset(places))
        return result if any(broken.promise == promise for broken in result.broken) else None

    places = [fault.place for fault in first.injected]
    best = attempt(plan, places)
    if best is None:
        return plan, frozenset(places), len(first.injected)
    plan, best = _fewer_orders(plan, places, best, attempt)
    size = max(1, len(places) // 2)
    while runs < RUNS_MAX:
        for start in range(0, len(places), size):
            left = places[:start] + places[start + size :]
            result = attempt(plan, left)
            if result is not None:
                places, best = left, result
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
    plan, best = _fewer_orders(plan, places, best, attempt)
    return plan, frozenset(places), len(best.injected)


def _fewer_orders(
    plan: Plan,
    places: Sequence[str],
    best: Result,
    attempt: Callable[[Plan, Sequence[str]], Result | None],
) -> tuple[Plan, Result]:
    for order in plan.orders:
        if len(plan.orders) == 1:
            break
        fewer = replace(plan, orders=tuple(other for other in plan.orders if other is not order))
        result = attempt(fewer, places)
        if result is not None:
            plan, best = fewer, result
    return plan, best
