"""The report on a run of scenarios, for scripts and for people."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from orders.domain.promises import Promise
from spillway.prove.chaos.report import document, show, show_all
from spillway.prove.chaos.scenario import Trial
from spillway.target.records import Way
from tests.spillway.prove.chaos.builders import (
    CONTROL,
    a_control,
    a_scenario,
    a_trial,
    broken_trial,
)
from tests.spillway.prove.demo.builders import a_run


def shown(show_on: Callable[[Console], None], width: int = 100) -> str:
    text = io.StringIO()
    show_on(Console(file=text, width=width))
    return text.getvalue()


def blind() -> Trial:
    return a_trial(control=a_control())


def test_each_scenario_has_the_demos_keys() -> None:
    from spillway.prove.demo.report import document as demo_document

    trial = a_trial()
    document_ = document([trial])
    scenario = document_["scenarios"]["quiet"]
    demo = demo_document(trial.run)

    assert json.loads(json.dumps(document_)) == document_
    for name in ("orders", "promises", "seconds", "outcomes", "orders_per_second", "seed"):
        assert scenario[name] == demo[name]


def test_each_scenario_says_what_was_done_and_what_customers_saw() -> None:
    scenario = document([a_trial()])["scenarios"]["quiet"]

    assert scenario["held"] is True
    assert scenario["done"] == "Nothing is done to it."
    assert scenario["answers"] == {"201": 2, "503": 1}
    assert scenario["ways"] == dict.fromkeys(map(str, Way), 0)
    assert scenario["measures"] == {"lights_per_second": 1.25}
    assert scenario["disruptions"] == [
        {"what": "lights out", "began": 0.5, "ended": 1.5, "hits": 3}
    ]
    assert scenario["controls"] == [
        {
            "without": "doors have locks",
            "expected": "always_settles broken",
            "found": True,
            "evidence": "always_settles broken once: it waits for a key",
            "orders": len(a_run().placed),
        }
    ]


@pytest.mark.parametrize(
    ("trials", "proven"),
    [
        ([a_trial()], True),
        ([a_trial(), blind()], False),
        ([broken_trial(Promise.ZERO_IDLE, "ran on"), a_trial()], False),
    ],
)
def test_all_is_proven_when_each_is(trials: list[Trial], proven: bool) -> None:
    assert document(trials)["proven"] is proven


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_summary_fits_any_terminal(width: int) -> None:
    text = shown(lambda console: show(a_trial(), console), width)

    assert "lights out" in text
    assert "3 hits" in text
    assert "answered 503" in text
    assert all(promise.value in text for promise in Promise)
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_shortcoming_is_shown() -> None:
    text = shown(lambda console: show(a_trial(seen_beside=["the door was open"]), console))

    assert "the door was open" in text


def test_a_control_shows_its_missing_guard_and_what_was_found() -> None:
    text = shown(lambda console: show_all([a_trial(), blind()], console))

    assert text.count("doors have locks") == 2
    assert "always_settles broken once" in text
    assert f"{len(a_run().placed)} orders" in text


def test_without_a_control_no_guard_is_shown() -> None:
    text = shown(lambda console: show_all([a_trial(control=None)], console))

    assert CONTROL.without not in text


def test_the_conclusion_names_what_failed() -> None:
    failing = broken_trial(
        Promise.ZERO_IDLE, "ran on", scenario=a_scenario("restless"), control=None
    )

    def last(trials: list[Trial]) -> str:
        return shown(lambda console: show_all(trials, console)).rstrip().splitlines()[-1]

    assert "held" in last([a_trial()])
    assert "restless" in last([a_trial(), failing])
    assert "quiet" not in last([a_trial(), failing])
    assert "restless" in last([failing, blind()])
    assert "quiet" in last([failing, blind()])


def test_each_scenario_is_one_line_of_the_table() -> None:
    text = shown(lambda console: show_all([a_trial(), blind()], console))

    assert "2 x 201, 1 x 503" in text
    assert text.count("✘") == 2  # the blind control: its panel and its line
