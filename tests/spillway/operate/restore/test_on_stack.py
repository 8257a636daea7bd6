"""A rehearsed restore: orders that are gone come back from a point in time, settled as before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from orders.aws.coupons import claim_key
from spillway.cli import app
from spillway.run.stack import Stack
from tests.builders import order_key
from tests.e2e.shop import Customer, effects

COPY = "spillway-local-orders-restored"
#: Once per customer, for the first hundred.
COUPON = "FIRST100"
MUG = {"sku": "MUG-SAGE", "quantity": 1}


@pytest.fixture
def ada(stack: Stack) -> Customer:
    return Customer(stack, "shopper")


@pytest.fixture
def copy(stack: Stack) -> Iterator[str]:
    yield COPY
    stack.client("dynamodb").delete_table(TableName=COPY)


def restore_to_now(stack: Stack) -> None:
    """As docs/production.md has an operator do it."""
    dynamodb = stack.client("dynamodb")
    table = stack.tables["orders"]
    dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=table, TargetTableName=COPY, UseLatestRestorableTime=True
    )
    dynamodb.get_waiter("table_exists").wait(TableName=COPY, WaiterConfig={"Delay": 1})


def lose(stack: Stack, customer: Customer, id_: str) -> None:
    for sk in (id_, f"{id_}#progress"):
        stack.client("dynamodb").delete_item(
            TableName=stack.tables["orders"], Key={"pk": {"S": customer.id}, "sk": {"S": sk}}
        )
    assert customer.http.get(f"/orders/{id_}").status_code == 404


def restore(stack: Stack, *options: str) -> dict[str, Any]:
    command = ["restore", COPY, "--json", "--port", str(stack.port), *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def uses_of(stack: Stack, customer: Customer, id_: str) -> list[dict[str, Any]]:
    """What an order has claimed, as it is in the coupons table: its one use, and a counter."""
    dynamodb = stack.client("dynamodb")
    key = {"pk": {"S": customer.id}, "sk": {"S": id_}}
    order = dynamodb.get_item(TableName=stack.tables["orders"], Key=key, ConsistentRead=True)
    keys = [claim_key(name, order_key(customer.id, id_)) for name in order["Item"]["claims"]["SS"]]
    found = [
        dynamodb.get_item(
            TableName=stack.tables["coupons"], Key={"pk": {"S": key}}, ConsistentRead=True
        )
        for key in sorted(keys)
    ]
    return [answer["Item"] for answer in found]


def test_lost_orders_come_back_with_their_facts_and_nothing_happens_twice(
    stack: Stack, ada: Customer, copy: str
) -> None:
    (lost, body), kept = ada.order_by_the_book(MUG, COUPON), ada.place()
    assert ada.put(lost, body).status_code == 201
    uses = uses_of(stack, ada, lost)
    assert len(uses) == 2
    before = ada.settled(lost)
    ada.settled(kept)
    restore_to_now(stack)
    lose(stack, ada, lost)
    for use in uses:
        stack.client("dynamodb").delete_item(
            TableName=stack.tables["coupons"], Key={"pk": use["pk"]}
        )
    since = ada.place()

    assert restore(stack, "--dry-run")["put_back"] == 2
    assert ada.http.get(f"/orders/{lost}").status_code == 404
    done = restore(stack)
    assert (done["put_back"], done["coupon_uses"]) == (2, 2)
    assert ada.get(lost) == before
    assert uses_of(stack, ada, lost) == uses
    # What came after the backup is there as before; and a second run finds nothing to do.
    assert ada.settled(since)["status"] == "confirmed"
    assert restore(stack)["put_back"] == 0
    # Restoring the counter took two pauses, in which relay would have had time for it.
    assert effects(stack, ada, lost) == {"reserve": 1, "ship": 1, "post": 1}
    # On a stack that is kept, the next run needs the coupon too.
    assert ada.cancel(lost).status_code == 202


def test_the_table_is_not_restored_from_itself(stack: Stack) -> None:
    command = ["restore", stack.tables["orders"], "--port", str(stack.port)]
    done = CliRunner().invoke(app, command)
    assert "is a table in service itself" in str(done.exception)
