"""What the scenarios came to: as JSON for scripts, as a summary for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from spillway.prove.chaos.context import Disruption
from spillway.prove.chaos.recorder import NO_ANSWER
from spillway.prove.chaos.trial import Controlled, Trial
from spillway.prove.demo import report as demo_report

_MEANS = {
    "200": "the same again",
    "201": "in the table",
    "202": "in the overflow queue",
    "503": "an honest no, sent again",
    NO_ANSWER: "no answer, sent again",
}


def document(trials: Sequence[Trial]) -> dict[str, Any]:
    """All scenarios as one JSON object: each with the demo's keys, and with what is chaos's own.

    `answers` counts every answer to every order sent, also those that a client tried again after;
    a trouble's `began` and `ended` are seconds since the scenario began.
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
    console.print(demo_report.promises_panel(trial.run))
    for shortcoming in trial.shortcomings:
        console.print(Text(f"Not as it should be: {shortcoming}.", "bold red"))


def show_all(trials: Sequence[Trial], console: Console) -> None:
    """The controls, one line a scenario, and the last word."""
    if any(trial.controls for trial in trials):
        console.print()
        console.print(_controls(trials))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "scenario", "customers saw", "settled", "p50", "controls"):
        numbers = heading in ("settled", "p50")
        table.add_column(heading, justify="right" if numbers else "left")
    for trial in trials:
        figures = demo_report.document(trial.run)
        orders, p50 = figures["orders"], figures["seconds"]["settle_p50"]
        acknowledged = orders["accepted"] + orders["buffered"]
        table.add_row(
            _mark(trial.held),
            trial.scenario.name,
            _answers(trial),
            f"{acknowledged - orders['unsettled']:,} of {acknowledged:,}",
            "" if p50 is None else f"{p50:.1f} s",
            _controls_found(trial.controls),
        )
    console.print()
    console.print(table)
    console.print()
    console.print(_last_word(trials))


def _trial(trial: Trial) -> dict[str, Any]:
    figures = demo_report.document(trial.run)
    del figures["file"]  # Chaos makes its own orders.
    return figures | {
        "held": trial.held,
        "done": trial.scenario.done,
        "troubles": [
            _disruption(disruption, trial.run.began_at) for disruption in trial.disruptions
        ],
        "answers": dict(trial.statuses),
        "measures": {name: round(figure, 3) for name, figure in trial.measures.items()},
        "shortcomings": trial.shortcomings,
        "controls": [
            {
                "without": controlled.control.without,
                "expected": controlled.control.expected_violation.expected,
                "found": controlled.evidence is not None,
                "evidence": controlled.evidence,
                "orders": controlled.orders,
            }
            for controlled in trial.controls
        ],
    }


def _disruption(disruption: Disruption, began_at: int) -> dict[str, Any]:
    return {
        "what": disruption.what,
        "began": (disruption.began_at - began_at) / 1000,
        "ended": (disruption.ended_at - began_at) / 1000,
        "struck": disruption.struck,
    }


def _what_happened(trial: Trial) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for disruption in trial.disruptions:
        seconds = (disruption.ended_at - disruption.began_at) / 1000
        struck = "" if disruption.struck is None else f", struck {disruption.struck:,} times"
        table.add_row(f"{seconds:.1f} s", Text(f"{disruption.what}{struck}", "yellow"))
    table.add_row()
    for status, count in trial.statuses.items():
        meaning = f"  {_MEANS[status]}" if status in _MEANS else ""
        table.add_row(f"{count:,}", Text.assemble(f"answered {status}", (meaning, "dim")))
    table.add_row()
    for (fate, reason), count in demo_report.fates(trial.run).items():
        told = reason.replace("_", " ")
        table.add_row(f"{count:,}", Text.assemble(fate, (f"  {told}" if told else "", "dim")))
    table.add_row(f"{trial.run.settling_seconds:.0f} s", "from the first order to the last settled")
    for name, figure in trial.measures.items():
        table.add_row(f"{figure:,.3g}", Text(name.replace("_", " "), "dim"))
    return Panel(table, title="What happened", title_align="left")


def _controls(trials: Sequence[Trial]) -> Panel:
    table = Table.grid(padding=(0, 2))
    for trial in trials:
        for controlled in trial.controls:
            found = controlled.evidence is not None
            evidence = controlled.evidence or f"nothing happened to {controlled.orders} orders"
            table.add_row(
                _mark(found),
                Text(trial.scenario.name),
                Text.assemble(
                    controlled.control.without, "\n", (evidence, "dim" if found else "red")
                ),
            )
    title = "Without this it ends badly, and the audit sees it"
    return Panel(table, title=title, title_align="left")


def _answers(trial: Trial) -> str:
    return escape(", ".join(f"{count:,} x {status}" for status, count in trial.statuses.items()))


def _controls_found(controls: Sequence[Controlled]) -> Text:
    found = sum(controlled.evidence is not None for controlled in controls)
    if not controls:
        return Text("none", "dim")
    return Text(f"{found} of {len(controls)}", "green" if found == len(controls) else "bold red")


def _mark(good: bool) -> Text:
    return Text("✔", "green") if good else Text("✘", "bold red")


def _last_word(trials: Sequence[Trial]) -> Text:
    failed = [trial.scenario.name for trial in trials if not trial.held]
    blind = [trial.scenario.name for trial in trials if trial.held and not trial.proven]
    sentences = []
    if failed:
        sentences.append(f"Not held: {', '.join(failed)}.")
    if blind:
        sentences.append(f"A guard was switched off and nothing was found: {', '.join(blind)}.")
    if sentences:
        return Text(" ".join(sentences), "bold red")
    return Text("Every promise held in every scenario.", "bold green")
