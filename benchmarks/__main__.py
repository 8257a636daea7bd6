"""`make bench`: measure, print tables, write JSON."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import bundled, cold_start, page, results, scaling, warm
from benchmarks.results import Results
from benchmarks.tables import Rows, tables

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=3, help="How often each process is started.")] = 11,
    counted: Annotated[
        bool,
        typer.Option(
            "--instructions",
            help="Count instructions instead: needs valgrind and some minutes, no quiet machine.",
        ),
    ] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write the result as JSON.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Keep the result, and renew docs/performance.md.")
    ] = False,
) -> None:
    """Measure what the functions cost in time and memory, as ratios within one run.

    Exits with 1 when a figure misses its bound.

    Example: make bench ARGS="--rounds 21 --json bench.json"
    """
    console = Console()
    if counted and shutil.which("valgrind") is None:
        console.print("Instructions are counted by valgrind: install it, as with apt.")
        raise typer.Exit(2)
    found = _counted(console) if counted else _measured(rounds, console)
    for title, rows in tables(found):
        console.print(_table(title, rows))
    if json_path is not None:
        results.write(found, json_path)
    if record:
        results.record(found)
        page.write()
    if not found.met:
        raise typer.Exit(1)


def _counted(console: Console) -> Results:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Instructions", total=warm.countings())
        return Results(counted=warm.counted(lambda: progress.advance(task)))


def _measured(rounds: int, console: Console) -> Results:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Cold starts", total=rounds * cold_start.processes())
        cold_starts = cold_start.measure(rounds, lambda: progress.advance(task))
        task = progress.add_task("Warm orders", total=len(warm.STEPS) * len(warm.LINES))
        warms = warm.measure(lambda: progress.advance(task))
        task = progress.add_task("Growth with an order's lines", total=len(warm.STEPS))
        growth = [warm.growth(step) for step in progress.track(warm.STEPS, task_id=task)]
        task = progress.add_task("Growth with all the rest", total=scaling.points())
        scalings = scaling.measure(lambda: progress.advance(task))
    return Results(
        cold_starts=cold_starts,
        warm=warms,
        growth=growth,
        largest={step: warm.largest_batch(step) for step in warm.STEPS},
        scaling=scalings,
        bundle=bundled.measure(),
    )


def _table(title: str, rows: Rows) -> Table:
    """The first row is the head, the first column text."""
    head, *body = rows
    table = Table(title=title, title_justify="left")
    table.add_column(head[0])
    for heading in head[1:]:
        table.add_column(heading, justify="right")
    for row in body:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    app()
