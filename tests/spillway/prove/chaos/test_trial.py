"""When a scenario counts as proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orders.domain.promises import Promise
from orders.domain.saga import Step
from spillway.prove.chaos.scenario import Disruption, Trial
from spillway.prove.demo.result import Run
from spillway.target.records import Way
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


def went(*express: Sequence[Step]) -> Trial:
    """Of a scenario that must meet both ways: orders with these notes."""
    run = a_run()
    records = [one for one in run.records.values() if one.facts.done(Step.RESERVE)]
    run.records = {
        one.key: replace(one, may_go_express=True, express=steps)
        for one, steps in zip(records, express, strict=False)
    }
    return a_trial(run, scenario=a_scenario(both_ways=True))


WHOLE = (Step.RESERVE, Step.SHIP, Step.POST)
IN_PART = (Step.RESERVE, Step.POST)


def test_where_no_order_may_go_by_the_express_path_none_has_to() -> None:
    trial = a_trial(scenario=a_scenario(both_ways=True))

    assert not trial.run.ways
    assert trial.held


def test_a_scenario_that_met_orders_of_both_ways_is_held() -> None:
    trial = went(WHOLE, IN_PART, WHOLE, ())

    assert trial.run.ways == {Way.EXPRESS: 2, Way.PARTLY: 1, Way.QUEUES: 1}
    assert trial.held


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
        (went(IN_PART, ()), ["no order went by the express path"]),
        (went(WHOLE, WHOLE), ["no order went by the queues"]),
    ],
)
def test_a_scenario_that_did_not_do_what_it_says_is_not_held(
    trial: Trial, shortcomings: list[str]
) -> None:
    assert trial.shortcomings == shortcomings
    assert not trial.held


def test_a_disruption_whose_hits_cannot_be_counted_is_accepted() -> None:
    assert a_trial(disruptions=[Disruption("inventory out", 0, 1, hits=None)]).held
