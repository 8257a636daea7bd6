"""What the deployed API refuses, through the real gateway; each refusal changes nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from spillway.run.loopback import http_client
from spillway.run.stack import Stack
from tests.builders import line, order_id
from tests.e2e.shop import Customer


def rules(answer: httpx.Response) -> list[str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return [violation["rule"] for violation in answer.json()["violations"]]


def test_the_same_order_again_is_200_with_the_same_body(shopper: Customer) -> None:
    id_, body = shopper.order()
    first, again = shopper.put(id_, body), shopper.put(id_, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_other_content_with_a_good_receipt_is_409(shopper: Customer) -> None:
    id_, body = shopper.order()
    shopper.put(id_, body)
    moved = {**body, "address": {**body["address"], "city": "York"}}
    answer = shopper.put(id_, moved)
    assert (answer.status_code, rules(answer)) == (409, ["order_id_taken"])
    assert shopper.get(id_)["order"]["address"]["city"] == "Leeds"


def broken(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**body, **changes}


def test_every_broken_rule_is_named_at_once_and_nothing_is_stored(shopper: Customer) -> None:
    id_, body = shopper.order()
    answer = shopper.put(id_, broken(body, lines=[line(quantity=0)], total=1, currency="CHF"))
    assert answer.status_code == 422
    assert set(rules(answer)) >= {
        "currency_not_accepted",
        "quantity_out_of_range",
        "total_does_not_add_up",
        "payment_amount_differs",
        "payment_currency_differs",
    }
    assert shopper.http.get(f"/orders/{id_}").status_code == 404


def test_a_receipt_of_another_order_is_refused(shopper: Customer) -> None:
    _, paid = shopper.order()
    id_, body = shopper.order()
    assert rules(shopper.put(id_, broken(body, payment=paid["payment"]))) == ["receipt_invalid"]


def test_an_order_that_does_not_exist_is_404(shopper: Customer) -> None:
    id_, _ = shopper.order()
    assert shopper.http.get(f"/orders/{id_}").status_code == 404
    assert rules(shopper.cancel(id_)) == ["order_not_found"]


@pytest.mark.parametrize("token", [None, "nonsense", "Bearer", "Bearer a.b.c"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_request_without_a_good_token_is_401(
    stack: Stack, token: str | None, method: str
) -> None:
    headers = {} if token is None else {"authorization": token}
    with http_client(timeout=60) as http:
        answer = http.request(method, f"{stack.api}/orders/{order_id()}", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("http://localhost:3000", True), ("https://evil.example", False), ("null", False)],
)
def test_a_page_of_another_origin_calls_the_api_only_if_the_stage_allows_it(
    shopper: Customer, origin: str, allowed: bool
) -> None:
    from_there = {"origin": origin}
    wanted = {
        **from_there,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "authorization,content-type,if-none-match",
    }
    with http_client(timeout=60) as anybody:
        first = anybody.options(f"{shopper.http.base_url}orders/{order_id()}", headers=wanted)
    answer = shopper.http.get("/orders", headers=from_there)
    assert answer.status_code == 200
    for each in (first, answer):
        assert each.headers.get("access-control-allow-origin") == (origin if allowed else None)
    if allowed:
        assert first.status_code == 204
        assert "PUT" in first.headers["access-control-allow-methods"].split(",")
        assert {"authorization", "content-type", "if-none-match"} <= {
            *first.headers["access-control-allow-headers"].split(",")
        }
        # What the client rules tell a script to read.
        assert {"date", "etag", "retry-after"} <= {
            *answer.headers["access-control-expose-headers"].split(",")
        }
