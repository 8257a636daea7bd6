"""`spillway chaos`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from spillway.run.stack.fakes import DownstreamsOption, Fakes
from spillway.ui.options import (
    JsonFileOption,
    PngOption,
    check_writable,
    console_beside,
    write_json,
)


def chaos(
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Which scenario, or all; can be given more than once."),
    ] = None,
    orders: Annotated[
        int, typer.Option(min=10, max=10_000, metavar="N", help="How many orders each has.")
    ] = 100,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other orders.")] = 1,
    downstreams: DownstreamsOption = Fakes.CONTRACTS,
    controls: Annotated[
        bool,
        typer.Option(help="Also deploy a broken service, and demand that the audit notices."),
    ] = True,
    json_path: JsonFileOption = None,
    png_path: PngOption = None,
) -> None:
    """Break things while customers order, and prove that every promise holds all the same.

    Each scenario gets a private stack. Scenarios: inventory-outage, accounting-outage,
    accounting-slow, wrong-key, lost-answers, latency, duplicates, table-throttled, workers-killed,
    express-interrupted, relay-failing, poison, spike, and with the example downstreams
    lost-outcomes. Three have a control, the same on a service that lacks a guard: wrong-key on one
    that dead-letters what is answered 401, table-throttled on one that answers orders without
    storing them, and express-interrupted on one that undoes a cancelled order whose shipment it
    does not know. The audit must notice. Exits with 0 only if every promise held and the controls
    found their violations.

    Example: spillway chaos --scenario table-throttled --orders 300 --png chaos.png
    """
    from spillway.prove.chaos.report import document, show, show_all
    from spillway.prove.chaos.scenarios import chosen
    from spillway.prove.chaos.timeline import draw
    from spillway.prove.chaos.trial import try_on_private_stack
    from spillway.ui.progress import stages

    wanted = chosen(scenario or ["all"], downstreams)
    check_writable(json_path, png_path)
    console = console_beside(json_path)
    trials = []
    try:
        with stages(("placed", "settled"), console) as watcher:
            for one in wanted:
                trials.append(
                    try_on_private_stack(one, orders, seed, controls, downstreams, watcher)
                )
                show(trials[-1], console)
    finally:
        # A run of all takes a quarter of an hour: what it found before it broke off is kept.
        if trials:
            show_all(trials, console)
            if json_path is not None:
                write_json(json_path, document(trials))
            if png_path is not None:
                draw(trials, png_path)
                console.print(f"The picture is in {png_path}.")
    if not all(trial.proven for trial in trials):
        raise typer.Exit(1)
