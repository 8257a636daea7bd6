"""`spillway capacity`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spillway.plan.options import PricesOption, StageOption
from spillway.ui.options import JsonOption, PngOption, check_writable, print_json

_COUPON = "coupon"


def capacity(
    profile: Annotated[
        str,
        typer.Option(
            metavar="coupon|FILE.csv",
            help="A coupon's spike, or a file with the columns second,orders_per_second.",
        ),
    ] = _COUPON,
    peak: Annotated[
        float, typer.Option(min=0.1, max=1e6, metavar="N", help="The coupon's orders a second.")
    ] = 10_000,
    minutes: Annotated[
        float, typer.Option(min=0.2, max=1_440, metavar="N", help="How long the coupon lasts.")
    ] = 10,
    limited: Annotated[
        bool,
        typer.Option("--limited-coupon", help="Each order has a coupon of the first so many."),
    ] = False,
    prices: PricesOption = None,
    stage: StageOption = "dev",
    as_json: JsonOption = False,
    png: PngOption = None,
) -> None:
    """Simulate a spike against AWS's limits: where orders wait, what to raise, for what price.

    Shows how many orders are accepted at once, buffered, or refused and sent again, how long they
    take to settle, the bottlenecks, and what to raise, one step after the other. Exits with 1 when
    an order is lost.

    Example: spillway capacity --peak 10000 --minutes 10 --png spike.png

    Example: spillway capacity --peak 10000 --limited-coupon
    """
    from spillway.plan.capacity.planning import plan
    from spillway.plan.capacity.report import document, show
    from spillway.plan.profile import coupon, read_profile
    from spillway.ui.terminal import terminal

    check_writable(png)
    console = terminal(stderr=as_json)
    arrivals = (
        coupon(peak, seconds=minutes * 60) if profile == _COUPON else read_profile(Path(profile))
    )
    with console.status("Simulating"):
        planned = plan(arrivals, prices, stage, limited=limited)
    if as_json:
        print_json(document(planned))
    else:
        show(planned, console)
    if png is not None:
        from spillway.plan.capacity.chart import draw

        draw(planned, png)
        console.print(f"The picture is in {png}.")
    if planned.outcome.lost:
        raise typer.Exit(1)
