"""What Spillway sends is what the downstreams' contracts in docs/contracts/ ask for."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, REFUSABLE, Step
from orders.downstream.answers import first_that_fits
from orders.downstream.description import described
from orders.downstream.keys import idempotency_key
from orders.downstream.template import Scope
from orders.downstream.transport import Answer
from orders.ports import Command
from tests.builders import CUSTOMER, FREE, an_order, order_id

EVERY_FIELD = {
    "name": "A. Buyer",
    "lines": ["1 Main Street", "Apt 2"],
    "city": "Springfield",
    "postal_code": "62701",
    "country": "US",
    "state": "IL",
    "phone": "+1 217 555 0100",
    "email": "a.buyer@example.com",
}
CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"


@cache
def document(downstream: str) -> dict[str, Any]:
    read: dict[str, Any] = msgspec.yaml.decode((CONTRACTS / f"{downstream}.yaml").read_text())
    return read


def contract(step: Step) -> dict[str, Any]:
    return document(DOWNSTREAM_OF[step])


def operation(step: Step, method: str = "post") -> dict[str, Any]:
    path = request(step).path(Scope(command(step)))
    described: dict[str, Any] = contract(step)["paths"][path][method]
    return described


def request(step: Step) -> Any:
    name = DOWNSTREAM_OF[step]
    return described(name, name).requests[step]


def command(step: Step, **fields: Any) -> Command:
    return Command(OrderKey(CUSTOMER, order_id()), step, an_order(**fields))


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"channel": "wholesale", "purchase_order": "PO-1"},
        {"address": {"name": "A", "lines": ["1"], "city": "Tsim Sha Tsui", "country": "HK"}},
        {"address": EVERY_FIELD},
        {
            "discounts": [{"coupon": "XMAS10", "amount": 10}],
            "total": 895,
            "payment": {"reference": "pay_01", "amount": 895, "currency": "GBP"},
        },
        FREE,
    ],
)
def test_each_request_is_as_the_contract_has_it(step: Step, fields: dict[str, Any]) -> None:
    schema = operation(step)["requestBody"]["content"]["application/json"]["schema"]
    body = json.loads(msgspec.json.encode(request(step).body(Scope(command(step, **fields)))))
    components = contract(step)["components"]
    check(schema, components, body)


@pytest.mark.parametrize("step", list(Step))
def test_each_idempotency_key_is_as_the_contract_has_it(step: Step) -> None:
    components = contract(step)["components"]
    schema = components["parameters"]["IdempotencyKey"]["schema"]
    check(schema, components, idempotency_key(command(step)))


@pytest.mark.parametrize("step", list(Step))
def test_each_lookup_is_as_the_contract_has_it(step: Step) -> None:
    components = contract(step)["components"]
    asked = dict(
        parse_qsl(urlsplit(request(step).lookup(Scope(command(step)))).query, strict_parsing=True)
    )
    parameters = [
        components["parameters"][parameter["$ref"].rsplit("/", 1)[1]]
        for parameter in operation(step, "get")["parameters"]
    ]
    assert {parameter["name"] for parameter in parameters} == set(asked)
    for parameter in parameters:
        check(parameter["schema"], components, asked[parameter["name"]])


@pytest.mark.parametrize("step", list(Step))
def test_a_lookup_finds_nothing_under_the_code_that_spillway_knows(step: Step) -> None:
    nothing = contract(step)["components"]["responses"]["NothingOnRecord"]
    assert operation(step, "get")["responses"]["404"] == {
        "$ref": "#/components/responses/NothingOnRecord"
    }
    example = nothing["content"]["application/problem+json"]["example"]
    answer = Answer(404, {}, b"")
    rule = first_that_fits(request(step).lookup_answers, answer, example, lookup=True)
    assert rule is not None
    assert rule.means == "nothing"


@pytest.mark.parametrize("method", ["post", "get"])
@pytest.mark.parametrize("step", list(Step))
def test_a_step_may_be_refused_where_the_contract_says_so_and_nowhere_else(
    step: Step, method: str
) -> None:
    assert ("409" in operation(step, method)["responses"]) == (step in REFUSABLE)


def check(schema: dict[str, Any], components: dict[str, Any], value: Any) -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator({**schema, "components": components}).validate(value)
