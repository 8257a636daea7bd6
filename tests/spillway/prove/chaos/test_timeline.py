"""What the picture shows, and that it can be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from orders.domain.promises import Promise
from spillway.prove.chaos.timeline import draw, owed
from spillway.prove.demo.result import Run
from tests.spillway.prove.audit.builders import ACCEPTED_AT
from tests.spillway.prove.chaos.builders import a_trial, broken_trial
from tests.spillway.prove.demo.builders import a_run, an_order, key


def test_an_order_is_owed_from_its_acceptance_until_it_settles() -> None:
    assert owed([1.0, 0.0, 1.0], [5.0, 2.0]) == [(0.0, 1), (1.0, 3), (2.0, 2), (5.0, 1)]


def test_times_are_the_tables_own_and_count_from_the_beginning() -> None:
    run = a_run()

    accepted, settled = run.accepted_and_settled()

    assert run.began_at == ACCEPTED_AT - 1000
    assert set(accepted) == {1.0}
    assert len(accepted) == len(settled) == len(run.placed)
    assert min(settled) > 1.0


def test_an_order_that_is_not_in_the_table_is_not_drawn() -> None:
    run = a_run()
    run.placed.append(an_order(99, key=key(99)))

    assert len(run.accepted_and_settled()[0]) == len(run.placed) - 1


@pytest.mark.parametrize("scenarios", [1, 3])
def test_any_number_of_scenarios_is_drawn(tmp_path: Path, scenarios: int) -> None:
    trials = [a_trial(), broken_trial(Promise.ZERO_IDLE, "ran on"), a_trial()][:scenarios]

    draw(trials, tmp_path / "chaos.png")

    assert (tmp_path / "chaos.png").read_bytes().startswith(b"\x89PNG")


def test_a_scenario_without_any_order_is_drawn_too(tmp_path: Path) -> None:
    nothing = Run(plan=a_run().plan, began_at=0)

    draw([a_trial(nothing, disruptions=[])], tmp_path / "chaos.png")

    assert (tmp_path / "chaos.png").stat().st_size > 1_000
