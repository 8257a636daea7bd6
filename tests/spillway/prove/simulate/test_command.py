"""`spillway simulate` as a person and as a script meet it."""

from __future__ import annotations

import json
import subprocess
import sys

_SPILLWAY = [sys.executable, "-c", "from spillway.cli import main; main()"]


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the command is ours
        [*_SPILLWAY, "simulate", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "NO_COLOR": "1", "COLUMNS": "160"},
    )


def test_schedules_that_hold_are_counted_and_the_exit_says_so() -> None:
    done = simulate("--seeds", "60", "--seed-from", "5", "--jobs", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert "Every promise held in every schedule." in done.stderr
    result = json.loads(done.stdout)
    assert result["seeds"] == 60
    assert result["schedules_per_second"] > 0
    assert result["side_effects_per_schedule"] >= 20
    assert result["violations"] == []
    assert result["exhaustive"] > 1_000
    assert result["controls"] == {"planted": None, "caught": None, "seeds": None}
    assert result["coverage"]["faults"]["cancelled"] > 0


def test_the_trace_of_a_seed_is_shown() -> None:
    done = simulate("--seed", "5", "--trace")
    assert done.returncode == 0, done.stderr
    assert "puts order 1 into the table" in done.stdout
    assert "Seed 5: every promise held." in done.stdout


def test_a_broken_schedule_is_shrunk_and_shown_and_fails() -> None:
    done = simulate("--seed", "3", "--trace", "--bug", "recorded-before-done")
    assert done.returncode == 1, done.stderr
    assert "spillway simulate --seed 3 --trace --bug recorded-before-done" in done.stdout
    assert "to 0 and 1 order(s)" in done.stdout
    assert "never_half_done: order 1: reserve is on record as done" in done.stdout


def test_an_unknown_mutant_is_one_sentence() -> None:
    done = simulate("--seed", "3", "--bug", "millennium")
    assert done.returncode == 1
    assert "There is no mutant 'millennium': choose one of" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_trace_is_of_one_seed() -> None:
    done = simulate("--trace")
    assert done.returncode == 1
    assert "--seed" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_trace_of_a_seed_is_not_json() -> None:
    done = simulate("--seed", "5", "--json")
    assert done.returncode == 1
    assert "--json" in done.stderr
    assert "--seed" in done.stderr
    assert done.stdout == ""
