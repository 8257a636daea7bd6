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

from spillway.run.load.placing import Placed
from spillway.run.stack import Phase


@dataclass(slots=True)
class Bars:
    """A `spillway.prove.chaos.context.Watcher`: names what goes on and moves two bars below it."""

    stages: Progress
    title_line: TaskID
    stage_line: TaskID
    orders: Progress
    placed_bar: TaskID
    settled_bar: TaskID

    def scenario(self, name: str, orders: int) -> None:
        """A scenario with so many orders begins."""
        self.stages.reset(self.title_line, description=f"[bold]{name}")
        for bar in (self.placed_bar, self.settled_bar):
            self.orders.reset(bar, total=orders)

    def controls(self) -> None:
        """All scenarios have run, their controls begin."""
        self.stages.reset(self.title_line, description="[bold]controls")
        self.stage("The same scenarios without their guards")
        for bar in (self.placed_bar, self.settled_bar):
            self.orders.update(bar, visible=False)

    def control_done(self, done: int, of: int) -> None:
        """So many of all controls have run."""
        self.stages.update(
            self.stage_line,
            description=f"The same scenarios without their guards: {done} of {of} have run",
        )

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
def bars(console: Console) -> Iterator[Bars]:
    """Bars that vanish at the end."""
    stages = Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    counts = Progress(
        TextColumn("  {task.description:>7}"), BarColumn(bar_width=40), MofNCompleteColumn()
    )
    with Live(Group(stages, counts), console=console, transient=True):
        yield Bars(
            stages,
            stages.add_task("", total=None),
            stages.add_task("", total=None),
            counts,
            counts.add_task("placed", total=None),
            counts.add_task("settled", total=None),
        )
