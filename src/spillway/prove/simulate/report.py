"""What many schedules amount to, for people and for scripts."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from simulation.world.faults import Fault
from spillway.prove.simulate.running import Run
from spillway.prove.simulate.saga_states import State, facts_name, reachable

_BROKEN_SHOWN = 10


def document(run: Run) -> dict[str, Any]:
    """The run as one JSON object; these keys never change."""
    tally = run.tally
    states = _states()
    mutants = run.mutants
    return {
        "seeds": tally.seeds,
        "seconds": round(run.seconds, 1),
        "schedules_per_second": round(run.per_second, 1),
        "schedules_per_cpu_second": round(tally.seeds / (tally.cpu_seconds or 1), 1),
        "side_effects_per_schedule": round(tally.side_effects / max(1, tally.seeds), 1),
        "violations": [
            {"seed": seed, "broken": broken, "rerun": rerun(seed)}
            for seed, broken in sorted(tally.broken.items())
        ]
        + [{"exhaustive": broken} for broken in run.exhausted_broken],
        "broken_seeds": tally.broken_seeds,
        "exhaustive": run.exhausted,
        "coverage": {
            "faults": dict(sorted(tally.faults.items())),
            "sites": dict(sorted(tally.sites.items())),
            "outcomes": dict(sorted(tally.outcomes.items())),
            "fact_states": {"reached": len(tally.states & states), "of": len(states)},
            "rested_seconds_max": tally.rested_ms // 1000,
            "second_effects_that_no_lookup_prevents": tally.excused,
        },
        "controls": {
            "planted": None if mutants is None else len(mutants),
            "caught": None if mutants is None else len(mutants) - len(run.survivors),
            "seeds": None if mutants is None else {each.name: each.seeds for each in mutants},
        },
    }


def rerun(seed: int) -> str:
    """The command that tells of a seed again."""
    return f"spillway simulate --seed {seed} --trace"


def show(run: Run, seeds: range, console: Console) -> None:
    console.print(_schedules(run, seeds))
    console.print(_coverage(run))
    if run.mutants is not None:
        console.print(_controls(run))
    console.print(_verdict(run))


def _schedules(run: Run, seeds: range) -> Panel:
    tally = run.tally
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    count = max(1, tally.seeds)
    struck = sum(tally.faults.values())
    per_core = tally.seeds / (tally.cpu_seconds or 1)
    rows = (
        (f"{tally.seeds:,}", f"schedules, seeds {seeds.start:,} to {seeds.stop - 1:,}"),
        (f"{run.per_second:,.0f}", f"a second, for {run.seconds:,.0f} s"),
        (f"{per_core:,.0f}", "a second of one core's time"),
        (f"{tally.side_effects / count:.1f}", "side effects a schedule"),
        (f"{struck / count:.1f}", f"faults a schedule, {struck:,} in all"),
        (f"{tally.rested_ms / 3_600_000:.1f}", "hours from the last fault to rest, at most"),
        (f"{run.exhausted:,}", "runs of one order with chosen faults, no place left out"),
    )
    for figure, what in rows:
        table.add_row(figure, what)
    return Panel(table, title="What was run", title_align="left")


def _coverage(run: Run) -> Panel:
    tally = run.tally
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    for kind in Fault:
        count = tally.faults.get(kind.value, 0)
        sites = sum(site.startswith(f"{kind.value} at ") for site in tally.sites)
        where = f"{kind.value}" + (f", at {sites} kinds of call or place" if sites > 1 else "")
        table.add_row(f"{count:,}", Text(where, "" if count else "yellow"))
    graph = reachable()
    states = _states()
    reached = len(tally.states & states)
    table.add_row(f"{reached} of {len(states)}", "sets of facts that an order can have")
    table.add_row(
        f"{len(graph)}",
        f"states of the saga, with {_transitions(graph)} transitions: all visited by its tests",
    )
    table.add_row(f"{len(tally.outcomes)}", "different outcomes of the handlers")
    return Panel(table, title="What was met", title_align="left")


def _controls(run: Run) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    for mutant in run.mutants or ():
        if mutant.seeds is None:
            table.add_row("never", Text(f"{mutant.name} SURVIVES", "bold red"), "")
        else:
            table.add_row(
                f"{mutant.seeds:,}", mutant.name, Text(mutant.broken.partition(":")[0], "dim")
            )
    return Panel(table, title="Mutants, and the seeds it took to kill them", title_align="left")


def _verdict(run: Run) -> Text:
    if run.held:
        controls = "" if run.mutants is None else f" All {len(run.mutants)} mutants were killed."
        return Text(f"Every promise held in every schedule.{controls}", "bold green")
    text = Text()
    if run.interrupted:
        text.append("Interrupted: only what is above was run.\n", "bold yellow")
    if run.tally.broken_seeds:
        text.append(f"Promises were broken in {run.tally.broken_seeds:,} schedules.\n", "bold red")
    for seed, broken in sorted(run.tally.broken.items())[:_BROKEN_SHOWN]:
        text.append(f"  {broken[0]}\n", "red").append(f"    {rerun(seed)}\n")
    for broken_by in run.exhausted_broken[:_BROKEN_SHOWN]:
        text.append(f"  {broken_by}\n", "red")
    for name in run.survivors:
        text.append(f"The mutant {name} survived: no check notices it.\n", "red")
    return text


def _states() -> set[str]:
    return {facts_name(state) for state in reachable()}


def _transitions(graph: dict[State, list[State]]) -> int:
    return sum(map(len, graph.values()))
