"""The results of a scenario, without a stack."""

from __future__ import annotations

from typing import Any

from orders.domain.promises import Promise
from spillway.prove.audit.verdicts import Violation
from spillway.prove.chaos.context import ScenarioContext
from spillway.prove.chaos.recorder import Answered, ResponseRecorder
from spillway.prove.chaos.scenario import Control, Disruption, Scenario, Trial
from spillway.prove.demo.result import Run
from spillway.prove.mutants.catalogue import BY_NAME
from tests.spillway.prove.demo.builders import a_run, judged

CONTROL = Control(
    "doors have locks", BY_NAME["never-checked"], Promise.ALWAYS_SETTLES, like="waits for"
)


async def nothing(_: ScenarioContext) -> None:
    """A scenario in which nothing happens."""


def a_scenario(name: str = "quiet", **changes: Any) -> Scenario:
    fields: dict[str, Any] = {
        "name": name,
        "done": "Nothing is done to it.",
        "steps": nothing,
        "control": CONTROL,
    }
    return Scenario(**(fields | changes))


def answers(*statuses: int | None) -> ResponseRecorder:
    return ResponseRecorder([Answered(0, status) for status in statuses])


def a_trial(run: Run | None = None, scenario: Scenario | None = None, **changes: Any) -> Trial:
    """Every promise held, and the control found its violation."""
    run = run or a_run()
    fields: dict[str, Any] = {
        "scenario": scenario or a_scenario(),
        "run": run,
        "disruptions": [Disruption("lights out", run.began_at + 500, run.began_at + 1_500, hits=3)],
        "recorder": answers(201, 201, 503),
        "measures": {"lights_per_second": 1.25},
        "control": a_control(Violation(CONTROL.promise, None, f"it {CONTROL.like} a key")),
    }
    return Trial(**(fields | changes))


def a_control(*violations: Violation) -> Trial:
    """A trial on the mutant, in which these were found."""
    run = a_run()
    run.promises = judged([*violations])
    return Trial(a_scenario(), run)


def broken_trial(promise: Promise, detail: str, **changes: Any) -> Trial:
    run = a_run()
    run.promises = judged([Violation(promise, run.placed[0].key, detail)])
    return a_trial(run, **changes)
