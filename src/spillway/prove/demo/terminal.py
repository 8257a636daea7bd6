"""How a run goes, shown while it runs: the stage it is at, and two bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from spillway.prove.demo.run import Stage
from spillway.run.load.placing import Placed

_STAGES: dict[Stage, str] = {
    "placing": "Customers are ordering",
    "outage": "Accounting is out, customers go on ordering",
    "settling": "Waiting until every order has settled",
    "probing": "Strangers try to read and cancel other people's orders",
    "resting": "Watching that nothing runs when nothing is to be done",
    "auditing": "Holding the orders against the three downstreams",
}


@dataclass(slots=True)
class Bars:
    """A `spillway.prove.demo.run.Watcher` that names the stage and moves two bars below it."""

    stages: Progress
    stage_line: TaskID
    orders: Progress
    placed_bar: TaskID
    settled_bar: TaskID

    def stage(self, stage: Stage) -> None:
        self.stages.update(self.stage_line, description=_STAGES[stage])

    def placed(self, order: Placed) -> None:  # noqa: ARG002 -- every order counts the same
        self.orders.advance(self.placed_bar)

    def settled(self, order: Placed) -> None:  # noqa: ARG002
        self.orders.advance(self.settled_bar)


@contextmanager
def bars(console: Console, orders: int) -> Iterator[Bars]:
    """Bars for so many orders; they vanish at the end, the summary takes their place."""
    stages = Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    counts = Progress(
        TextColumn("  {task.description:>7}"), BarColumn(bar_width=40), MofNCompleteColumn()
    )
    with Live(Group(stages, counts), console=console, transient=True):
        yield Bars(
            stages,
            stages.add_task(_STAGES["placing"], total=None),
            counts,
            counts.add_task("placed", total=orders),
            counts.add_task("settled", total=orders),
        )
