"""The demo on the service as it is deployed, and proof that its audit really looks there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orders.domain.promises import Promise
from spillway.prove.demo.inspection import judge_run, read_tables
from spillway.prove.demo.plan import plan
from spillway.prove.demo.report import document
from spillway.prove.demo.result import Run
from spillway.prove.demo.run import run
from spillway.run.stack import running
from spillway.run.stack.fakes import Fakes
from tests.spillway.prove.demo.builders import Silent

if TYPE_CHECKING:
    from spillway.run.stack import Stack

ORDERS = 24


@pytest.fixture(scope="module")
def finished(stack: Stack) -> Run:
    planned = plan(orders=ORDERS, clients=4, copies=2, seed=5)
    return run(stack, planned, Silent(), private=False)


def test_every_promise_holds_and_every_order_settles(finished: Run) -> None:
    document_ = document(finished)
    counts = document_["orders"]

    assert finished.proven, json.dumps(document_["promises"], indent=2)
    assert all(verdict.judged for verdict in finished.promises.values())
    assert counts["sent"] == counts["accepted"] == ORDERS
    # Each was sent twice. On a busy machine a first answer may be lost, and its client asks again.
    assert counts["replayed"] >= ORDERS
    assert counts["unsettled"] == 0
    # What became of it depends on what its downstreams refuse.
    assert any(order.cancellation_taken for order in finished.placed)


@pytest.mark.parametrize(
    ("step", "downstream"),
    [("reserve", "inventory"), ("ship", "fulfilment"), ("post", "accounting")],
)
def test_an_effect_taken_out_of_a_downstreams_own_table_is_noticed(
    stack: Stack, finished: Run, step: str, downstream: str
) -> None:
    dynamodb = stack.client("dynamodb")
    confirmed = {order.key for order in finished.placed if order.status == "confirmed"}
    effect = next(e for e in finished.effects if e.step == step and e.key in confirmed)
    key = {
        "pk": {"S": f"{effect.key.customer_id}/{effect.key.order_id}"},
        "sk": {"S": f"{step}#{effect.idempotency_key}"},
    }
    taken = dynamodb.delete_item(
        TableName=stack.tables[downstream], Key=key, ReturnValues="ALL_OLD"
    )["Attributes"]
    try:
        again = _judged_again(stack, finished)
    finally:
        dynamodb.put_item(TableName=stack.tables[downstream], Item=taken)

    verdict = again.promises[Promise.NEVER_HALF_DONE]
    assert verdict.violations == 1
    assert effect.key.order_id in verdict.examples[0]


def test_an_order_taken_out_of_the_orders_table_is_noticed(stack: Stack, finished: Run) -> None:
    dynamodb = stack.client("dynamodb")
    order = finished.placed[0]
    key = {"pk": {"S": order.key.customer_id}, "sk": {"S": order.key.order_id}}
    taken = dynamodb.delete_item(TableName=stack.tables["orders"], Key=key, ReturnValues="ALL_OLD")[
        "Attributes"
    ]
    try:
        again = _judged_again(stack, finished)
    finally:
        dynamodb.put_item(TableName=stack.tables["orders"], Item=taken)

    assert again.promises[Promise.ACKNOWLEDGED_IS_DURABLE].violations == 1


def test_the_picture_and_the_document_can_be_written(finished: Run, tmp_path: Path) -> None:
    from spillway.prove.demo.chart import draw

    draw(finished, tmp_path / "run.png")

    assert (tmp_path / "run.png").stat().st_size > 10_000
    assert json.loads(json.dumps(document(finished)))["orders"]["sent"] == ORDERS


def _judged_again(stack: Stack, finished: Run) -> Run:
    again = Run(plan=finished.plan, began_at=finished.began_at, placed=finished.placed)
    read_tables(stack, again, private=False)
    judge_run(again)
    return again


@pytest.mark.slow
@pytest.mark.emulator
def test_every_promise_holds_with_the_example_downstreams_too() -> None:
    """An ERP that calls back, a warehouse behind queues, an accounting without idempotency keys."""
    with running(fakes=Fakes.EXAMPLES) as stack:
        finished = run(stack, plan(orders=40, clients=4, seed=5), Silent(), private=True)
    document_ = document(finished)

    assert finished.proven, json.dumps(document_["promises"], indent=2)
    assert all(verdict.judged for verdict in finished.promises.values())
    assert document_["orders"]["unsettled"] == 0
    by_downstream = {effect.downstream for effect in finished.effects if effect.done}
    assert by_downstream == {"inventory", "fulfilment", "accounting"}
