"""What Spillway sends is what the downstreams' contracts in docs/contracts/ ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, REFUSABLE, Step
from orders.downstream import REQUEST_OF
from orders.downstream.http import idempotency_key
from orders.ports import Command
from tests.builders import CUSTOMER, an_order, order_id

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"


def contract(step: Step) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(
        (CONTRACTS / f"{DOWNSTREAM_OF[step]}.yaml").read_text()
    )
    return document


def operation(step: Step) -> dict[str, Any]:
    path = REQUEST_OF[DOWNSTREAM_OF[step]](command(step)).path
    described: dict[str, Any] = contract(step)["paths"][path]["post"]
    return described


def command(step: Step, **fields: Any) -> Command:
    return Command(OrderKey(CUSTOMER, order_id()), step, an_order(**fields))


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"channel": "wholesale", "purchase_order": "PO-1"},
        {
            "discounts": [{"coupon": "XMAS10", "amount": 10}],
            "total": 895,
            "payment": {"reference": "pay_01", "amount": 895, "currency": "GBP"},
        },
    ],
)
def test_each_request_is_as_the_contract_has_it(step: Step, fields: dict[str, Any]) -> None:
    request = REQUEST_OF[DOWNSTREAM_OF[step]](command(step, **fields))
    schema = operation(step)["requestBody"]["content"]["application/json"]["schema"]
    body = json.loads(msgspec.json.encode(request.body))
    components = contract(step)["components"]
    Draft202012Validator({**schema, "components": components}).validate(body)


@pytest.mark.parametrize("step", list(Step))
def test_each_idempotency_key_is_as_the_contract_has_it(step: Step) -> None:
    components = contract(step)["components"]
    schema = components["parameters"]["IdempotencyKey"]["schema"]
    Draft202012Validator({**schema, "components": components}).validate(
        idempotency_key(command(step))
    )


@pytest.mark.parametrize("step", list(Step))
def test_a_step_may_be_refused_where_the_contract_says_so_and_nowhere_else(step: Step) -> None:
    assert ("409" in operation(step)["responses"]) == (step in REFUSABLE)
