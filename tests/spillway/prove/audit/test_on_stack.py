"""`spillway audit` on the deployed service, as a process with an exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from orders.domain.order import OrderKey
from spillway.run.stack import Stack
from tests.builders import order_key
from tests.e2e.shop import Customer


def run_audit(stack: Stack) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-c", "from spillway.cli import main; main()"]
    done = subprocess.run(  # noqa: S603
        [*command, "audit", "--json", "--port", str(stack.port)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


def test_an_effect_that_is_missing_is_found_and_its_order_named(
    stack: Stack, shopper: Customer
) -> None:
    ids = [shopper.place() for _ in range(3)]
    for id_ in ids:
        shopper.settled(id_)
    healthy, report = run_audit(stack)
    assert (healthy, report["broken"]) == (0, [])
    assert report["orders"]["stored"] >= len(ids)
    assert report["promises"]["own_orders_only"]["judged"]

    key = order_key(shopper.id, ids[1])
    deleted = take_away_an_effect(stack, key)
    try:
        status, report = run_audit(stack)
    finally:
        stack.client("dynamodb").put_item(TableName=stack.tables["accounting"], Item=deleted)

    assert status == 1
    assert not report["promises"]["never_half_done"]["held"]
    assert [(one["customer"], one["order_id"]) for one in report["broken"]] == [
        (key.customer_hash, key.order_id)
    ]
    assert run_audit(stack)[0] == 0


def take_away_an_effect(stack: Stack, key: OrderKey) -> dict[str, Any]:
    dynamodb, table = stack.client("dynamodb"), stack.tables["accounting"]
    (item,) = dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :order",
        ExpressionAttributeValues={":order": {"S": f"{key.customer_id}/{key.order_id}"}},
    )["Items"]
    dynamodb.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})
    taken: dict[str, Any] = item
    return taken
