"""The progress of a start on the terminal: one line a phase, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from spillway.run.stack.starting import Phase


@contextmanager
def progress_lines() -> Iterator[Callable[[Phase], None]]:
    """Yields what shows a phase: what goes on now, and a line with its time once it is done."""
    console = Console(stderr=True, highlight=False)
    with console.status("Starting") as status:

        def show(phase: Phase) -> None:
            if phase.seconds is None:
                status.update(phase.title)
            else:
                console.print(f"[green]✓[/] {phase.title:<36}{phase.seconds:5.1f} s")

        yield show
