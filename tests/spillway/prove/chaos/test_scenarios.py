"""The catalogue is complete, and what scenarios measure is right."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import Facts, Outcome, Step
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.prove.chaos.scenarios import BY_NAME, Interrupted, LeftOut, settled_per_second
from spillway.prove.chaos.trial import planned_for
from spillway.prove.demo.result import shipped_after
from spillway.target.records import Effect, Record
from tests.spillway.prove.audit.builders import effect
from tests.spillway.prove.chaos.builders import CONTROL, broken_trial
from tests.spillway.prove.demo.builders import an_order, key

if TYPE_CHECKING:
    from spillway.prove.chaos.context import ScenarioContext


def test_these_are_all_scenarios() -> None:
    assert list(BY_NAME) == [
        "inventory-outage",
        "accounting-outage",
        "accounting-slow",
        "wrong-key",
        "lost-answers",
        "latency",
        "duplicates",
        "table-throttled",
        "workers-killed",
        "express-interrupted",
        "relay-failing",
        "poison",
        "spike",
        "lost-outcomes",
    ]


def test_three_scenarios_have_a_control() -> None:
    controlled = [s.name for s in BY_NAME.values() if s.control is not None]

    assert controlled == ["wrong-key", "table-throttled", "express-interrupted"]


@pytest.mark.parametrize(
    ("promise", "detail", "found"),
    [
        (Promise.ALWAYS_SETTLES, "waits for reserve", True),
        (Promise.ALWAYS_SETTLES, "the queue holds 3 messages", False),
        (Promise.ZERO_IDLE, "waits for reserve", False),
    ],
)
def test_a_control_wants_its_own_promise_broken_in_its_own_way(
    promise: Promise, detail: str, found: bool
) -> None:
    evidence = CONTROL.evidence(broken_trial(promise, detail).run.promises)

    assert (evidence is not None) is found
    assert evidence is None or detail in evidence


def test_a_scenario_has_the_orders_asked_for_and_those_for_comparison_on_top() -> None:
    plans = {s.name: planned_for(s, orders=20, seed=3) for s in BY_NAME.values()}

    assert {name: len(plan.drafts) for name, plan in plans.items()} == {
        name: 30 if name.startswith("accounting-") else 20 for name in BY_NAME
    }
    assert plans["duplicates"].copies == 3
    assert all(plan.outage_orders == 0 for plan in plans.values())


def test_the_same_seed_gives_the_same_orders() -> None:
    scenario = BY_NAME["poison"]

    assert planned_for(scenario, orders=5, seed=3) == planned_for(scenario, orders=5, seed=3)
    assert planned_for(scenario, orders=5, seed=3) != planned_for(scenario, orders=5, seed=4)


def record(of: OrderKey, accepted_at: int | None, *facts_at: int) -> Record:
    outcomes = dict(zip(Step, (Outcome(Millis(at)) for at in facts_at), strict=False))
    accepted = None if accepted_at is None else Millis(accepted_at)
    return Record(key=of, accepted_at=accepted, size=None, facts=Facts(outcomes))


def test_shipping_is_timed_from_acceptance_and_only_for_what_was_shipped() -> None:
    records = {key(0): record(key(0), 1_000), key(1): record(key(1), 2_000)}
    effects = [
        effect(Step.RESERVE, key=key(1), at=2_500),
        effect(Step.SHIP, key=key(0), at=3_500),
        effect(Step.SHIP, key=key(2), at=4_000),
    ]

    assert shipped_after(records, effects) == {key(0): 2.5}


class Seen:
    """What a context reads of a stack."""

    def __init__(self, records: dict[OrderKey, Record], effects: dict[str, list[Effect]]) -> None:
        self._records, self._effects = records, effects

    def records(self) -> dict[OrderKey, Record]:
        return self._records

    def effects(self, downstream: str) -> list[Effect]:
        return self._effects[downstream]


def test_an_order_was_interrupted_if_it_shipped_before_the_reservation_on_record() -> None:
    reserved_at = {key(number): record(key(number), 1_000, 2_000) for number in range(3)}
    unreserved = record(key(3), 1_000)
    effects = {
        "fulfilment": [
            effect(Step.SHIP, key=key(0), at=1_900),
            effect(Step.SHIP, key=key(1), at=2_100),
            effect(Step.SHIP, key=key(3), at=1_900),
        ],
        "accounting": [
            effect(Step.POST, key=key(0), at=1_950),
            effect(Step.POST, key=key(2), at=1_950),
        ],
    }
    seen = Seen(reserved_at | {key(3): unreserved}, effects)

    assert Interrupted(cast("ScenarioContext", seen)).fired() == 2


def test_a_step_was_left_out_of_a_write_that_has_others() -> None:
    noted: list[tuple[Step, ...]] = [
        (Step.RESERVE, Step.SHIP, Step.POST),
        (Step.RESERVE, Step.POST),
        (),
    ]
    records = {
        key(number): replace(record(key(number), 1_000, 2_000), express=steps)
        for number, steps in enumerate(noted)
    }

    assert LeftOut(cast("ScenarioContext", Seen(records, {})), Step.SHIP).fired() == 1


def test_a_rate_is_measured_from_the_first_acceptance_to_the_last_fact() -> None:
    orders = [an_order(number, key=key(number)) for number in range(2)]
    records = {
        key(0): record(key(0), 1_000, 1_500, 2_000),
        key(1): record(key(1), 3_000, 5_000),
    }

    assert settled_per_second(records, orders) == 0.5


def test_no_rate_is_measured_when_nothing_settled() -> None:
    orders = [an_order(0, key=key(0))]

    with pytest.raises(SpillwayError, match="--orders"):
        settled_per_second({key(0): record(key(0), 1_000)}, orders)
