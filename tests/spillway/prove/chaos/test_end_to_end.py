"""Chaos on the service as it is deployed, and proof that it notices a missing guard.

The two scenarios that tell the most for their time; all of them is `spillway chaos`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from spillway.prove.chaos.controls import Nobody
from spillway.prove.chaos.planting import plant
from spillway.prove.chaos.report import document
from spillway.prove.chaos.scenarios import BY_NAME
from spillway.prove.chaos.trial import Trial, planned_for, try_control, try_out
from spillway.prove.mutants.catalogue import NEVER_CHECKED
from spillway.run.stack import Stack, running

pytestmark = pytest.mark.emulator

ORDERS = 15


@pytest.fixture
def private_stack() -> Iterator[Stack]:
    """Chaos leaves nothing as it was."""
    with running() as stack:
        yield stack


def tried(stack: Stack, name: str) -> Trial:
    scenario = BY_NAME[name]
    return try_out(stack, scenario, planned_for(scenario, orders=ORDERS, seed=7), Nobody())


def test_a_table_that_refuses_all_writes_loses_no_order(private_stack: Stack) -> None:
    trial = tried(private_stack, "table-throttled")
    document_ = document([trial])["scenarios"]["table-throttled"]

    assert trial.held, json.dumps(document_, indent=2)
    assert document_["orders"]["unsettled"] == 0
    # How many are answered in those seconds is the machine's affair; how they are, is not.
    (refusing,) = trial.disruptions
    meanwhile = {a.status for a in trial.answers if refusing.began_at < a.at < refusing.ended_at}
    assert meanwhile == {202}
    assert document_["orders"]["buffered"] == trial.statuses["202"]
    assert trial.statuses["201"] + trial.statuses["202"] == ORDERS


def test_poison_is_dead_lettered_and_holds_nobody_up(private_stack: Stack) -> None:
    trial = tried(private_stack, "poison")
    document_ = document([trial])["scenarios"]["poison"]

    assert trial.held, json.dumps(document_, indent=2)
    assert document_["measures"]["dead_letters_seen"] == 6
    assert document_["orders"]["unsettled"] == 0


def test_an_order_that_is_answered_and_not_stored_is_noticed(private_stack: Stack) -> None:
    scenario = BY_NAME["table-throttled"]
    control = next(c for c in scenario.controls if c.mutants)

    controlled = try_control(
        private_stack,
        scenario,
        control,
        planned_for(scenario, orders=ORDERS, seed=7),
        Nobody(),
    )

    assert controlled.evidence is not None
    assert "not in the table" in controlled.evidence


def test_a_guard_is_removed_from_every_function(private_stack: Stack) -> None:
    lambda_ = private_stack.client("lambda")
    before = {f["FunctionName"]: f["CodeSha256"] for f in lambda_.list_functions()["Functions"]}

    plant(private_stack, [NEVER_CHECKED])

    after = {f["FunctionName"]: f["CodeSha256"] for f in lambda_.list_functions()["Functions"]}
    changed = {name for name in after if after[name] != before[name]}
    assert {name.removeprefix("spillway-local-") for name in changed} == {
        *("intake", "reads", "drain", "relay", "watchdog"),
        *("deliver-inventory", "deliver-fulfilment", "deliver-accounting"),
    }
    assert len({after[name] for name in changed}) == 1
