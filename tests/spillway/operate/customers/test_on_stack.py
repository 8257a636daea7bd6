"""`spillway customers erase` on the deployed service."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

import pytest
from typer.testing import CliRunner

from spillway.cli import app
from spillway.errors import CheckFailed
from spillway.run.stack import Stack
from tests.e2e.shop import Customer, effects, faulty


@pytest.fixture
def ada(stack: Stack) -> Customer:
    return Customer(stack, "other")


def erase(stack: Stack, customer: Customer) -> tuple[int, dict[str, Any]]:
    command = ["customers", "erase", customer.id, "--yes", "--json", "--port", str(stack.port)]
    done = CliRunner().invoke(app, command)
    return done.exit_code, json.loads(done.stdout)


def stored(stack: Stack, customer: Customer, id_: str) -> dict[str, Any]:
    key = {"pk": {"S": customer.id}, "sk": {"S": id_}}
    item: dict[str, Any] = stack.client("dynamodb").get_item(
        TableName=stack.tables["orders"], Key=key
    )["Item"]
    return item


def test_a_customer_is_erased_and_their_orders_stay(stack: Stack, ada: Customer) -> None:
    id_, body = ada.order()
    assert ada.put(id_, body).status_code == 201
    before = ada.settled(id_)
    # An id that was made void holds nothing that could be erased.
    never_ordered, _ = ada.order()
    assert ada.cancel(never_ordered, void=True).status_code == 200
    status, done = erase(stack, ada)
    assert never_ordered not in done["erased"]
    assert id_ in done["erased"]
    assert done["left"] == []
    assert status == 0

    shown = ada.get(id_)
    order = shown.pop("order")
    assert order["address"] == {
        "name": "erased",
        "lines": ["erased"],
        "city": "erased",
        "postal_code": "erased",
        "country": "GB",
    }
    expected = before.pop("order")
    assert {**order, "address": None} == {**expected, "address": None}
    assert shown == before
    content = zlib.decompress(stored(stack, ada, id_)["content"]["B"])
    assert b"Fletcher" not in content
    assert b"High Street" not in content

    # It was not taken for a new order, and the same order again is not one either.
    assert effects(stack, ada, id_) == {"reserve": 1, "ship": 1, "post": 1}
    again = ada.put(id_, body)
    assert again.status_code == 409
    assert ada.get(id_)["order"]["address"]["name"] == "erased"

    _, repeated = erase(stack, ada)
    assert repeated["erased"] == []
    assert id_ in repeated["were_erased"]


def test_an_order_under_way_keeps_its_address_until_it_has_settled(
    stack: Stack, ada: Customer
) -> None:
    with faulty(stack, "fulfilment", outage=True):
        id_ = ada.place()
        ada.when(id_, lambda order: any(step["step"] == "post" for step in order["steps"]))
        status, done = erase(stack, ada)
        assert (status, done["left"]) == (1, [id_])
        assert ada.get(id_)["order"]["address"]["name"] == "Ada Fletcher"
    assert ada.settled(id_)["status"] == "confirmed"
    assert erase(stack, ada)[0] == 0
    assert ada.get(id_)["order"]["address"]["name"] == "erased"


def test_an_unknown_customer_is_not_erased(stack: Stack) -> None:
    command = ["customers", "erase", "nobody", "--port", str(stack.port)]
    # Whoever mistyped an id isn't asked whether it may be erased.
    with pytest.raises(CheckFailed, match="nobody has no order"):
        CliRunner().invoke(app, command, catch_exceptions=False)


def test_whom_one_is_about_to_erase_is_shown_first(stack: Stack, ada: Customer) -> None:
    with faulty(stack, "fulfilment", outage=True):
        id_ = ada.place()
        command = ["customers", "erase", ada.id, "--port", str(stack.port)]
        asked = CliRunner().invoke(app, command, input="n\n")
        assert asked.exit_code == 1
        words = " ".join(asked.output.split())
        assert re.search(rf"Customer {ada.id} has \d+ orders? in local, made from 20", words)
        assert re.search(r"Not settled yet, and left: [1-9]\d*\.", words)
    assert ada.settled(id_)["order"]["address"]["name"] == "Ada Fletcher"
