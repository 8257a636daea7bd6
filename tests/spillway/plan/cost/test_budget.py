"""The budget: met as things are, exceeded by each kind of regression, with the culprit named."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from spillway.plan.cost.budget import Excess, budget, check, exceeded
from spillway.plan.cost.deployed import deployed
from spillway.plan.cost.measurement import Calls, Measurement
from spillway.plan.cost.model import CostModel, cost_model
from tests.spillway.plan.cost.builders import calls


@pytest.fixture(scope="module")
def ours() -> CostModel:
    return cost_model()


def _with_calls(ours: CostModel, function: str, *more: Calls) -> CostModel:
    """The service as it would be if a function made more calls."""
    measured: Measurement = ours.measurement
    use = measured.functions[function]
    changed = msgspec.structs.replace(use, calls=[*use.calls, *more])
    functions = {**measured.functions, function: changed}
    return replace(ours, measurement=msgspec.structs.replace(measured, functions=functions))


def _exceeded(changed: CostModel, ours: CostModel) -> list[Excess]:
    return exceeded(changed, ours, budget())


def test_the_service_as_it_is_keeps_its_budget() -> None:
    """Counted again in the simulation, as `make check` does."""
    assert check(None, "dev", budget()) == []


def test_the_budget_is_no_wider_than_the_aim(ours: CostModel) -> None:
    allowed = budget()
    assert allowed.listed.crowd_per_million <= 3.80
    assert allowed.listed.one_by_one_per_million is not None
    assert allowed.listed.one_by_one_per_million <= 7.50
    assert allowed.billed.idle_per_month <= 2.00


def test_an_order_that_is_read_once_more_fails(ours: CostModel) -> None:
    orders = float(ours.measurement.orders)
    read = calls("dynamodb", "GetItem", "orders", orders, read_units=orders)
    excess, *_ = _exceeded(_with_calls(ours, "deliver-inventory", read), ours)
    assert excess.name == "dynamodb.read_units of an order"
    assert any("table: orders read went from" in culprit for culprit in excess.culprits)


def test_a_second_item_for_each_order_fails(ours: CostModel) -> None:
    orders = float(ours.measurement.orders)
    write = calls("dynamodb", "PutItem", "orders", orders, write_units=orders)
    excesses = _exceeded(_with_calls(ours, "intake", write), ours)
    assert excesses[0].name == "dynamodb.write_units of an order"
    assert "table: orders written" in str(excesses[0])
    assert any("billed" in excess.name for excess in excesses)


def test_messages_sent_one_by_one_fail(ours: CostModel) -> None:
    orders = float(ours.measurement.orders)
    sent = calls("sqs", "SendMessage", "inventory", orders, chunks=orders)
    excess, *_ = _exceeded(_with_calls(ours, "relay", sent), ours)
    assert excess.name == "sqs.requests of an order"
    assert "queues: commands sent" in str(excess)


def test_functions_that_chatter_fail(ours: CostModel) -> None:
    functions = {
        name: msgspec.structs.replace(use, log_bytes=use.log_bytes + 4_000 * use.records)
        for name, use in ours.measurement.functions.items()
    }
    loud = msgspec.structs.replace(ours.measurement, functions=functions)
    excesses = _exceeded(replace(ours, measurement=loud), ours)
    assert any("logs: of the functions" in str(excess) for excess in excesses)


def test_more_memory_fails(ours: CostModel) -> None:
    memory = dict.fromkeys(ours.stage.memory_mb, 2_048.0)
    larger = replace(ours, stage=msgspec.structs.replace(ours.stage, memory_mb=memory))
    excesses = _exceeded(larger, ours)
    assert any("time went from" in str(excess) for excess in excesses)


def test_alarms_without_end_fail_the_idle_budget(ours: CostModel) -> None:
    crowded = msgspec.structs.replace(deployed("dev"), alarms=60)
    excesses = _exceeded(replace(ours, stage=crowded), ours)
    assert excesses
    assert all("idle" in excess.name and "alarms" in str(excess) for excess in excesses)
