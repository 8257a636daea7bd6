"""`spillway simulate` as a person and as a script meet it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from spillway.cli import app
from spillway.errors import SpillwayError
from spillway.prove.simulate import exhaustive, running


def simulate(*arguments: str) -> Result:
    env = {"NO_COLOR": "1", "COLUMNS": "160"}
    return CliRunner().invoke(app, ["simulate", *arguments], env=env)


def test_schedules_that_hold_are_counted_and_the_exit_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In two processes. Of the orders that crash at every place one is left: `make check` has all
    of them."""
    monkeypatch.setattr(running, "CHUNK", 10)
    confirmed = exhaustive.cases()["confirmed"]
    monkeypatch.setattr(exhaustive, "cases", lambda: {"confirmed": confirmed})

    done = simulate("--seeds", "20", "--seed-from", "5", "--jobs", "2", "--json")

    assert done.exit_code == 0, done.output
    assert "Every promise held in every schedule." in done.stderr
    result = json.loads(done.stdout)
    assert result["seeds"] == 20
    assert result["schedules_per_second"] > 0
    assert result["side_effects_per_schedule"] >= 20
    assert result["violations"] == []
    assert 20 < result["exhaustive"] < 40
    assert result["controls"] == {"planted": None, "caught": None, "seeds": None}
    assert result["coverage"]["faults"]["cancelled"] > 0


def test_the_trace_of_a_seed_is_shown() -> None:
    done = simulate("--seed", "5", "--trace")

    assert done.exit_code == 0, done.output
    assert "puts order 1 into the table" in done.stdout
    assert "Seed 5: every promise held." in done.stdout


def test_a_broken_schedule_is_shrunk_and_shown_and_fails(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the process that has the mutant."""
    monkeypatch.setenv("COLUMNS", "160")

    done = simulate("--seed", "4", "--trace", "--bug", "recorded-before-done")

    assert done.exit_code == 1
    text = capfd.readouterr().out
    assert "spillway simulate --seed 4 --trace --bug recorded-before-done" in text
    assert "to 0 and 1 order(s)" in text
    assert "never_half_done: order 1: reserve is on record as done" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seed", "3", "--bug", "millennium"], "There is no mutant 'millennium': choose one of"),
        (["--trace"], "--seed"),
        (["--bug", "undone-once"], "--seed"),
        (["--seed", "5", "--json"], "--json"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(arguments: list[str], sentence: str) -> None:
    done = simulate(*arguments)

    assert isinstance(done.exception, SpillwayError)
    assert sentence in str(done.exception)
    assert done.stdout == ""
