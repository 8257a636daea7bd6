"""A rehearsed restore: orders that are gone come back from a point in time, settled as before."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from spillway.cli import app
from spillway.run.stack import Stack
from tests.e2e.shop import Customer, effects

COPY = "spillway-local-orders-restored"


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


def test_lost_orders_come_back_with_their_facts_and_nothing_happens_twice(
    stack: Stack, ada: Customer, copy: str
) -> None:
    lost, kept = ada.place(), ada.place()
    before = ada.settled(lost)
    ada.settled(kept)
    restore_to_now(stack)
    lose(stack, ada, lost)
    since = ada.place()

    assert restore(stack, "--dry-run")["put_back"] == 2
    assert ada.http.get(f"/orders/{lost}").status_code == 404
    assert restore(stack)["put_back"] == 2
    assert ada.get(lost) == before
    # What came after the backup is there as before; and a second run finds nothing to do.
    assert ada.settled(since)["status"] == "confirmed"
    assert restore(stack)["put_back"] == 0
    time.sleep(2)
    assert effects(stack, ada, lost) == {"reserve": 1, "ship": 1, "post": 1}


def test_the_table_is_not_restored_from_itself(stack: Stack) -> None:
    command = ["restore", stack.tables["orders"], "--port", str(stack.port)]
    done = CliRunner().invoke(app, command)
    assert "is the orders table itself" in str(done.exception)
