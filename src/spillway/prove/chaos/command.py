"""`spillway chaos`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.ui.options import (
    JsonFileOption,
    PngOption,
    check_writable,
    console_beside,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from spillway.prove.chaos.scenario import Scenario, Trial
    from spillway.ui.progress import Stages

_ALL = "all"
#: As many as a control needs for its violation.
CONTROL_ORDERS = 24


def chaos(
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Which scenario, or all; can be given more than once."),
    ] = None,
    orders: Annotated[
        int, typer.Option(min=10, max=10_000, metavar="N", help="How many orders each has.")
    ] = 100,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other orders.")] = 1,
    controls: Annotated[
        bool,
        typer.Option(help="Also deploy a broken service, and demand that the audit notices."),
    ] = True,
    json_path: JsonFileOption = None,
    png_path: PngOption = None,
) -> None:
    """Break things while customers order, and prove that every promise holds all the same.

    Each scenario gets a private stack. Scenarios: inventory-outage, accounting-outage,
    lost-answers, latency, duplicates, table-throttled, workers-killed, relay-failing, poison,
    spike. table-throttled has a control: it runs again on a service that answers orders without
    storing them, and the audit must find them missing. Exits with 0 only if every promise held and
    the control found its violation.

    Example: spillway chaos --scenario table-throttled --orders 300 --png chaos.png
    """
    from spillway.ui.progress import stages

    chosen = _chosen(scenario or [_ALL])
    check_writable(json_path, png_path)
    console = console_beside(json_path)
    trials: list[Trial] = []
    try:
        with stages(("placed", "settled"), console) as watcher:
            for one in chosen:
                trials.append(_tried(one, orders, seed, controls, watcher, console))  # noqa: PERF401
    finally:
        # A run of all takes a quarter of an hour: what it found before it broke off is kept.
        _report(trials, console, json_path, png_path)
    if not all(trial.proven for trial in trials):
        raise typer.Exit(1)


def _report(
    trials: Sequence[Trial], console: Console, json_path: Path | None, png_path: Path | None
) -> None:
    from spillway.prove.chaos.report import document, show_all

    if not trials:
        return
    show_all(trials, console)
    if json_path is not None:
        write_json(json_path, document(trials))
    if png_path is not None:
        from spillway.prove.chaos.timeline import draw

        draw(trials, png_path)
        console.print(f"The picture is in {png_path}.")


def _chosen(names: Sequence[str]) -> list[Scenario]:
    """In the order of the catalogue, each once.

    Raises `SpillwayError` when there is no such scenario.
    """
    from spillway.errors import SpillwayError
    from spillway.prove.chaos.scenarios import BY_NAME, SCENARIOS

    unknown = [name for name in names if name != _ALL and name not in BY_NAME]
    if unknown:
        known = ", ".join([*BY_NAME, _ALL])
        raise SpillwayError(f"There is no scenario {unknown[0]!r}: choose one of {known}.")
    return [scenario for scenario in SCENARIOS if _ALL in names or scenario.name in names]


def _tried(
    scenario: Scenario, orders: int, seed: int, controls: bool, watcher: Stages, console: Console
) -> Trial:
    from spillway.prove.chaos.report import show
    from spillway.prove.chaos.trial import planned_for, try_control, try_out
    from spillway.run.stack import running

    planned = planned_for(scenario, orders=orders, seed=seed)
    watcher.title(scenario.name)
    watcher.restart(len(planned.drafts))
    with running(on_phase=lambda phase: watcher.stage(phase.title)) as stack:
        trial = try_out(stack, scenario, planned, watcher)
        show(trial, console)
        if controls and scenario.control is not None:
            planned = planned_for(scenario, orders=min(orders, CONTROL_ORDERS), seed=seed)
            watcher.title(f"{scenario.name}, control")
            watcher.restart(len(planned.drafts))
            trial.control = try_control(stack, scenario, scenario.control, planned, watcher)
    return trial
