"""docs/contracts/orders.yaml says what the code does."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orders.domain import money, refusals
from orders.domain.book import Article
from orders.domain.order import Address, Discount, Line, Order, OrderKey, Payment
from orders.domain.parcels import PARCELS_MAX, News, What
from orders.domain.quote import TRIES_MAX, QuoteLine, QuoteRequest
from orders.domain.refusals import Rule
from orders.domain.saga import Outcome, Step
from orders.domain.status import Status
from orders.domain.text import TEXT_MAX
from orders.failures import TransientFailure
from orders.flow.prices import Prices
from orders.flow.reads import PAGE_DEFAULT, PAGE_MAX, Reads
from orders.handlers import intake, reads
from simulation.world.runtime import FixedPriceBooks, MemoryCouponTries, MemoryLog, SetClock
from simulation.world.table import MemoryOrders, ThrottledOrders
from tests.builders import CUSTOMER, NOW, a_book, an_intake, line, order_body, order_id
from tests.orders.handlers.api_events import request

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "orders.yaml"
DOCUMENT: dict[str, Any] = msgspec.yaml.decode(CONTRACT.read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def test_it_is_valid_openapi() -> None:
    from openapi_spec_validator import validate

    validate(DOCUMENT)


@pytest.mark.parametrize("kind", [Order, Line, Discount, Address, Payment, QuoteRequest, QuoteLine])
def test_an_orders_fields_are_the_domains(kind: type) -> None:
    schema = SCHEMAS[kind.__name__]
    # A proof that comes with an order is not a part of one.
    beside = ["price_signature"] if kind is Order else []
    assert list(schema["properties"]) == [*(field.name for field in fields(kind)), *beside]
    required = [field.name for field in fields(kind) if field.default is MISSING]
    assert schema["required"] == required
    assert schema["additionalProperties"] is False


def test_the_limits_are_the_codes() -> None:
    order, line_ = SCHEMAS["Order"]["properties"], SCHEMAS["Line"]["properties"]
    assert order["lines"]["maxItems"] == refusals.LINES_MAX
    assert order["discounts"]["maxItems"] == refusals.DISCOUNTS_MAX
    assert order["total"]["maximum"] == money.AMOUNT_MAX
    assert SCHEMAS["Amount"]["maximum"] == money.AMOUNT_MAX
    assert line_["quantity"]["maximum"] == refusals.QUANTITY_MAX
    assert line_["unit_price"]["maximum"] == money.UNIT_PRICE_MAX
    assert line_["sku"]["maxLength"] == refusals.SKU_MAX
    assert SCHEMAS["Text"]["maxLength"] == TEXT_MAX
    assert SCHEMAS["Address"]["properties"]["lines"]["maxItems"] == refusals.ADDRESS_LINES_MAX
    assert f"{TRIES_MAX} different coupons" in DOCUMENT["paths"]["/quotes"]["post"]["description"]
    limit = DOCUMENT["paths"]["/orders"]["get"]["parameters"][0]["schema"]
    assert (limit["default"], limit["maximum"]) == (PAGE_DEFAULT, PAGE_MAX)


def test_the_names_are_the_codes() -> None:
    assert SCHEMAS["Violation"]["properties"]["rule"]["enum"] == [rule.value for rule in Rule]
    assert SCHEMAS["Status"]["enum"] == [status.value for status in Status]
    step = SCHEMAS["OrderView"]["properties"]["steps"]["items"]["properties"]["step"]
    assert step["enum"] == [step.value for step in Step]
    parcels = SCHEMAS["OrderView"]["properties"]["parcels"]
    assert parcels["maxItems"] == PARCELS_MAX


class Down(MemoryOrders):
    def progress(self, key: OrderKey) -> Any:
        raise TransientFailure("down")


ID = order_id()
REJECTED_ID = order_id()


def orders_to_show() -> MemoryOrders:
    orders = MemoryOrders()
    for id_ in (ID, REJECTED_ID):
        handle(request("PUT /orders/{order_id}", order_id=id_, body=order_body(id_)), orders)
    orders.record(OrderKey(CUSTOMER, ID), {Step.RESERVE: Outcome(NOW, reference="R-1")})
    orders.request_cancellation(OrderKey(CUSTOMER, ID), NOW, reserved=False)
    refusal = Outcome(NOW, refusal="out_of_stock")
    orders.record(OrderKey(CUSTOMER, REJECTED_ID), {Step.RESERVE: refusal})
    orders.record_news(OrderKey(CUSTOMER, ID), News("1", What.SHIPPED, NOW, "DHL", "00340"))
    orders.record_news(OrderKey(CUSTOMER, REJECTED_ID), News("1", What.RETURNED, NOW, parcels=1))
    return orders


def handle(event: dict[str, Any], orders: MemoryOrders) -> dict[str, Any]:
    if event["routeKey"].startswith("GET"):
        return reads.handle(event, Reads(orders, SetClock(NOW)), MemoryLog())
    if event["routeKey"] == QUOTE:
        return intake.handle(
            event, an_intake(orders, prices=PRICES, coupon_tries=TRIES), MemoryLog()
        )
    return intake.handle(event, an_intake(orders), MemoryLog())


PUT, GET = "PUT /orders/{order_id}", "GET /orders/{order_id}"
CANCEL, LIST = "PUT /orders/{order_id}/cancellation", "GET /orders"
QUOTE = "POST /quotes"
DECIDE = "POST /orders/{order_id}/approval"
NEW_ID = order_id()
PRICES = Prices(FixedPriceBooks({0: a_book(Article("MUG", (1_400, None)))}))
#: Of a customer who has tried as many coupons as one may.
TRIES = MemoryCouponTries({CUSTOMER: {f"GUESS-{number}" for number in range(TRIES_MAX)}})
ASKED: dict[str, Any] = {"channel": "retail", "currency": "GBP", "country": "GB"}
ASKED["lines"] = [{"sku": "MUG", "quantity": 1}, {"sku": "GONE", "quantity": 1}]
REQUESTS = [
    (PUT, 201, {"order_id": NEW_ID, "body": order_body(NEW_ID)}),
    (PUT, 200, {"order_id": ID, "body": order_body(ID)}),
    (PUT, 400, {"order_id": ID, "body": "{"}),
    (PUT, 401, {"order_id": ID, "body": "{}", "claims": {"sub": ""}}),
    (
        PUT,
        403,
        {
            "order_id": NEW_ID,
            "body": order_body(NEW_ID, channel="wholesale", purchase_order="1"),
        },
    ),
    (PUT, 409, {"order_id": ID, "body": order_body(ID, lines=[line(quantity=9)])}),
    (PUT, 413, {"order_id": ID, "body": " " * 300_000}),
    (PUT, 422, {"order_id": ID, "body": {}}),
    (GET, 200, {"order_id": ID}),
    (GET, 200, {"order_id": REJECTED_ID}),
    (GET, 404, {"order_id": NEW_ID}),
    (CANCEL, 200, {"order_id": NEW_ID, "query": {"void": "true"}}),
    (CANCEL, 202, {"order_id": ID}),
    (CANCEL, 400, {"order_id": ID, "query": {"void": "1"}}),
    (CANCEL, 404, {"order_id": NEW_ID}),
    (CANCEL, 409, {"order_id": REJECTED_ID}),
    (CANCEL, 422, {"order_id": "0", "query": {"void": "true"}}),
    (LIST, 200, {}),
    (LIST, 400, {"query": {"limit": "0"}}),
    (QUOTE, 200, {"body": {**ASKED, "coupons": ["GUESS-1"]}}),
    (QUOTE, 400, {"body": "{"}),
    (QUOTE, 403, {"body": {**ASKED, "channel": "wholesale"}}),
    (QUOTE, 413, {"body": " " * 300_000}),
    (QUOTE, 422, {"body": {}}),
    (QUOTE, 429, {"body": {**ASKED, "coupons": ["ONE-MORE"]}}),
]


@pytest.mark.parametrize(("route", "status", "sent"), REQUESTS)
def test_each_answer_is_as_described(route: str, status: int, sent: dict[str, Any]) -> None:
    answer = handle(request(route, **sent), orders_to_show())
    assert answer["statusCode"] == status
    check(route, answer)


def test_an_order_that_overflows_is_as_described() -> None:
    answer = handle(request(PUT, order_id=NEW_ID, body=order_body(NEW_ID)), ThrottledOrders())
    assert answer["statusCode"] == 202
    check(PUT, answer)


@pytest.mark.parametrize("route", [GET, CANCEL])
def test_an_honest_no_is_as_described(route: str) -> None:
    answer = handle(request(route, order_id=ID), Down())
    assert answer["statusCode"] == 503
    check(route, answer)


def check(route: str, answer: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator

    method, _, path = route.partition(" ")
    described = DOCUMENT["paths"][path][method.lower()]["responses"][str(answer["statusCode"])]
    if "$ref" in described:
        described = DOCUMENT["components"]["responses"][described["$ref"].rpartition("/")[2]]
    schema = described["content"][answer["headers"]["content-type"]]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(
        json.loads(answer["body"])
    )


def test_every_route_of_the_code_is_described_and_no_other() -> None:
    described = {
        f"{method.upper()} {path}"
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert described == {PUT, GET, CANCEL, DECIDE, LIST, QUOTE}
