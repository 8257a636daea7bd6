"""The result of many schedules, for people and for scripts."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from simulation.world.faults import Fault
from spillway.prove.simulate.rendering import rerun, show_seed
from spillway.prove.simulate.running import Run
from spillway.prove.simulate.saga_states import reachable, sets_of_facts
from spillway.ui.formatting import counted
from spillway.ui.panels import panel

_BROKEN_SHOWN = 10
#: So many broken seeds are shrunk and shown; the report only names the others.
SHRUNK_MAX = 3


def document(run: Run) -> dict[str, Any]:
    """The run as one JSON object; these keys never change."""
    tally = run.tally
    states = sets_of_facts()
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
            "express": dict(sorted(tally.express.items())),
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


def show(run: Run, seeds: range, console: Console) -> None:
    console.print(_schedules(run, seeds))
    console.print(_coverage(run))
    if run.mutants is not None:
        console.print(_mutants(run))
    console.print(_verdict(run))
    for seed in sorted(run.tally.broken)[:SHRUNK_MAX]:
        show_seed(seed, True, None, console)


def _schedules(run: Run, seeds: range) -> Panel:
    tally, count = run.tally, max(1, run.tally.seeds)
    injected = sum(tally.faults.values())
    per_core = tally.seeds / (tally.cpu_seconds or 1)
    rows = (
        (f"{tally.seeds:,}", f"schedules, seeds {seeds.start:,} to {seeds.stop - 1:,}"),
        (f"{run.per_second:,.0f}", f"per second, for {run.seconds:,.0f} s"),
        (f"{per_core:,.0f}", "per second of one core's time"),
        (f"{tally.side_effects / count:.1f}", "side effects per schedule"),
        (f"{injected / count:.1f}", f"faults per schedule, {injected:,} in total"),
        (f"{tally.rested_ms / 3_600_000:.1f}", "hours from the last fault to rest, at most"),
        (f"{run.exhausted:,}", "runs of one order with chosen faults, at every place"),
    )
    return panel("Runs", rows, ("number",))


def _coverage(run: Run) -> Panel:
    graph, states, express = reachable(), sets_of_facts(), run.tally.express
    transitions = sum(map(len, graph.values()))
    reached = f"{len(run.tally.states & states)} of {len(states)}"
    visited = f"states of the saga, with {transitions} transitions: its tests visit all of them"
    rows: tuple[tuple[str, str | Text], ...] = (
        *((f"{run.tally.faults.get(kind.value, 0):,}", _fault(run, kind)) for kind in Fault),
        (reached, "sets of facts that an order can have"),
        (f"{len(graph)}", visited),
        (f"{len(run.tally.outcomes)}", "different outcomes of the handlers"),
        (f"{express['orders settled by one write']:,}", "orders settled by one write of express"),
        (
            f"{express['schedules in trouble']:,}",
            f"of {express['schedules']:,} schedules with express had trouble at a call of it",
        ),
    )
    return panel("Coverage", rows, ("number",))


def _fault(run: Run, kind: Fault) -> Text:
    sites = sum(site.startswith(f"{kind.value} at ") for site in run.tally.sites)
    where = f", at {sites} kinds of call or place" if sites > 1 else ""
    return Text(kind.value + where, "" if run.tally.faults.get(kind.value) else "yellow")


def _mutants(run: Run) -> Panel:
    rows = (
        ("never", Text(f"{mutant.name} SURVIVES", "bold red"), "")
        if mutant.seeds is None
        else (f"{mutant.seeds:,}", mutant.name, mutant.broken.partition(":")[0])
        for mutant in run.mutants or ()
    )
    return panel("Mutants, and the seeds it took to kill them", rows, ("number", "text", "note"))


def _verdict(run: Run) -> Text:
    if run.held:
        killed = "" if run.mutants is None else f" All {len(run.mutants)} mutants were killed."
        return Text(f"Every promise held in every schedule.{killed}", "bold green")
    text = Text()
    if run.interrupted:
        text.append("Interrupted: the figures cover the part that was run.\n", "bold yellow")
    if run.tally.broken_seeds:
        schedules = counted(run.tally.broken_seeds, "schedule")
        text.append(f"Promises were broken in {schedules}.\n", "bold red")
    for seed, broken in sorted(run.tally.broken.items())[:_BROKEN_SHOWN]:
        text.append(f"  {broken[0]}\n", "red").append(f"    {rerun(seed)}\n")
    for broken_by in run.exhausted_broken[:_BROKEN_SHOWN]:
        text.append(f"  {broken_by}\n", "red")
    for name in run.survivors:
        text.append(f"The mutant {name} survived: no check notices it.\n", "red")
    return text
