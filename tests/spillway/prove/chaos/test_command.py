"""`spillway chaos`: what is chosen, and what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spillway.cli import app
from spillway.errors import SpillwayError
from spillway.prove.chaos import trial
from spillway.prove.chaos.scenario import Scenario, Trial
from spillway.prove.chaos.scenarios import BY_NAME, chosen
from spillway.run.stack.fakes import Fakes
from tests.spillway.prove.chaos.builders import a_scenario, a_trial

#: Those that go with the fakes of our own contracts.
OURS = [name for name in BY_NAME if name != "lost-outcomes"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["all"], OURS),
        (["spike", "poison"], ["poison", "spike"]),
        (["poison", "poison"], ["poison"]),
        (["poison", "all"], OURS),
    ],
)
def test_scenarios_run_in_one_order_each_once(names: list[str], expected: list[str]) -> None:
    assert [scenario.name for scenario in chosen(names)] == expected


def test_some_scenarios_go_with_some_downstreams_alone() -> None:
    fitting = [scenario.name for scenario in chosen(["all"], Fakes.EXAMPLES)]
    assert fitting == [name for name in BY_NAME if name != "express-interrupted"]
    with pytest.raises(SpillwayError, match=r"^lost-outcomes goes with --downstreams examples"):
        chosen(["lost-outcomes"])
    with pytest.raises(SpillwayError, match=r"goes with --downstreams contracts alone\.$"):
        chosen(["express-interrupted"], Fakes.EXAMPLES)


def test_an_unknown_scenario_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(SpillwayError, match=r"'flood': choose one of .*lost-outcomes, all\.$"):
        chosen(["flood"])


def test_no_scenario_runs_when_its_result_cannot_be_written(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "out.json"

    done = CliRunner().invoke(app, ["chaos", "--json", str(nowhere)])

    assert done.exit_code == 1
    assert isinstance(done.exception, SpillwayError)
    assert "there is no folder" in str(done.exception)


def test_results_are_kept_when_a_later_scenario_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(scenario: Scenario, *_: object) -> Trial:
        if scenario.name == "spike":
            raise SpillwayError("The stack went away.")
        return a_trial(scenario=a_scenario(scenario.name))

    monkeypatch.setattr(trial, "try_on_private_stack", tried)
    found = tmp_path / "found.json"
    asked = ["chaos", "--scenario", "poison", "--scenario", "spike", "--json", str(found)]

    done = CliRunner().invoke(app, asked)

    assert isinstance(done.exception, SpillwayError)
    assert list(json.loads(found.read_text())["scenarios"]) == ["poison"]


def test_the_help_names_every_scenario() -> None:
    text = CliRunner().invoke(app, ["chaos", "--help"]).output

    assert all(name in " ".join(text.split()) for name in BY_NAME)
