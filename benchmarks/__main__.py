"""`make bench`: measure, print tables, write JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import cold_start, warm
from benchmarks.cold_start import ColdStart
from benchmarks.warm import Growth, Warm

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=3, help="How often each process is started.")] = 11,
    counted: Annotated[
        bool,
        typer.Option(
            "--instructions", help="Count instructions too (needs valgrind, takes 5 min)."
        ),
    ] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="OUT", help="Write the result as JSON.")
    ] = None,
) -> None:
    """Measure what the functions cost in time, as ratios within one run.

    Exits with 1 when a figure misses its bound.

    Example: make bench ARGS="--rounds 21 --json bench.json"
    """
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Cold starts", total=rounds * cold_start.processes())
        colds = cold_start.measure(rounds, lambda: progress.advance(task))
        task = progress.add_task("Warm orders", total=len(warm.STEPS) * len(warm.LINES))
        warms = warm.measure(counted, lambda: progress.advance(task))
        task = progress.add_task("Growth", total=len(warm.STEPS))
        growths = [warm.growth(step) for step in progress.track(warm.STEPS, task_id=task)]
    console.print(_cold_table(colds))
    console.print(_warm_table(warms, growths))
    if json_path is not None:
        document = {
            "cold_start": [asdict(cold) for cold in colds],
            "warm": [asdict(one) for one in warms],
            "growth": [asdict(growth) for growth in growths],
        }
        json_path.write_text(json.dumps(document, indent=2))
    if not all([*(cold.met for cold in colds), *(growth.met for growth in growths)]):
        raise typer.Exit(1)


def _cold_table(colds: Sequence[ColdStart]) -> Table:
    table = Table(title=f"Cold start: CPU time, against {cold_start.FLOOR}", title_justify="left")
    table.add_column("process")
    for heading in ("ms", "ratio", "by the clock", "at most"):
        table.add_column(heading, justify="right")
    for cold in colds:
        table.add_row(
            cold.name,
            f"{cold.cpu * 1000:.0f}",
            f"{cold.ratio:.2f}" if cold.met else f"[red]{cold.ratio:.2f}[/]",
            f"{cold.wall_ratio:.2f}",
            "" if cold.bound is None else f"{cold.bound:.1f}",
        )
    return table


def _warm_table(warms: Sequence[Warm], growths: Sequence[Growth]) -> Table:
    """One row for each step: an order of each size, then how a line's cost grows."""
    table = Table(title="One warm order, our code alone", title_justify="left")
    table.add_column("step")
    for lines in warm.LINES:
        table.add_column(f"{lines:,} lines, µs", justify="right")
        table.add_column("instructions", justify="right")
    few, many = warm.GROWTH_LINES
    table.add_column(f"a line of {many:,}, of {few:,}", justify="right")
    table.add_column("at most", justify="right")
    for growth in growths:
        cells = [growth.step]
        for one in warms:
            if one.step == growth.step:
                count = one.instructions
                cells += [f"{one.microseconds:,.0f}", "" if count is None else f"{count:,}"]
        table.add_row(*cells, f"{growth.ratio:.2f}", f"{warm.GROWTH_MAX}")
    return table


if __name__ == "__main__":
    app()
