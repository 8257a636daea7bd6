"""The results of scenarios: as JSON for scripts, as a summary for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from spillway.prove.audit import report as audit_report
from spillway.prove.chaos.recorder import NO_ANSWER
from spillway.prove.chaos.scenario import Control, Trial
from spillway.prove.demo import report as demo_report
from spillway.ui.formatting import duration
from spillway.ui.panels import grid, mark, panel

_HEADINGS = ("", "scenario", "customers saw", "settled", "p50", "control")

_MEANS = {
    "200": "already stored",
    "201": "in the table",
    "202": "in the overflow queue",
    "503": "not stored, sent again",
    NO_ANSWER: "no answer, sent again",
}


def document(trials: Sequence[Trial]) -> dict[str, Any]:
    """All scenarios as one JSON object: each has the demo's keys, and some that only chaos has.

    `answers` counts every answer to every order sent, also those that a client retried after;
    a disruption's `began` and `ended` are seconds since the scenario began.
    """
    return {
        "proven": all(trial.proven for trial in trials),
        "scenarios": {trial.scenario.name: _trial(trial) for trial in trials},
    }


def show(trial: Trial, console: Console) -> None:
    """One scenario's summary, for a terminal of any width."""
    console.print()
    console.rule(Text(trial.scenario.name, "bold"), align="left")
    console.print(Text(trial.scenario.done))
    console.print(_what_happened(trial))
    console.print(audit_report.promises_panel(trial.run.promises))
    for shortcoming in trial.shortcomings:
        console.print(Text(f"Wrong: {shortcoming}.", "bold red"))


def show_all(trials: Sequence[Trial], console: Console) -> None:
    """The controls, one line a scenario, and the conclusion."""
    for trial in trials:
        if trial.scenario.control and trial.control:
            console.print()
            console.print(_control_panel(trial.scenario.control, trial.control))
    console.print()
    console.print(grid(map(_line, trials), headings=_HEADINGS))
    console.print()
    console.print(_conclusion(trials))


def _line(trial: Trial) -> tuple[RenderableType, ...]:
    figures = demo_report.document(trial.run)
    orders, p50 = figures["orders"], figures["seconds"]["settle_p50"]
    acknowledged = orders["accepted"] + orders["buffered"]
    answers = ", ".join(f"{count:,} x {status}" for status, count in trial.statuses.items())
    return (
        mark(trial.held),
        trial.scenario.name,
        answers,
        f"{acknowledged - orders['unsettled']:,} of {acknowledged:,}",
        duration(p50),
        Text("none", "dim") if trial.control is None else mark(trial.control.evidence is not None),
    )


def _trial(trial: Trial) -> dict[str, Any]:
    figures = demo_report.document(trial.run)
    del figures["file"]  # Chaos makes its own orders.
    began_at, control = trial.run.began_at, trial.scenario.control
    return figures | {
        "held": trial.held,
        "done": trial.scenario.done,
        "disruptions": [
            {
                "what": disruption.what,
                "began": (disruption.began_at - began_at) / 1000,
                "ended": (disruption.ended_at - began_at) / 1000,
                "hits": disruption.hits,
            }
            for disruption in trial.disruptions
        ],
        "answers": dict(trial.statuses),
        "ways": demo_report.ways_document(trial.run),
        "measures": {name: round(figure, 3) for name, figure in trial.measures.items()},
        "shortcomings": trial.shortcomings,
        "controls": [_control(control, trial.control)] if control and trial.control else [],
    }


def _control(control: Control, trial: Trial) -> dict[str, Any]:
    return {
        "without": control.without,
        "expected": f"{control.promise.value} broken",
        "found": trial.evidence is not None,
        "evidence": trial.evidence,
        "orders": len(trial.run.placed),
    }


def _what_happened(trial: Trial) -> Panel:
    rows: list[tuple[RenderableType, ...]] = [
        (
            f"{(disruption.ended_at - disruption.began_at) / 1000:.1f} s",
            Text(disruption.what, "yellow"),
            "" if disruption.hits is None else f"{disruption.hits:,} hits",
        )
        for disruption in trial.disruptions
    ]
    rows.append(())
    for status, count in trial.statuses.items():
        rows.append((f"{count:,}", f"answered {status}", _MEANS.get(status, "")))
    rows += [(), *demo_report.outcome_rows(trial.run)]
    rows += demo_report.way_rows(trial.run)
    seconds = f"{trial.run.settling_seconds:.0f} s"
    rows.append((seconds, "from the first order to the last settled"))
    for name, figure in trial.measures.items():
        rows.append((f"{figure:,.3g}", Text(name.replace("_", " "), "dim")))
    return panel("What happened", rows, ("number", "text", "note"))


def _control_panel(control: Control, trial: Trial) -> Panel:
    found = trial.evidence is not None
    evidence = trial.evidence or f"not found in {len(trial.run.placed)} orders"
    title = "A service without this guard breaks a promise, and the audit finds it"
    rows: list[tuple[RenderableType, ...]] = [
        (mark(found), control.without),
        ("", Text(evidence, "dim" if found else "red")),
    ]
    return panel(title, rows)


def _conclusion(trials: Sequence[Trial]) -> Text:
    failed = ", ".join(trial.scenario.name for trial in trials if not trial.held)
    blind = ", ".join(each.scenario.name for each in trials if each.held and not each.proven)
    text = Text(style="bold red")
    if failed:
        text.append(f"Not held: {failed}. ")
    if blind:
        text.append(f"The service lacked a guard and the audit found nothing: {blind}.")
    return text or Text("Every promise held in every scenario.", "bold green")
