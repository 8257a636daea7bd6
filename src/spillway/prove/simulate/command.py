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
        typer.Option(metavar="NAME", help="Run that schedule with this bug planted."),
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls", help="Also plant every bug, each of which must be caught.")
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
    with --controls, every planted bug was caught.

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
        from spillway.prove.simulate.telling import tell

        return tell(seed, trace, None, console)
    from spillway.errors import SpillwayError
    from spillway.prove.mutants.bugs import BY_NAME
    from spillway.prove.simulate.bugged import tell_with

    if bug not in BY_NAME:
        raise SpillwayError(f"There is no bug {bug!r}: choose one of {', '.join(BY_NAME)}.")
    return tell_with(bug, seed, trace)


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
            _hunt(run, seeds.start, jobs, console)
    show(run, seeds, console)
    if run.tally.broken:
        from spillway.prove.simulate.telling import tell

        for seed in sorted(run.tally.broken)[:SHRUNK_MAX]:
            tell(seed, True, None, console)
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


def _hunt(run: Run, seed_from: int, jobs: int, console: Console) -> None:
    from spillway.prove.mutants.bugs import BUGS
    from spillway.prove.simulate.hunt import Caught, hunt
    from spillway.prove.simulate.terminal import bar

    with bar(console, "Planted bugs", len(BUGS)) as (advance, note):
        caught = 0

        def done(bug: Caught) -> None:
            nonlocal caught
            caught += 1
            advance(caught)
            note(bug.name)

        run.caught = hunt([bug.name for bug in BUGS], seed_from=seed_from, jobs=jobs, on_done=done)
