"""What is told of a run of scenarios, to scripts and to people."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from orders.domain.promises import Promise
from spillway.prove.chaos.report import document, show, show_all
from spillway.prove.chaos.trial import Controlled, Trial
from tests.spillway.prove.chaos.builders import CONTROL, a_scenario, a_trial, broken_trial


def shown(tell: Callable[[Console], None], width: int = 100) -> str:
    text = io.StringIO()
    tell(Console(file=text, width=width))
    return text.getvalue()


def blind() -> Trial:
    return a_trial(controls=[Controlled(CONTROL, orders=12, evidence=None)])


def test_each_scenario_has_the_demos_keys() -> None:
    from spillway.prove.demo.report import document as demo_document

    trial = a_trial()
    document_ = document([trial])
    scenario = document_["scenarios"]["quiet"]
    demo = demo_document(trial.run)

    assert json.loads(json.dumps(document_)) == document_
    for name in ("orders", "promises", "seconds", "fates", "orders_per_second", "seed"):
        assert scenario[name] == demo[name]


def test_each_scenario_says_what_was_done_and_what_customers_saw() -> None:
    scenario = document([a_trial()])["scenarios"]["quiet"]

    assert scenario["held"] is True
    assert scenario["done"] == "Nothing is done to it."
    assert scenario["answers"] == {"201": 2, "503": 1}
    assert scenario["measures"] == {"lights_per_second": 1.25}
    assert scenario["troubles"] == [{"what": "lights out", "began": 0.5, "ended": 1.5, "struck": 3}]
    assert scenario["controls"] == [
        {
            "without": "doors have locks",
            "expected": "always_settles broken",
            "found": True,
            "evidence": "always_settles broken once",
            "orders": 12,
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

    assert "lights out, struck 3 times" in " ".join(text.split())
    assert "answered 503" in text
    assert "an honest no" in text
    assert all(promise.value in text for promise in Promise)
    assert max(len(line) for line in text.splitlines()) <= width


def test_what_is_not_as_it_should_be_is_said() -> None:
    text = shown(lambda console: show(a_trial(seen_beside=["the door was open"]), console))

    assert "Not as it should be: the door was open." in text


def test_controls_say_what_was_missing_and_what_came_of_it() -> None:
    text = shown(lambda console: show_all([a_trial(), blind()], console))

    assert text.count("doors have locks") == 2
    assert "always_settles broken once" in text
    assert "nothing happened to 12 orders" in text


def test_without_controls_nothing_is_said_of_them() -> None:
    text = shown(lambda console: show_all([a_trial(controls=[])], console))

    assert "the audit sees it" not in text


def test_the_last_word_names_what_failed() -> None:
    failing = broken_trial(
        Promise.ZERO_IDLE, "ran on", scenario=a_scenario("restless"), controls=[]
    )

    def last(trials: list[Trial]) -> str:
        return shown(lambda console: show_all(trials, console)).rstrip().splitlines()[-1]

    assert last([a_trial()]) == "Every promise held in every scenario."
    assert last([a_trial(), failing]) == "Not held: restless."
    assert last([failing, blind()]) == (
        "Not held: restless. A guard was switched off and nothing was found: quiet."
    )


def test_each_scenario_is_one_line_of_the_table() -> None:
    text = shown(lambda console: show_all([a_trial(), blind()], console))

    assert "2 x 201, 1 x 503" in text
    assert "1 of 1" in text
    assert "0 of 1" in text
