"""A bar while schedules run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def bar(
    console: Console, title: str, total: int | None
) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """One bar: how far it is, and a note beside it."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(title, total=total, note="")

        def advance(done: int) -> None:
            progress.update(task, completed=done)

        def note(text: str) -> None:
            progress.update(task, note=text)

        yield advance, note
