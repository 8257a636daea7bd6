"""`spillway demo`: its options. Everything heavy is imported when it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spillway.errors import UsageError
from spillway.run.stack.fakes import DownstreamsOption, Fakes
from spillway.ui.options import (
    JsonFileOption,
    PngOption,
    check_writable,
    console_beside,
    write_json,
)


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
            help="Cancel some orders: by default a few of the generated ones; of a file's orders,"
            " only with this option, those that the file cancels.",
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
    downstreams: DownstreamsOption = Fakes.CONTRACTS,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            metavar="P",
            help="Use the stack that `spillway up` runs at this port instead of a private one.",
        ),
    ] = None,
    json_path: JsonFileOption = None,
    png_path: PngOption = None,
) -> None:
    """Place realistic orders, wait until all have settled, and prove every promise.

    Starts a private stack. Concurrent customers order and cancel through the HTTP API; downstreams
    refuse a few orders, and one of them fails for a while. Then an audit compares the orders table
    with the downstreams' own tables. Exits with 0 only if every promise held.

    Example: spillway demo --orders 500 --copies 3 --png demo.png
    """
    from spillway.prove.demo.plan import plan
    from spillway.prove.demo.report import document, show

    check_writable(json_path, png_path)
    console = console_beside(json_path)
    planned = plan(
        orders=orders,
        clients=clients,
        file=file,
        cancellations=cancellations,
        copies=copies,
        seed=seed,
        outage=port is None if outage is None else outage,
    )
    finished = _run(planned, port, downstreams, console)
    show(finished, console)
    if json_path is not None:
        write_json(json_path, document(finished))
    if png_path is not None:
        from spillway.prove.demo.chart import draw

        draw(finished, png_path)
        console.print(f"The picture is in {png_path}.")
    if not finished.proven:
        raise typer.Exit(1)


def _run(planned: Any, port: int | None, fakes: Fakes, console: Any) -> Any:
    from contextlib import ExitStack

    from spillway.prove.demo.run import run
    from spillway.run.stack import attach, running
    from spillway.run.stack.starting import progress_lines
    from spillway.ui.progress import stages

    with ExitStack() as until_the_end:
        if port is None:
            with progress_lines() as show_phase:
                stack = until_the_end.enter_context(running(fakes=fakes, on_phase=show_phase))
        else:
            stack = attach(port)
            if fakes is not Fakes.CONTRACTS and stack.fakes is not fakes:
                raise UsageError(
                    f"The stack on port {port} has other downstreams: start it with"
                    f" `spillway up --port {port} --downstreams {fakes}`."
                )
        watcher = until_the_end.enter_context(stages(("placed", "settled"), console))
        return run(stack, planned, watcher, private=port is None)
