"""`spillway cost`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.plan.options import PricesOption, StageOption
from spillway.ui.options import JsonOption, PngOption, check_writable, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.plan.cost.real import ChannelCost


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
    as_json: JsonOption = False,
    html: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the report as a page with a chart.")
    ] = None,
    png: PngOption = None,
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

    Operations are counted in real runs of the service and multiplied by prices from the price list,
    so every figure can be traced. An asterisk marks a price that no source confirms.

    Example: spillway cost --orders-per-month 5000000 --html cost.html
    """
    from spillway.plan.cost.findings import Findings
    from spillway.plan.cost.model import cost_model
    from spillway.plan.cost.report import document, show
    from spillway.plan.profile import read_profile
    from spillway.ui.terminal import terminal

    check_writable(html, png)
    console = terminal(stderr=as_json)
    if measure:
        _measure(console)
    if check:
        _check(console, prices, stage)
        return
    arrivals = None if profile is None else read_profile(profile)
    model = cost_model(prices, stage)
    real: list[ChannelCost] = []
    if sales is not None:
        from spillway.plan.cost.real import costs_of_file

        with console.status(f"Placing the sales of {sales.name} in the simulation"):
            real = costs_of_file(model, sales)
    found = Findings(model, orders_per_month, arrivals)
    if as_json:
        print_json(document(found, real))
    else:
        show(found, real, console)
    if html is not None:
        from spillway.plan.cost.page import page

        html.write_text(page(found, real), encoding="utf-8")
        console.print(f"The page is in {html}.")
    if png is not None:
        from spillway.plan.cost.chart import draw

        draw(found, png)
        console.print(f"The picture is in {png}.")


def _measure(console: Console) -> None:
    from msgspec.structs import replace

    from spillway.plan.cost.measurement import LOADS
    from spillway.plan.cost.running import REPEATS, measure
    from spillway.plan.cost.simulated import counted
    from spillway.run.stack import running
    from spillway.run.stack.starting import progress_lines

    with progress_lines() as show_phase, running(on_phase=show_phase) as stack:
        for load in LOADS:
            with console.status(load) as status:
                runs = [measure(stack, load, status.update) for _ in range(REPEATS)]
            # All counted the same, and other work on the machine only adds processor time.
            best = min(runs, key=lambda run: run.cpu_seconds)
            replace(best, downstream_bytes=counted(load).downstream_bytes).save()


def _check(console: Console, prices: Path | None, stage: str) -> None:
    """Exit 1, naming the culprits, when an order costs more than its budget."""
    from spillway.plan.cost.budget import budget, check

    excesses = check(prices, stage, budget())
    for excess in excesses:
        console.print(str(excess), style="red")
    if excesses:
        console.print("Fix it, or raise src/spillway/plan/cost/budget.toml and say why.")
        raise typer.Exit(1)
