"""`spillway simulate`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.prove.simulate.exhaustive import Tried
    from spillway.prove.simulate.running import Run
    from spillway.prove.simulate.tally import Tally

#: So many broken seeds are shrunk and told of; the others are named.
SHRUNK_MAX = 3


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
        typer.Option("--trace", help="Tell the story of that schedule, a broken one shrunk."),
    ] = False,
    bug: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Run that schedule with this mutant of the service."),
    ] = None,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls", help="Also try every mutant of the service. Each must break a promise."
        ),
    ] = False,
    exhaustive: Annotated[
        bool,
        typer.Option(
            "--exhaustive", help="Also every kind of fault at every place, and pairs of crashes."
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the result as one JSON object, and the report to stderr."
        ),
    ] = False,
) -> None:
    """Prove the promises under fault schedules, each decided by its seed.

    The deployed handlers run in a world in memory: DynamoDB, SQS, SNS, Lambda and the three
    downstreams, where anything can crash, be lost, late, doubled or out at any moment. Every crash
    point of one order of each fate is tried as well. A broken schedule is shrunk, and told with
    the options that run it again. Exits with 0 only if every promise held in every schedule, and,
    with --controls, every mutant was killed.

    Example: spillway simulate --seeds 10000 --controls

    Example: spillway simulate --seed 4711 --trace

    Example: spillway simulate --seeds 10000 --json > simulation.json
    """
    from rich.console import Console

    from spillway.errors import SpillwayError

    console = Console(stderr=as_json)
    if seed is None and (trace or bug is not None):
        raise SpillwayError("--trace and --bug tell of one schedule: say which with --seed.")
    if seed is not None and as_json:
        raise SpillwayError("--json counts schedules, and --seed tells of one: leave one out.")
    if seed is not None:
        broken = _one(seed, bug, trace, console)
    else:
        run = _many(
            range(seed_from, seed_from + seeds),
            jobs or os.cpu_count() or 1,
            controls,
            exhaustive,
            console,
        )
        broken = not run.held
        if as_json:
            from spillway.prove.simulate.report import document

            typer.echo(json.dumps(document(run), indent=2))
    if broken:
        raise typer.Exit(1)


def _one(seed: int, bug: str | None, trace: bool, console: Console) -> bool:
    """Whether the schedule broke a promise."""
    if bug is None:
        from spillway.prove.simulate.rendering import show_seed

        return show_seed(seed, trace, None, console)
    from spillway.errors import SpillwayError
    from spillway.prove.mutants.catalogue import BY_NAME
    from spillway.prove.simulate.kill import show_with_mutant

    if bug not in BY_NAME:
        raise SpillwayError(f"There is no mutant {bug!r}: choose one of {', '.join(BY_NAME)}.")
    return show_with_mutant(bug, seed, trace)


def _many(seeds: range, jobs: int, controls: bool, exhaustive: bool, console: Console) -> Run:
    from spillway.prove.simulate.report import show
    from spillway.prove.simulate.running import Run, simulate
    from spillway.prove.simulate.terminal import bar

    run = Run()
    with bar(console, "Schedules", len(seeds)) as (advance, note):

        def done(tally: Tally) -> None:
            advance(tally.seeds)
            note(f"{run.per_second:,.0f}/s, {run.tally.broken_seeds} broken")

        try:
            simulate(seeds, jobs, done, run)
        except KeyboardInterrupt:
            run.interrupted = True
    if not run.interrupted:
        _exhaust(run, exhaustive, console)
        if controls:
            _try_mutants(run, seeds.start, jobs, console)
    show(run, seeds, console)
    if run.tally.broken:
        from spillway.prove.simulate.rendering import show_seed

        for seed in sorted(run.tally.broken)[:SHRUNK_MAX]:
            show_seed(seed, True, None, console)
    return run


def _exhaust(run: Run, everything: bool, console: Console) -> None:
    from spillway.prove.simulate import exhaustive
    from spillway.prove.simulate.terminal import bar

    tries = exhaustive.each_fault(None if everything else exhaustive.CRASHES)
    with bar(console, "One fault at every place", None) as (advance, note):
        for tried in tries:
            _try(run, tried)
            advance(run.exhausted)
            note(tried.case.name)
        if everything:
            for tried in exhaustive.each_pair(exhaustive.CRASHES, exhaustive.PAIRED):
                _try(run, tried)
                advance(run.exhausted)
                note(f"{tried.case.name}, two crashes")


def _try(run: Run, tried: Tried) -> None:
    run.exhausted += 1
    for broken in tried.result.broken:
        where = "; ".join(f"{kind} at {place}" for place, kind in tried.faults.items())
        run.exhausted_broken.append(f"{tried.case.name}: {where or 'no fault'}: {broken}")


def _try_mutants(run: Run, seed_from: int, jobs: int, console: Console) -> None:
    from spillway.prove.mutants.catalogue import MUTANTS
    from spillway.prove.simulate.kill import MutantResult, kill_all
    from spillway.prove.simulate.terminal import bar

    with bar(console, "Mutants", len(MUTANTS)) as (advance, note):
        count = 0

        def done(mutant: MutantResult) -> None:
            nonlocal count
            count += 1
            advance(count)
            note(mutant.name)

        names = [mutant.name for mutant in MUTANTS]
        run.mutants = kill_all(names, seed_from=seed_from, jobs=jobs, on_done=done)
