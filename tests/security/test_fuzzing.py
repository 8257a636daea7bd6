"""Requests made up from the API's own document, right and wrong ones, by the thousand.

`make fuzz` makes more of them: SPILLWAY_FUZZ_CASES says how many for each operation.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from orders.domain.receipt import sign
from tests.builders import CUSTOMER, KEY, KEY_ID, order_id, order_key
from tests.security.front_door import TOKEN, FrontDoor
from tests.security.leaks import leaks

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "orders.yaml"
CASES = int(os.environ.get("SPILLWAY_FUZZ_CASES", "30"))
PLACE, QUOTE = "PUT /orders/{order_id}", "POST /quotes"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
)

door = FrontDoor()
#: How often each operation had each answer.
answered: Counter[tuple[str, int]] = Counter()
schema = schemathesis.openapi.from_path(CONTRACT)
schema.app = door
fuzz = settings(
    max_examples=CASES,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


def asked(case: Any, **options: Any) -> schemathesis.Response:
    """The answer, which is documented, tells nothing of the inside, and stores nothing if it is a
    refusal."""
    before = door.stored
    answer: schemathesis.Response = case.call(headers=WITH_TOKEN, **options)
    # Elsewhere what isn't known is left alone: a parameter, a body with a cancellation.
    refusing = [negative_data_rejection] if case.operation.label in (PLACE, QUOTE) else []
    case.validate_response(answer, checks=[*CHECKS, *refusing])
    assert leaks(answer.text, f"{case.formatted_path}{case.query}{case.body}") == []
    if answer.status_code not in (200, 201, 202) or case.method != "PUT":
        assert door.stored == before
    return answer


@schema.parametrize()
@fuzz
def test_whatever_is_sent_gets_a_documented_answer(case: Any) -> None:
    answered[case.operation.label, asked(case).status_code] += 1


@(schema.include(operation_id="placeOrder").parametrize())
@fuzz
def test_whatever_a_shop_may_sell_is_one_order_however_often_it_is_sent(case: Any) -> None:
    """An order of the right shape, its sums mended, which no generator gets right by itself."""
    if case.meta is None or case.meta.generation.mode is GenerationMode.NEGATIVE:
        return
    id_ = order_id()
    case.path_parameters = {"order_id": id_}
    mend(case.body, id_)
    answer = asked(case)
    answered["mended", answer.status_code] += 1
    if answer.status_code == 201:
        stored = door.stored
        again = asked(case)
        assert (again.status_code, again.json()) == (200, answer.json())
        assert door.stored == stored


@(schema.include(operation_id="quote").parametrize())
@fuzz
def test_whatever_basket_of_the_right_shape_gets_a_quote(case: Any) -> None:
    if case.meta is None or case.meta.generation.mode is GenerationMode.NEGATIVE:
        return
    case.body["currency"] = "GBP"
    answer = asked(case)
    answered["currency mended", answer.status_code] += 1
    assert answer.status_code in (200, 422, 429)


def mend(order: dict[str, Any], id_: str) -> None:
    """Make the sums add up and have the gateway sign for them."""
    order["currency"] = "GBP"
    order["discounts"] = order.get("discounts", [])[:1]
    subtotal = sum(line["quantity"] * line["unit_price"] for line in order["lines"])
    for discount in order["discounts"]:
        discount["amount"] = max(1, min(discount["amount"], subtotal))
    discounted = sum(discount["amount"] for discount in order["discounts"])
    order["total"] = subtotal - discounted + order["shipping"] + order["tax"]
    order["purchase_order"] = "PO-1" if order["channel"] == "wholesale" else None
    # This stage takes none: `test_forging.py` is about it.
    order.pop("price_signature", None)
    if order["total"] == 0:
        order.pop("payment", None)
        return
    payment = order["payment"] = order.get("payment") or {"reference": "pay_01"}
    payment |= {"amount": order["total"], "currency": "GBP"}
    terms = {name: payment[name] for name in ("reference", "amount", "currency")}
    payment["receipt"] = sign(KEY, KEY_ID, order_key=order_key(CUSTOMER, id_), **terms)


@schema.parametrize()
@settings(fuzz, max_examples=10)
def test_nobody_without_a_good_token_is_let_in(case: Any) -> None:
    before = door.stored
    for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": TOKEN}):
        answer = case.call(headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert door.stored == before


def test_all_this_was_no_shadow_boxing() -> None:
    """Every kind of answer has come up: else what was sent never got past the first check."""
    assert sum(answered.values()) > 3 * CASES
    seen = {status for _, status in answered}
    assert {200, 400, 404, 422} <= seen
    assert answered["mended", 201] > CASES / 20
    assert answered["currency mended", 200] > CASES / 20
