"""A run's progress on the terminal: its stage, and bars for placed and settled orders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spillway.ui.progress import Stages, stages

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.run.load.placing import Placed
    from spillway.run.stack import Phase


@dataclass(slots=True)
class Bars:
    """A `spillway.prove.demo.run.Watcher`."""

    shown: Stages

    def begin(self, orders: int, title: str = "") -> None:
        """A run with so many orders begins."""
        if title:
            self.shown.title(title)
        self.shown.restart(orders)

    def phase(self, phase: Phase) -> None:
        """The run's stack is starting."""
        self.shown.stage(phase.title)

    def stage(self, what: str) -> None:
        self.shown.stage(what)

    def placed(self, order: Placed) -> None:  # noqa: ARG002 -- every order counts the same
        self.shown.advance("placed")

    def settled(self, order: Placed) -> None:  # noqa: ARG002
        self.shown.advance("settled")


@contextmanager
def bars(console: Console) -> Iterator[Bars]:
    """Bars that disappear at the end, when the summary takes their place."""
    with stages(("placed", "settled"), console) as shown:
        yield Bars(shown)
