"""What the picture shows, and that it can be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from orders.domain.promises import Promise
from spillway.prove.chaos.timeline import Timeline, draw, timeline
from spillway.prove.demo.result import Run
from tests.spillway.prove.audit.builders import ACCEPTED_AT
from tests.spillway.prove.chaos.builders import a_trial, broken_trial
from tests.spillway.prove.demo.builders import a_run, an_order, key


def test_an_order_is_owed_something_from_its_acceptance_until_it_settles() -> None:
    line = Timeline(accepted=(0.0, 1.0, 1.0), settled=(2.0, 5.0))

    assert line.owed() == [(0.0, 1), (1.0, 3), (2.0, 2), (5.0, 1)]


def test_times_are_the_tables_own_and_count_from_the_beginning() -> None:
    trial = a_trial()

    line = timeline(trial)

    assert trial.run.began_at == ACCEPTED_AT - 1000
    assert set(line.accepted) == {1.0}
    assert len(line.accepted) == len(line.settled) == len(trial.run.placed)
    assert min(line.settled) > 1.0


def test_an_order_that_is_not_in_the_table_is_in_no_curve() -> None:
    run = a_run()
    run.placed.append(an_order(99, key=key(99)))

    assert len(timeline(a_trial(run)).accepted) == len(run.placed) - 1


@pytest.mark.parametrize("scenarios", [1, 2, 3])
def test_any_number_of_scenarios_is_drawn(tmp_path: Path, scenarios: int) -> None:
    trials = [a_trial(), broken_trial(Promise.ZERO_IDLE, "ran on"), a_trial()][:scenarios]

    draw(trials, tmp_path / "chaos.png")

    assert (tmp_path / "chaos.png").read_bytes().startswith(b"\x89PNG")


def test_a_scenario_without_any_order_is_drawn_too(tmp_path: Path) -> None:
    nothing = Run(plan=a_run().plan, began_at=0)

    draw([a_trial(nothing, disruptions=[])], tmp_path / "chaos.png")

    assert (tmp_path / "chaos.png").stat().st_size > 1_000
