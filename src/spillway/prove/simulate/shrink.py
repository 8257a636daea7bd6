"""A broken schedule, made small: as few faults and orders as still break the same promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from simulation.world.faults import Injected
from spillway.prove.simulate.plan import Plan
from spillway.prove.simulate.schedule import Result, run

#: Runs that shrinking may take: some seconds.
RUNS_MAX = 600


@dataclass(frozen=True, slots=True)
class Shrunk:
    """`plan` and `only` run the schedule again; `faults` are the ones that it still takes."""

    plan: Plan
    only: frozenset[str]
    faults: tuple[Injected, ...]
    result: Result


def shrink(plan: Plan, first: Result) -> Shrunk:
    """`first` is what became of the plan, and was broken."""
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
        return Shrunk(plan, frozenset(places), first.injected, first)
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
    return Shrunk(plan, frozenset(places), best.injected, best)


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
