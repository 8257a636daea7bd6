"""The hunt for planted bugs: each in a process of its own, seed after seed until it is caught."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from spillway.prove.mutants.bugs import BY_NAME
from spillway.prove.mutants.patches import PACKAGE, PatchedService, planted, sources

#: A bug that has not been caught by then counts as one that survives.
SEEDS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Caught:
    """`seeds`: how many it took, None if it survived. `broken`: what gave it away."""

    name: str
    seeds: int | None
    seed: int | None = None
    broken: str = ""


def hunt(
    names: Iterable[str],
    *,
    seed_from: int = 0,
    seeds_max: int = SEEDS_MAX,
    jobs: int = 1,
    on_done: Callable[[Caught], None] = lambda _: None,
) -> list[Caught]:
    """Hunt for each of these bugs; the answers stand in the order of the names."""
    wanted = list(names)
    # A process runs with one bug and no other: what is imported stays imported.
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as processes:
        futures = {processes.submit(hunt_one, name, seed_from, seeds_max): name for name in wanted}
        found = {}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            on_done(future.result())
    return [found[name] for name in wanted]


def hunt_one(name: str, seed_from: int, seeds_max: int) -> Caught:
    """In a process of its own."""
    plant(name, anew=True)
    from spillway.prove.simulate.plan import planned
    from spillway.prove.simulate.schedule import run

    for seed in _seeds(seed_from, seeds_max):
        result = run(planned(seed))
        if result.broken:
            return Caught(name, seed - seed_from + 1, seed, str(result.broken[0]))
    return Caught(name, None)


def plant(name: str, *, anew: bool = False) -> None:
    """From here on, this process's service has this bug.

    `anew`: forget what is imported of the service and of all that uses it. A process that is
    spawned imports the program that it was spawned from before it comes here.
    """
    if anew:
        for module in [module for module in sys.modules if _uses_the_service(module)]:
            del sys.modules[module]
    if any(module.partition(".")[0] == PACKAGE for module in sys.modules):
        raise RuntimeError("the service is imported already, without the bug")
    sys.meta_path.insert(0, PatchedService(planted([BY_NAME[name]], sources())))


def _uses_the_service(module: str) -> bool:
    # What is pickled on the way back must stay the class that it was.
    if module == __name__ or module.startswith("spillway.prove.mutants"):
        return False
    return module.partition(".")[0] in (PACKAGE, "simulation", "spillway")


def _seeds(first: int, count: int) -> Iterator[int]:
    return iter(range(first, first + count))
