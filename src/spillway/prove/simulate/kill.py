"""Runs the simulation on mutants of the service, each in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context

from spillway.prove.mutants.catalogue import BY_NAME
from spillway.prove.mutants.mutations import mutated
from spillway.prove.mutants.service import PACKAGE, MutatedService, sources

#: A mutant that holds every promise for so many seeds counts as one that survives.
SEEDS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class MutantResult:
    """What became of one mutant. `seeds`: how many it took to kill it, None if it survived.
    `broken`: the first promise that it broke."""

    name: str
    seeds: int | None
    seed: int | None = None
    broken: str = ""


def kill_all(
    names: Iterable[str],
    *,
    seed_from: int = 0,
    seeds_max: int = SEEDS_MAX,
    jobs: int = 1,
) -> Iterator[MutantResult]:
    """Try to kill each of these mutants; one trial for each, in the order of the names."""
    with _processes(jobs) as processes:
        yield from processes.map(_kill, names, repeat(seed_from), repeat(seeds_max))


def show_with_mutant(name: str, seed: int, trace: bool) -> bool:
    """`rendering.show_seed` with a mutant of the service."""
    with _processes(1) as processes:
        return processes.submit(_show, name, seed, trace).result()


def apply(name: str) -> None:
    """From here on, the service in this process is this mutant.

    First forgets all imports of the service and of its users: a spawned process imports its
    parent's program before it gets here.
    """
    for module in [module for module in sys.modules if _uses_the_service(module)]:
        del sys.modules[module]
    sys.meta_path.insert(0, MutatedService(mutated([BY_NAME[name]], sources())))


def _processes(jobs: int) -> ProcessPoolExecutor:
    # Each process runs one mutant and no other, because imports stay.
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1)


def _kill(name: str, seed_from: int, seeds_max: int) -> MutantResult:
    apply(name)
    from spillway.prove.simulate.plan import planned
    from spillway.prove.simulate.schedule import run

    for tried in range(seeds_max):
        result = run(planned(seed_from + tried))
        if result.broken:
            return MutantResult(name, tried + 1, seed_from + tried, str(result.broken[0]))
    return MutantResult(name, None)


def _show(name: str, seed: int, trace: bool) -> bool:
    apply(name)
    from spillway.prove.simulate.rendering import show_seed
    from spillway.ui.terminal import terminal

    return show_seed(seed, trace, name, terminal())


def _uses_the_service(module: str) -> bool:
    # The classes that are pickled for the answer must stay the same.
    if module == __name__ or module.startswith("spillway.prove.mutants"):
        return False
    return module.partition(".")[0] in (PACKAGE, "simulation", "spillway")
