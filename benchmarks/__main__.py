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

from benchmarks import cold_start
from benchmarks.cold_start import ColdStart

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=3, help="How often each process is started.")] = 11,
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
    console.print(_cold_table(colds))
    if json_path is not None:
        json_path.write_text(json.dumps({"cold_start": [asdict(cold) for cold in colds]}, indent=2))
    if not all(cold.met for cold in colds):
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


if __name__ == "__main__":
    app()
