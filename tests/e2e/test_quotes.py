"""Quotes through the real gateway, by the price book in the store's bucket."""

from __future__ import annotations

from typing import Any

from tests.e2e.shop import Customer

MUG = {"sku": "MUG-SAGE", "quantity": 2}


def asked(**fields: Any) -> dict[str, Any]:
    return {"channel": "retail", "currency": "GBP", "country": "GB", "lines": [MUG], **fields}


def test_a_quote_is_what_the_published_book_says(shopper: Customer) -> None:
    answer = shopper.http.post("/quotes", json=asked(coupons=["WELCOME10", "NOPE"]))
    assert answer.status_code == 200, answer.text
    quote = answer.json()
    assert quote["lines"] == [{**MUG, "unit_price": 1_400}]
    assert quote["discounts"] == [{"coupon": "WELCOME10", "amount": 280}]
    assert (quote["shipping"], quote["tax"], quote["total"]) == (395, 0, 2_915)
    [violation] = quote["violations"]
    assert (violation["rule"], violation["pointer"]) == ("coupon_unknown", "/coupons/1")


def test_wholesale_prices_are_for_whoever_may_buy_wholesale(
    shopper: Customer, wholesale: Customer
) -> None:
    lines = [{"sku": "MUG-SAGE", "quantity": 12}]
    body = asked(channel="wholesale", lines=lines)
    assert shopper.http.post("/quotes", json=body).status_code == 403
    quote = wholesale.http.post("/quotes", json=body).json()
    assert (quote["tax"], quote["total"]) == (1_980, 11_880)


def test_nobody_without_a_token_gets_a_quote(shopper: Customer) -> None:
    headers = {"authorization": "Bearer none"}
    assert shopper.http.post("/quotes", json=asked(), headers=headers).status_code == 401
