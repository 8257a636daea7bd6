"""`spillway simulate`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import INTERRUPTED, UsageError
from spillway.ui.options import JsonOption, print_json

if TYPE_CHECKING:
    from rich.console import Console


def simulate(
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many schedules to run.")
    ] = 2_000,
    seed_from: Annotated[int, typer.Option(min=0, metavar="S", help="The first one's seed.")] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="J", help="How many processes; as many as cores if left out."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="S", help="Run this one schedule only.")
    ] = None,
    trace: Annotated[
        bool,
        typer.Option("--trace", help="Show the trace of that schedule, a broken one shrunk."),
    ] = False,
    bug: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Run that schedule with this mutant of the service."),
    ] = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls", help="Also run every mutant of the service: each must break a promise."
        ),
    ] = False,
    exhaustive: Annotated[
        bool,
        typer.Option(
            "--exhaustive", help="Also every kind of fault at every place, and pairs of crashes."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove the promises under fault schedules, each decided by its seed.

    The deployed handlers run in a world in memory: DynamoDB, SQS, SNS, Lambda and the three
    downstreams, where anything can crash, be lost, late, doubled or out at any moment. A crash is
    also tried at every place of one order with each expected outcome. A broken schedule is shrunk,
    and its trace shown with the options that run it again. Exits with 0 only if every promise held
    in every schedule and, with --controls, every mutant was killed. With --json the report for
    people goes to stderr.

    Example: spillway simulate --seeds 10000 --controls

    Example: spillway simulate --seed 4711 --trace

    Example: spillway simulate --seeds 10000 --json > simulation.json
    """
    from spillway.ui.terminal import terminal

    console = terminal(stderr=as_json)
    if seed is None and (trace or bug is not None):
        raise UsageError("--trace and --bug are for one schedule: name it with --seed.")
    if seed is not None and as_json:
        raise UsageError("--json counts schedules, and --seed shows one: leave one out.")
    if seed is not None:
        broken = _one(seed, bug, trace, console)
    else:
        from spillway.prove.simulate.report import document, show
        from spillway.prove.simulate.running import run_all

        all_seeds = range(seed_from, seed_from + seeds)
        run = run_all(
            all_seeds,
            jobs or os.cpu_count() or 1,
            console,
            controls=controls,
            everything=exhaustive,
        )
        show(run, all_seeds, console)
        broken = not run.held
        if as_json:
            print_json(document(run))
        if run.interrupted:
            raise typer.Exit(INTERRUPTED)
    if broken:
        raise typer.Exit(1)


def _one(seed: int, mutant: str | None, trace: bool, console: Console) -> bool:
    """Whether the schedule broke a promise."""
    if mutant is None:
        from spillway.prove.simulate.rendering import show_seed

        return show_seed(seed, trace, None, console)
    from spillway.prove.mutants.catalogue import BY_NAME
    from spillway.prove.simulate.kill import show_with_mutant

    if mutant not in BY_NAME:
        raise UsageError(f"There is no mutant {mutant!r}: choose one of {', '.join(BY_NAME)}.")
    return show_with_mutant(mutant, seed, trace)
