"""Many schedules, single faults and mutants, spread over processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing import get_context
from typing import TYPE_CHECKING

from spillway.prove.mutants.catalogue import BY_NAME
from spillway.prove.simulate import exhaustive
from spillway.prove.simulate.kill import MutantResult, kill_all
from spillway.prove.simulate.tally import Tally, tallied
from spillway.ui.progress import bar

if TYPE_CHECKING:
    from rich.console import Console

#: Seeds that a process takes at a time: about half a second.
CHUNK = 100


@dataclass(slots=True)
class Run:
    """`exhausted`: runs with chosen faults, and the promises that they broke. `mutants`: the result
    of each, None where none was tried. `interrupted`: not all of it was run."""

    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    exhausted: int = 0
    exhausted_broken: list[str] = field(default_factory=list)
    mutants: list[MutantResult] | None = None
    interrupted: bool = False

    @property
    def per_second(self) -> float:
        return self.tally.seeds / self.seconds if self.seconds else 0.0

    @property
    def survivors(self) -> list[str]:
        return [mutant.name for mutant in self.mutants or () if mutant.seeds is None]

    @property
    def held(self) -> bool:
        broken = self.tally.broken_seeds or self.exhausted_broken or self.survivors
        return not (broken or self.interrupted)


def run_all(seeds: range, jobs: int, console: Console, *, controls: bool, everything: bool) -> Run:
    """The schedules of these seeds, then one fault at every place, then perhaps the mutants."""
    run = Run()
    try:
        _simulate(run, seeds, jobs, console)
    except KeyboardInterrupt:
        run.interrupted = True
        return run
    _exhaust(run, everything, console)
    if controls:
        run.mutants = []
        with bar("Mutants", len(BY_NAME), console) as progress:
            for mutant in kill_all(BY_NAME, seed_from=seeds.start, jobs=jobs):
                run.mutants.append(mutant)
                progress.advance()
                progress.note(mutant.name)
    return run


def _simulate(run: Run, seeds: range, jobs: int, console: Console) -> None:
    """`run` is up to date also when this is interrupted."""
    began = time.monotonic()
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ExitStack() as until_the_end:
        progress = until_the_end.enter_context(bar("Schedules", len(seeds), console))
        tallies: Iterable[Tally] = map(tallied, chunks)
        if jobs > 1:
            # Ctrl+C is left to the parent.
            ignored = (signal.SIGINT, signal.SIG_IGN)
            processes = ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, ignored)
            tallies = until_the_end.enter_context(processes).map(tallied, chunks)
        for tally in tallies:
            run.tally.merge(tally)
            run.seconds = time.monotonic() - began
            progress.reach(run.tally.seeds)
            progress.note(f"{run.per_second:,.0f}/s, {run.tally.broken_seeds} broken")


def _exhaust(run: Run, everything: bool, console: Console) -> None:
    kinds = None if everything else exhaustive.CRASHES
    pairs = exhaustive.each_pair_of_crashes() if everything else ()
    with bar("Chosen faults at every place", None, console) as progress:
        for case, faults, result in chain(exhaustive.each_fault(kinds), pairs):
            run.exhausted += 1
            where = "; ".join(f"{kind} at {place}" for place, kind in faults.items())
            for broken in result.broken:
                run.exhausted_broken.append(f"{case}: {where or 'no fault'}: {broken}")
            progress.advance()
            progress.note(case)
