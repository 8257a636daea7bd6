"""When a scenario counts as proven."""

from __future__ import annotations

import pytest

from orders.domain.promises import Promise
from spillway.prove.chaos.scenario import Disruption, Trial
from spillway.prove.demo.result import Run
from tests.spillway.prove.chaos.builders import (
    a_control,
    a_scenario,
    a_trial,
    answers,
    broken_trial,
)
from tests.spillway.prove.demo.builders import a_run, an_order


def test_a_scenario_is_proven_when_it_held_and_its_control_found_the_violation() -> None:
    trial = a_trial()

    assert trial.held
    assert trial.proven
    assert trial.shortcomings == []


def test_a_broken_promise_is_not_held() -> None:
    trial = broken_trial(Promise.NEVER_HALF_DONE, "not shipped")

    assert not trial.held
    assert not trial.proven


def test_a_control_that_finds_nothing_proves_nothing() -> None:
    trial = a_trial(control=a_control())

    assert trial.held
    assert not trial.proven


def hit_nothing() -> Trial:
    return a_trial(disruptions=[Disruption("lights out", 0, 1, hits=0)])


def answered_unexpectedly() -> Trial:
    scenario = a_scenario(statuses=frozenset({201, 503}))
    return a_trial(scenario=scenario, recorder=answers(201, 500, None))


def nothing_accepted() -> Trial:
    run = Run(plan=a_run().plan, began_at=0)
    run.placed = [
        an_order(n, answers=[], refusal={"status": 422}) for n, _ in enumerate(run.plan.drafts)
    ]
    return a_trial(run)


def given_up() -> Trial:
    run = a_run()
    run.placed[0].answers = []
    return a_trial(run)


@pytest.mark.parametrize(
    ("trial", "shortcomings"),
    [
        (hit_nothing(), ["hit nothing: lights out"]),
        (
            answered_unexpectedly(),
            ["customers were answered 500", "customers were answered none"],
        ),
        (nothing_accepted(), ["no order was accepted"]),
        (given_up(), ["some orders were never answered"]),
        (a_trial(seen_beside=["the door was open"]), ["the door was open"]),
    ],
)
def test_a_scenario_that_did_not_do_what_it_says_is_not_held(
    trial: Trial, shortcomings: list[str]
) -> None:
    assert trial.shortcomings == shortcomings
    assert not trial.held


def test_a_disruption_whose_hits_cannot_be_counted_is_accepted() -> None:
    assert a_trial(disruptions=[Disruption("inventory out", 0, 1, hits=None)]).held
