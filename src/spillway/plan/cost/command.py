"""`spillway cost`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.plan.options import PricesOption, StageOption
from spillway.ui.options import check_writable

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.plan.cost.real import Line
    from spillway.plan.cost.reckoning import Reckoning


def cost(
    orders_per_month: Annotated[
        int, typer.Option(min=1, max=10**12, metavar="N", help="For a month with so many orders.")
    ] = 1_000_000,
    profile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="How orders come, as second,orders_per_second; without it, in a crowd.",
        ),
    ] = None,
    sales: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE.csv[.gz]",
            help="Price the sales of this file too (columns of the UCI data set Online Retail).",
        ),
    ] = None,
    prices: PricesOption = None,
    stage: StageOption = "dev",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as one JSON object.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the report as a page with charts.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Draw the charts as a PNG.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option(help="Count an order anew and fail when it costs more than its budget."),
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(help="First count anew, on a private stack on this machine: some minutes."),
    ] = False,
) -> None:
    """What orders cost on AWS, item by item, and what they would cost on other designs.

    Operations are counted from real runs of the service and multiplied by the price book's prices,
    so that every figure can be traced. What nobody has confirmed is marked with an asterisk.

    Example: spillway cost --orders-per-month 5000000 --html cost.html
    """
    import json

    from rich.console import Console

    from spillway.plan.cost.findings import find
    from spillway.plan.cost.reckoning import reckoning
    from spillway.plan.cost.report import document, show
    from spillway.plan.profile import read_profile

    check_writable(html, png)
    console = Console(stderr=as_json, highlight=False)
    if measure:
        _measure(console)
    if check:
        _check(console, prices, stage)
        return
    arrivals = None if profile is None else read_profile(profile)
    ours = reckoning(prices, stage)
    lines = [] if sales is None else _real_lines(ours, sales, console)
    found = find(ours, orders_per_month, arrivals)
    if as_json:
        typer.echo(json.dumps(document(found, lines), indent=2))
    else:
        show(found, lines, console)
    if html is not None:
        from spillway.plan.cost.page import write

        write(found, html)
        console.print(f"The page is in {html}.")
    if png is not None:
        from spillway.plan.cost.chart import draw

        draw(found, png)
        console.print(f"The picture is in {png}.")


def _real_lines(ours: Reckoning, sales: Path, console: Console) -> list[Line]:
    from spillway.plan.cost.real import lines, of_file

    with console.status(f"Placing the sales of {sales.name} in the model"):
        return lines(ours, of_file(sales))


def _measure(console: Console) -> None:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from spillway.plan.cost.measurement import LOADS
    from spillway.plan.cost.running import REPEATS, least_disturbed, measure
    from spillway.run.stack import running
    from spillway.run.stack.starting import progress_lines

    with progress_lines() as show_phase, running(on_phase=show_phase) as stack:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
            for load in LOADS:
                task = bar.add_task(load, total=None)

                def on_stage(stage: str, done: int, of: int, task: object = task) -> None:
                    bar.update(
                        task,  # type: ignore[arg-type]
                        description=stage,
                        completed=done,
                        total=of or None,
                    )

                runs = [measure(stack, load, on_stage) for _ in range(REPEATS)]
                least_disturbed(runs).save()
                bar.remove_task(task)


def _check(console: Console, prices: Path | None, stage: str) -> None:
    """Exit 1, naming the culprits, when an order costs more than its budget."""
    from spillway.plan.cost.budget import budget, check

    excesses = check(prices, stage, budget())
    for excess in excesses:
        console.print(str(excess), style="red")
    if excesses:
        console.print("Mend it, or raise src/spillway/plan/cost/budget.toml and say why.")
        raise typer.Exit(1)
