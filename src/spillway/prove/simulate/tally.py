"""What many schedules amount to."""

from __future__ import annotations

import gc
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from orders.failures import error_location
from orders.settings import EXPRESS_CALLS
from spillway.prove.simulate.plan import planned
from spillway.prove.simulate.schedule import Result, run

#: More broken seeds than this are counted and not kept.
BROKEN_KEPT_MAX = 100
#: A world is full of cycles, of which `World.close` breaks most. Collecting the rest at every
#: chance costs a quarter of the time; never collecting them would fill the memory. What was there
#: before is frozen, so that no collection looks at it.
_COLLECT_EVERY = 200
#: In the place of a fault: a call of the express path.
_OF_EXPRESS = re.compile(f" > ({'|'.join(EXPRESS_CALLS)}), call ")


@dataclass(slots=True)
class Tally:
    """`broken`: the broken promises by seed. `faults`: how often each kind was injected;
    `sites`: and where.

    `states`: the sets of facts that orders have gone through. `outcomes`: what the handlers made of
    their messages and requests. `express`: how often what happened on the express path.
    `rested_ms`: the longest that a schedule took to come to rest. `cpu_seconds`: of the processes,
    which other work on the machine changes less than the clock.
    """

    seeds: int = 0
    cpu_seconds: float = 0.0
    side_effects: int = 0
    broken_seeds: int = 0
    excused: int = 0
    rested_ms: int = 0
    broken: dict[int, list[str]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    sites: Counter[str] = field(default_factory=Counter)
    states: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    express: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Tally) -> None:
        """Add what other schedules amount to."""
        self.seeds += other.seeds
        self.cpu_seconds += other.cpu_seconds
        self.side_effects += other.side_effects
        self.broken_seeds += other.broken_seeds
        self.excused += other.excused
        self.rested_ms = max(self.rested_ms, other.rested_ms)
        self.faults += other.faults
        self.sites += other.sites
        self.outcomes += other.outcomes
        self.express += other.express
        self.states |= other.states
        self.broken = dict(islice((self.broken | other.broken).items(), BROKEN_KEPT_MAX))


def _tally_of(result: Result) -> Tally:
    broken = [str(broken) for broken in result.broken]
    kinds = [(fault.kind.value, fault.place.rpartition(": ")) for fault in result.injected]
    return Tally(
        seeds=1,
        side_effects=result.side_effects,
        broken_seeds=bool(broken),
        excused=result.excused,
        rested_ms=result.rested_ms,
        broken={result.seed: broken} if broken else {},
        faults=Counter(kind for kind, _ in kinds),
        sites=Counter(f"{kind} at {where}" for kind, (_, named, where) in kinds if named),
        states=set(result.states),
        outcomes=result.outcomes,
        express=_express(result),
    )


def _express(result: Result) -> Counter[str]:
    """The counts of the world's checker, and of the faults at calls of the express path; and
    whether there were calls, and any without an answer about their order."""
    counts = Counter(result.express)
    counts["schedules"] = int("calls" in counts)
    counts["schedules in trouble"] = int(counts["calls"] > counts["calls done or refused"])
    for fault in result.injected:
        if fault.place.startswith("deliver-inventory") and _OF_EXPRESS.search(fault.place):
            counts[f"faults: {fault.kind.value}"] += 1
    return counts


def tallied(seeds: Iterable[int]) -> Tally:
    """Run the schedules of these seeds, one after the other."""
    tally, began = Tally(), time.process_time()
    gc.disable()
    gc.freeze()
    try:
        for seed in seeds:
            tally.merge(_tally_of_seed(seed))
            if tally.seeds % _COLLECT_EVERY == 0:
                gc.collect()
    finally:
        gc.unfreeze()
        gc.enable()
    tally.cpu_seconds = time.process_time() - began
    return tally


def _tally_of_seed(seed: int) -> Tally:
    try:
        return _tally_of(run(planned(seed)))
    except Exception as bug:  # noqa: BLE001 - one seed's, not that of a million others
        broken = f"the simulation itself failed: {error_location(bug)}: {bug}"
        return Tally(seeds=1, broken_seeds=1, broken={seed: [broken]})
