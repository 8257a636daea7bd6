"""The controls of all scenarios, some of them at a time.

What is measured in a scenario would suffer from a neighbour, so scenarios run one by one. A control
only has to come to its accident, and most of its time is waiting: for a trouble to last, for queues
to stay empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from spillway.prove.chaos.scenarios import BY_NAME
from spillway.prove.chaos.trial import Controlled, Trial, planned_for, try_control
from spillway.run.load.placing import Placed
from spillway.run.stack import running

#: Each has an emulator and a dozen functions.
AT_A_TIME = 3


class Nobody:
    """A watcher that tells nobody."""

    def stage(self, what: str) -> None: ...

    def placed(self, order: Placed) -> None: ...

    def settled(self, order: Placed) -> None: ...


def run_controls(
    trials: Sequence[Trial], *, orders: int, seed: int, on_done: Callable[[int, int], None]
) -> None:
    """Add to each trial what its scenario's controls came to.

    Each runs in a process of its own, which ends with this one and takes its stack along.
    `on_done` is told how many have run, of how many. SpillwayError: as `try_control`.
    """
    wanted = [(trial, place) for trial in trials for place, _ in enumerate(trial.scenario.controls)]
    with ProcessPoolExecutor(AT_A_TIME, mp_context=get_context("spawn")) as processes:
        came_to = [
            processes.submit(_evidence, trial.scenario.name, place, orders, seed)
            for trial, place in wanted
        ]
        for done, _ in enumerate(as_completed(came_to), start=1):
            on_done(done, len(wanted))
        for (trial, place), future in zip(wanted, came_to, strict=True):
            ordered, evidence = future.result()
            trial.controls.append(Controlled(trial.scenario.controls[place], ordered, evidence))


def _evidence(name: str, place: int, orders: int, seed: int) -> tuple[int, str | None]:
    """In a process of its own, to which only names and numbers go: stories are no data."""
    scenario = BY_NAME[name]
    planned = planned_for(scenario, orders=min(orders, scenario.control_orders), seed=seed)
    with running() as stack:
        controlled = try_control(stack, scenario, scenario.controls[place], planned, Nobody())
    return controlled.orders, controlled.evidence
