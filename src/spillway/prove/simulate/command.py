"""`spillway simulate`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import SpillwayError
from spillway.ui.options import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.prove.simulate.exhaustive import Tried
    from spillway.prove.simulate.running import Run
    from spillway.prove.simulate.tally import Tally

#: So many broken seeds are shrunk and shown; the report only names the others.
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
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the result as one JSON object, and the report to stderr."
        ),
    ] = False,
) -> None:
    """Prove the promises under fault schedules, each decided by its seed.

    The deployed handlers run in a world in memory: DynamoDB, SQS, SNS, Lambda and the three
    downstreams, where anything can crash, be lost, late, doubled or out at any moment. A crash is
    also tried at every place of one order with each expected outcome. A broken schedule is shrunk,
    and its trace shown with the options that run it again. Exits with 0 only if every promise held
    in every schedule and, with --controls, every mutant was killed.

    Example: spillway simulate --seeds 10000 --controls

    Example: spillway simulate --seed 4711 --trace

    Example: spillway simulate --seeds 10000 --json > simulation.json
    """
    from rich.console import Console

    console = Console(stderr=as_json)
    if seed is None and (trace or bug is not None):
        raise SpillwayError("--trace and --bug are for one schedule: name it with --seed.")
    if seed is not None and as_json:
        raise SpillwayError("--json counts schedules, and --seed shows one: leave one out.")
    if seed is not None:
        broken = _one(seed, bug, trace, console)
    else:
        all_seeds = range(seed_from, seed_from + seeds)
        run = _many(all_seeds, jobs or os.cpu_count() or 1, controls, exhaustive, console)
        broken = not run.held
        if as_json:
            from spillway.prove.simulate.report import document

            print_json(document(run))
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
        raise SpillwayError(f"There is no mutant {mutant!r}: choose one of {', '.join(BY_NAME)}.")
    return show_with_mutant(mutant, seed, trace)


def _many(seeds: range, jobs: int, controls: bool, exhaustive: bool, console: Console) -> Run:
    from spillway.prove.simulate.report import show
    from spillway.prove.simulate.running import Run, simulate
    from spillway.ui.progress import bar

    run = Run()
    with bar("Schedules", len(seeds), console) as progress:

        def done(tally: Tally) -> None:
            progress.reach(tally.seeds)
            progress.note(f"{run.per_second:,.0f}/s, {run.tally.broken_seeds} broken")

        try:
            simulate(seeds, jobs, done, run)
        except KeyboardInterrupt:
            run.interrupted = True
    if not run.interrupted:
        _exhaust(run, exhaustive, console)
        if controls:
            _kill(run, seeds.start, jobs, console)
    show(run, seeds, console)
    if run.tally.broken:
        from spillway.prove.simulate.rendering import show_seed

        for seed in sorted(run.tally.broken)[:SHRUNK_MAX]:
            show_seed(seed, True, None, console)
    return run


def _exhaust(run: Run, everything: bool, console: Console) -> None:
    from spillway.prove.simulate.exhaustive import CRASHES, PAIRED, each_fault, each_pair
    from spillway.ui.progress import bar

    with bar("One fault at every place", None, console) as progress:
        for tried in each_fault(None if everything else CRASHES):
            _record(run, tried)
            progress.advance()
            progress.note(tried.case.name)
        for tried in each_pair(CRASHES, PAIRED) if everything else ():
            _record(run, tried)
            progress.advance()
            progress.note(f"{tried.case.name}, two crashes")


def _record(run: Run, tried: Tried) -> None:
    run.exhausted += 1
    for broken in tried.result.broken:
        where = "; ".join(f"{kind} at {place}" for place, kind in tried.faults.items())
        run.exhausted_broken.append(f"{tried.case.name}: {where or 'no fault'}: {broken}")


def _kill(run: Run, seed_from: int, jobs: int, console: Console) -> None:
    from spillway.prove.mutants.catalogue import MUTANTS
    from spillway.prove.simulate.kill import MutantResult, kill_all
    from spillway.ui.progress import bar

    with bar("Mutants", len(MUTANTS), console) as progress:

        def done(mutant: MutantResult) -> None:
            progress.advance()
            progress.note(mutant.name)

        names = [mutant.name for mutant in MUTANTS]
        run.mutants = kill_all(names, seed_from=seed_from, jobs=jobs, on_done=done)
