"""`spillway demo`: its options. Everything heavy is imported when it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spillway.ui.options import STDOUT, check_writable, write_json


def demo(
    orders: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="N", help="How many orders to place.")
    ] = 200,
    clients: Annotated[
        int,
        typer.Option(
            min=1, max=256, metavar="N", help="How many customers order at the same time."
        ),
    ] = 8,
    file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE.csv[.gz]",
            help="Place the sales of this file (columns of the UCI data set Online Retail)"
            " instead of generated orders.",
        ),
    ] = None,
    cancellations: Annotated[
        bool | None,
        typer.Option(
            help="Cancel some orders: of generated ones a few (the default), of a file's those that"
            " it takes back (only when asked for).",
            show_default=False,
        ),
    ] = None,
    copies: Annotated[
        int, typer.Option(min=1, max=20, metavar="N", help="Send each order so many times at once.")
    ] = 1,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other orders.")] = 1,
    outage: Annotated[
        bool | None,
        typer.Option(
            help="Place the last orders while accounting is out (the default on a private stack).",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            metavar="P",
            help="Use the stack that `spillway up` runs at this port instead of a private one.",
        ),
    ] = None,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write the result as JSON; - for stdout."),
    ] = None,
    png_path: Annotated[
        Path | None, typer.Option("--png", metavar="OUT", help="Draw the run as a PNG.")
    ] = None,
) -> None:
    """Place believable orders, wait until all have settled, and prove every promise.

    Starts a private stack, has concurrent customers order and cancel through the HTTP API, lets
    downstreams refuse a few orders and one of them fail for a while, then audits the orders table
    against the downstreams' own tables. Exits with 0 only if every promise held.

    Example: spillway demo --orders 500 --copies 3 --png demo.png
    """
    from rich.console import Console

    from spillway.prove.demo.plan import Options, plan
    from spillway.prove.demo.report import document, show

    check_writable(json_path, png_path)
    # With JSON on stdout, everything for people goes to stderr.
    console = Console(stderr=json_path == STDOUT)
    planned = plan(
        Options(
            orders=orders,
            clients=clients,
            file=file,
            cancellations=cancellations,
            copies=copies,
            seed=seed,
            outage=port is None if outage is None else outage,
        )
    )
    finished = _run(planned, port, console)
    show(finished, console)
    if json_path is not None:
        write_json(json_path, document(finished))
    if png_path is not None:
        from spillway.prove.demo.chart import draw

        draw(finished, png_path)
        console.print(f"The picture is in {png_path}.")
    if not finished.proven:
        raise typer.Exit(1)


def _run(planned: Any, port: int | None, console: Any) -> Any:
    from contextlib import ExitStack

    from spillway.prove.demo.run import run
    from spillway.prove.demo.terminal import bars
    from spillway.run.stack import attach, running
    from spillway.run.stack.starting import progress_lines

    if port is not None:
        with bars(console, len(planned.drafts)) as watcher:
            return run(attach(port), planned, watcher, private=False)
    with ExitStack() as until_the_end:
        with progress_lines() as show_phase:
            stack = until_the_end.enter_context(running(on_phase=show_phase))
        watcher = until_the_end.enter_context(bars(console, len(planned.drafts)))
        return run(stack, planned, watcher, private=True)
