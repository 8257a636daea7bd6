"""Progress on the terminal: a bar for counts, and a stage line with bars below it.

All of it goes to standard error, so that standard output carries the result alone, and all of it
disappears at the end, when the result takes its place. Where the output is not a terminal there
are no bars: a bar's progress is written as one line a minute. Of work that runs unwatched, as under
a service manager, also each stage's begin and the end are written, because there silence looks like
work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from spillway.ui.formatting import age
from spillway.ui.terminal import terminal

_BAR_WIDTH = 40
_LINE_SECONDS = 60


@dataclass(slots=True)
class Bar:
    """How much is done, of how much, and a note beside it.

    Without a total it is a spinner with the count.
    """

    _progress: Progress
    _task: TaskID
    _clock: Callable[[], float] = time.monotonic
    _unwatched: bool = False
    _written_at: float = field(default=0.0, init=False)
    _written: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._written_at = self._clock()
        if self._unwatched:
            self._write(self._state.description)

    def start(self, title: str, total: int | None = None) -> None:
        """Begin again with another title."""
        self._progress.reset(self._task, description=title, total=total, note="")
        self._written_at = self._clock()

    def advance(self, count: int = 1) -> None:
        self._progress.advance(self._task, count)
        self._write_line()

    def reach(self, done: int, total: int | None = None) -> None:
        """So much is done in all, perhaps of a total that has become known."""
        self._progress.update(self._task, completed=done, total=total)
        self._write_line()

    def title(self, text: str) -> None:
        """The same count under another title."""
        changed = text != self._state.description
        self._progress.update(self._task, description=text)
        if changed and self._unwatched:
            self._write(text)

    def note(self, text: str) -> None:
        self._progress.update(self._task, note=text)
        self._write_line()

    @property
    def speed(self) -> float:
        """Counts per second over the last 30 seconds; 0 where it is not known yet."""
        return self._state.speed or 0.0

    @property
    def _state(self) -> Task:
        return next(task for task in self._progress.tasks if task.id == self._task)

    def finish(self) -> None:
        """The last line, unless it says what the one before it said."""
        if self._unwatched and self._line() != self._written:
            self._write(self._line())

    def _write_line(self) -> None:
        if self._clock() - self._written_at >= _LINE_SECONDS:
            self._write(self._line())

    def _line(self) -> str:
        task = self._state
        parts = (task.description, _count(task), task.fields["note"])
        return ", ".join(part for part in parts if part)

    def _write(self, line: str) -> None:
        if self._progress.disable:
            self._written, self._written_at = line, self._clock()
            self._progress.console.print(line, markup=False, soft_wrap=True)


@contextmanager
def bar(
    title: str,
    total: int | None = None,
    console: Console | None = None,
    *,
    unwatched: bool = False,
) -> Iterator[Bar]:
    """A bar on standard error, or on another console. `unwatched`: off a terminal each title and
    the end have a line too."""
    console = console or terminal(stderr=True)
    columns = (
        _Drawn(_bar_or_spinner()),
        TextColumn("{task.description}"),
        _Drawn(lambda task: Text(_count(task), "green")),
        _Drawn(lambda task: Text(_time(task), "cyan")),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        shown = Bar(progress, progress.add_task(title, total=total, note=""), _unwatched=unwatched)
        try:
            yield shown
        finally:
            shown.finish()


@dataclass(slots=True)
class Stages:
    """A title, the stage that is under way with its time, and one bar for each kind of count."""

    _lines: Progress
    _title: TaskID
    _stage: TaskID
    _counts: Progress
    _bars: dict[str, TaskID]

    def title(self, text: str) -> None:
        """Begin something that has stages of its own."""
        self._lines.reset(self._title, description=f"[bold]{text}", visible=True)

    def stage(self, text: str) -> None:
        self._lines.reset(self._stage, description=text)

    def restart(self, total: int | None) -> None:
        for task in self._bars.values():
            self._counts.reset(task, total=total, visible=True)

    def advance(self, name: str) -> None:
        """One more of what the bar of this name counts."""
        self._counts.advance(self._bars[name])


@contextmanager
def stages(names: Sequence[str], console: Console | None = None) -> Iterator[Stages]:
    """A stage line, with one bar below it for each name."""
    console = console or terminal(stderr=True)
    lines = Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    width = max(map(len, names), default=0)
    counts = Progress(
        TextColumn(f"  {{task.description:>{width}}}"),
        BarColumn(_BAR_WIDTH),
        _Drawn(lambda task: Text(_count(task), "green")),
    )
    with Live(Group(lines, counts), console=console, transient=True):
        yield Stages(
            lines,
            lines.add_task("", total=None, visible=False),
            lines.add_task("", total=None),
            counts,
            {name: counts.add_task(name, total=None) for name in names},
        )


class _Drawn(ProgressColumn):
    def __init__(self, draw: Callable[[Task], RenderableType]) -> None:
        super().__init__()
        self._draw = draw

    def render(self, task: Task) -> RenderableType:
        return self._draw(task)


def _bar_or_spinner() -> Callable[[Task], RenderableType]:
    filling, spinner = BarColumn(_BAR_WIDTH), SpinnerColumn()
    return lambda task: (spinner if task.total is None else filling).render(task)


def _count(task: Task) -> str:
    done = f"{task.completed:,.0f}"
    if task.total is not None:
        return f"{done} of {task.total:,.0f}"
    return done if task.completed else ""


def _time(task: Task) -> str:
    left = task.time_remaining
    return f"{age(left)} left" if left else age(task.elapsed or 0)
