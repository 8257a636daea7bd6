"""What many schedules amount to."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from orders.failures import error_location
from spillway.prove.simulate.plan import planned
from spillway.prove.simulate.schedule import Result, run

#: More broken seeds than this are counted and not kept.
BROKEN_KEPT_MAX = 100
#: A world is full of cycles, of which `World.close` breaks most. Collecting the rest at every
#: chance costs a quarter of the time; left to themselves they would fill the memory. What was there
#: before is frozen meanwhile: no collection need look at it.
_COLLECT_EVERY = 200


@dataclass(slots=True)
class Tally:
    """`broken`: what broke, by seed. `faults`: how often each kind was injected, and `sites` where.

    `states`: the sets of facts that orders have gone through. `outcomes`: what the handlers made of
    their messages and requests. `rested_ms`: the longest that a schedule took to come to rest.
    `cpu_seconds`: of the processes, which other work on the machine changes less than the clock.
    """

    seeds: int = 0
    cpu_seconds: float = 0.0
    side_effects: int = 0
    calls: int = 0
    broken_seeds: int = 0
    excused: int = 0
    rested_ms: int = 0
    broken: dict[int, list[str]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    sites: Counter[str] = field(default_factory=Counter)
    states: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        self.seeds += 1
        self.side_effects += result.side_effects
        self.calls += result.calls
        self.excused += result.excused
        self.rested_ms = max(self.rested_ms, result.rested_ms)
        self.states |= result.states
        self.outcomes.update(result.outcomes)
        for fault in result.injected:
            self.faults[fault.kind.value] += 1
            if ": " in fault.place:
                where = fault.place.rpartition(": ")[2]
                self.sites[f"{fault.kind.value} at {where}"] += 1
        if result.broken:
            self.breaks(result.seed, [str(broken) for broken in result.broken])

    def breaks(self, seed: int, broken: list[str]) -> None:
        self.broken_seeds += 1
        if len(self.broken) < BROKEN_KEPT_MAX:
            self.broken[seed] = broken

    def merge(self, other: Tally) -> None:
        self.seeds += other.seeds
        self.cpu_seconds += other.cpu_seconds
        self.side_effects += other.side_effects
        self.calls += other.calls
        self.broken_seeds += other.broken_seeds
        self.excused += other.excused
        self.rested_ms = max(self.rested_ms, other.rested_ms)
        self.states |= other.states
        self.outcomes.update(other.outcomes)
        self.faults.update(other.faults)
        self.sites.update(other.sites)
        for seed, broken in other.broken.items():
            if len(self.broken) < BROKEN_KEPT_MAX:
                self.broken[seed] = broken


def tallied(seeds: Iterable[int]) -> Tally:
    """Run the schedules of these seeds, one after the other."""
    tally = Tally()
    began = time.process_time()
    gc.disable()
    gc.freeze()
    try:
        for seed in seeds:
            _run(seed, tally)
            if tally.seeds % _COLLECT_EVERY == 0:
                gc.collect()
    finally:
        gc.unfreeze()
        gc.enable()
    tally.cpu_seconds = time.process_time() - began
    return tally


def _run(seed: int, tally: Tally) -> None:
    try:
        tally.add(run(planned(seed)))
    except Exception as bug:  # noqa: BLE001 - one seed's, not that of a million others
        tally.seeds += 1
        tally.breaks(seed, [f"the simulation itself failed: {error_location(bug)}: {bug}"])
