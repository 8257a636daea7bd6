"""A bar while schedules run; where nobody watches, a line a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

#: Between two lines in a log.
_LINE_SECONDS = 60


@contextmanager
def bar(
    console: Console, title: str, total: int | None
) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """One bar: how far it is, and a note beside it."""
    if not console.is_terminal:
        yield _lines(console, title, total)
        return
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


def _lines(
    console: Console, title: str, total: int | None
) -> tuple[Callable[[int], None], Callable[[str], None]]:
    reached = 0
    said_at = time.monotonic()

    def advance(done: int) -> None:
        nonlocal reached
        reached = done

    def note(text: str) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= _LINE_SECONDS:
            said_at = time.monotonic()
            of = "" if total is None else f" of {total:,}"
            console.print(f"{title}: {reached:,}{of}, {text}")

    return advance, note
