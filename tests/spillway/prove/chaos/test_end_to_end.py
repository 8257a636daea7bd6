"""Chaos on the service as it is deployed, and proof that it notices a missing guard.

All scenarios are `spillway chaos`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from spillway.prove.chaos.mutant import deployed
from spillway.prove.chaos.report import document
from spillway.prove.chaos.scenario import Scenario, Trial
from spillway.prove.chaos.scenarios import BY_NAME, refuse_our_key
from spillway.prove.chaos.trial import planned_for, try_out
from spillway.prove.mutants.catalogue import BY_NAME as MUTANTS
from spillway.run.stack import Stack, running
from tests.needs import starts
from tests.spillway.prove.demo.builders import Silent

ORDERS = 15


@pytest.fixture(scope="module")
@starts("emulator")
def private_stack() -> Iterator[Stack]:
    """A mutant is deployed over it."""
    with running() as stack:
        yield stack


def tried(stack: Stack, name: str, *, private: bool) -> tuple[Trial, dict[str, Any]]:
    scenario = BY_NAME[name]
    planned = planned_for(scenario, orders=ORDERS, seed=7)
    trial = try_out(stack, scenario, planned, Silent(), private=private)
    found: dict[str, Any] = document([trial])["scenarios"][name]
    assert trial.held, json.dumps(found, indent=2)
    assert found["orders"]["unsettled"] == 0
    return trial, found


def test_a_table_that_refuses_all_writes_loses_no_order(stack: Stack) -> None:
    trial, found = tried(stack, "table-throttled", private=False)

    # How many are answered meanwhile depends on the machine; how they are answered does not.
    (refusing,) = trial.disruptions
    meanwhile = {
        a.status for a in trial.recorder.answers if refusing.began_at < a.at < refusing.ended_at
    }
    assert meanwhile == {202}
    assert found["orders"]["buffered"] == trial.statuses["202"]
    assert trial.statuses["201"] + trial.statuses["202"] == ORDERS


@pytest.mark.slow
@pytest.mark.emulator
class TestOnAStackOfItsOwn:
    def test_a_key_that_is_wrong_for_two_minutes_of_a_hundred_orders_needs_no_other_hand(
        self, private_stack: Stack
    ) -> None:
        steps = partial(refuse_our_key, downstream="inventory", for_seconds=120)
        scenario = Scenario("wrong-key", "Inventory refuses our key for two minutes.", steps)
        trial = try_out(
            private_stack, scenario, planned_for(scenario, orders=100, seed=7), Silent()
        )

        found = document([trial])["scenarios"]["wrong-key"]
        assert trial.held, json.dumps(found, indent=2)
        assert found["orders"]["unsettled"] == 0
        [refusing] = trial.disruptions
        assert refusing.ended_at - refusing.began_at >= 120_000
        # The alarm's period there is half a minute, and what has happened in it rings at once.
        assert trial.measures["rang_after_seconds"] < 60

    def test_poison_is_dead_lettered_and_delays_no_order(self, private_stack: Stack) -> None:
        _, found = tried(private_stack, "poison", private=True)

        assert found["measures"]["dead_letters_seen"] == 6

    def test_workers_are_killed_and_every_order_settles(self, private_stack: Stack) -> None:
        trial, _ = tried(private_stack, "workers-killed", private=True)

        assert sum(disruption.hits or 0 for disruption in trial.disruptions) > 5

    def test_what_a_wrong_key_is_refused_and_dead_lettered_is_noticed(
        self, private_stack: Stack
    ) -> None:
        scenario = BY_NAME["wrong-key"]
        assert scenario.control is not None
        planned = planned_for(scenario, orders=ORDERS, seed=8)

        with deployed(private_stack, scenario.control.mutant):
            control = try_out(private_stack, scenario, planned, Silent(), private=False)

        assert control.evidence is not None
        assert "dead-lettered while accounting refused our key" in control.evidence

    def test_an_order_that_is_answered_and_not_stored_is_noticed(
        self, private_stack: Stack
    ) -> None:
        scenario = BY_NAME["table-throttled"]
        assert scenario.control is not None
        planned = planned_for(scenario, orders=ORDERS, seed=8)

        with deployed(private_stack, scenario.control.mutant):
            control = try_out(private_stack, scenario, planned, Silent(), private=False)

        assert control.evidence is not None
        assert "not in the table" in control.evidence

    def test_every_function_runs_the_mutant_and_then_its_old_version(
        self, private_stack: Stack
    ) -> None:
        before = live_code(private_stack)

        with deployed(private_stack, MUTANTS["never-checked"]):
            meanwhile = live_code(private_stack)

        assert set(before) == {
            *("intake", "reads", "drain", "relay", "watchdog", "archive"),
            *("deliver-inventory", "deliver-fulfilment", "deliver-accounting"),
        }
        assert all(meanwhile[name] != before[name] for name in before)
        assert len({*meanwhile.values()}) == 1
        assert live_code(private_stack) == before


def live_code(stack: Stack) -> dict[str, str]:
    """The code that each function runs, by the function's name."""
    lambda_ = stack.client("lambda")
    names = [
        function["FunctionName"]
        for function in lambda_.list_functions()["Functions"]
        if function.get("Handler", "").startswith("orders.handlers.")
    ]
    return {
        name.removeprefix("spillway-local-"): lambda_.get_function_configuration(
            FunctionName=name, Qualifier="live"
        )["CodeSha256"]
        for name in names
    }
