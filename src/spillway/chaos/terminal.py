"""How the scenarios go, shown while they run: which one, what is being done to it, and two bars."""

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

from spillway.demo.placing import Placed
from spillway.local import Phase


@dataclass(slots=True)
class Bars:
    """A `spillway.chaos.ordeal.Watcher`: names what goes on and moves two bars below it."""

    runs: Progress
    run_line: TaskID
    stages: Progress
    stage_line: TaskID
    orders: Progress
    placed_bar: TaskID
    settled_bar: TaskID

    @contextmanager
    def run(self, title: str, orders: int) -> Iterator[None]:
        """A scenario or a control with so many orders is under way during the block."""
        self.runs.update(self.run_line, description=title)
        for bar in (self.placed_bar, self.settled_bar):
            self.orders.reset(bar, total=orders)
        yield
        self.runs.advance(self.run_line)

    def phase(self, phase: Phase) -> None:
        """Its stack is being started."""
        self.stage(phase.title)

    def stage(self, what: str) -> None:
        self.stages.reset(self.stage_line, description=what)

    def placed(self, order: Placed) -> None:  # noqa: ARG002 -- every order counts the same
        self.orders.advance(self.placed_bar)

    def settled(self, order: Placed) -> None:  # noqa: ARG002
        self.orders.advance(self.settled_bar)


@contextmanager
def bars(console: Console, runs: int) -> Iterator[Bars]:
    """Bars for so many scenarios and controls; they vanish at the end."""
    all_runs = Progress(
        TextColumn("[bold]{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn()
    )
    stages = Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    counts = Progress(
        TextColumn("  {task.description:>7}"), BarColumn(bar_width=40), MofNCompleteColumn()
    )
    with Live(Group(all_runs, stages, counts), console=console, transient=True):
        yield Bars(
            all_runs,
            all_runs.add_task("", total=runs),
            stages,
            stages.add_task("", total=None),
            counts,
            counts.add_task("placed", total=None),
            counts.add_task("settled", total=None),
        )
