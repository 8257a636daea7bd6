"""What a client is told that its basket and coupons come to, before anything is paid."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orders.domain.book import Article, Tax, tax_key
from orders.domain.quote import TRIES_MAX
from orders.domain.units import Millis
from orders.flow.prices import Prices
from orders.handlers.intake import handle
from simulation.world.runtime import (
    FixedPriceBooks,
    MemoryCouponTries,
    MemoryLog,
    SetClock,
)
from simulation.world.table import MemoryOrders
from tests.builders import NOW, a_book, a_coupon, an_intake, line, order_body, order_id
from tests.orders.handlers.api_events import request

QUOTE = "POST /quotes"
MINUTE = 60_000
DAY = 24 * 60 * MINUTE
BOOK = a_book(
    Article("MUG", (1_400, 700), case=6),
    Article("VASE", (2_600, 1_300), available_from=Millis(NOW + MINUTE)),
    coupons={
        "SPRING": a_coupon(),
        "SOON": a_coupon("SOON", begins=NOW + MINUTE),
        "OVER": a_coupon("OVER", ends=NOW),
    },
    taxes={
        tax_key("retail", "US-CA"): Tax(included=False, rates=(72_500,), delivery_rate=0),
        tax_key("retail", "US"): Tax(included=False, rates=(0,), delivery_rate=0),
        tax_key("wholesale", "GB"): Tax(included=False, rates=(200_000,), delivery_rate=200_000),
    },
)


class Bench:
    def __init__(self, **intake: Any) -> None:
        self.orders, self.log, self.tries = MemoryOrders(), MemoryLog(), MemoryCouponTries()
        self.clock = SetClock(NOW)
        defaults = {"prices": Prices(FixedPriceBooks({0: BOOK}), grace_ms=60 * MINUTE)}
        self.intake = an_intake(
            self.orders,
            **{**defaults, **intake},
            clock=self.clock,
            coupon_tries=self.tries,
        )

    def quote(self, claims: dict[str, str] | None = None, **body: Any) -> tuple[int, Any]:
        return self.send(request(QUOTE, body=asked(**body), claims=claims))

    def put(self, *coupons: str) -> tuple[int, Any]:
        id_ = order_id()
        discounts = [{"coupon": coupon, "amount": 1} for coupon in coupons]
        body = order_body(id_, lines=[line("MUG", 1, 1_400)], discounts=discounts)
        return self.send(request("PUT /orders/{order_id}", order_id=id_, body=body))

    def send(self, event: dict[str, Any]) -> tuple[int, Any]:
        self.answer = handle(event, self.intake, self.log)
        return self.answer["statusCode"], json.loads(self.answer["body"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def asked(**body: Any) -> dict[str, Any]:
    defaults = {"channel": "retail", "currency": "GBP", "country": "GB"}
    return {**defaults, "lines": [{"sku": "MUG", "quantity": 2}], **body}


def named(answer: Any) -> list[tuple[str, str]]:
    return [(one["rule"], one["pointer"]) for one in answer["violations"]]


def test_a_quote_has_all_that_an_order_will_say(bench: Bench) -> None:
    assert bench.quote(coupons=["SPRING"]) == (
        200,
        {
            "priced_at": "2026-11-23T10:00:00.000Z",
            "currency": "GBP",
            "lines": [{"sku": "MUG", "quantity": 2, "unit_price": 1_400}],
            "discounts": [{"coupon": "SPRING", "amount": 280}],
            "shipping": 395,
            "tax": 0,
            "total": 2_915,
            "violations": [],
            "violation_count": 0,
        },
    )
    assert not bench.orders.stream
    assert bench.log.lines == [], "the gateway counts what goes well"


def test_a_wrong_coupon_takes_neither_the_price_nor_the_good_one_away(bench: Bench) -> None:
    status, answer = bench.quote(coupons=["NOPE", "SPRING", "SOON", "OVER"])
    assert status == 200
    assert named(answer) == [
        ("coupon_unknown", "/coupons/0"),
        ("coupon_not_begun", "/coupons/2"),
        ("coupon_expired", "/coupons/3"),
    ]
    assert answer["discounts"] == [{"coupon": "SPRING", "amount": 280}]
    assert answer["total"] == 2 * 1_400 - 280 + 395


def test_what_is_not_sold_is_named_and_the_rest_priced(bench: Bench) -> None:
    lines = [{"sku": sku, "quantity": 1} for sku in ("MUG", "GONE", "VASE")]
    status, answer = bench.quote(lines=lines)
    assert status == 200
    assert named(answer) == [
        ("article_unknown", "/lines/1/sku"),
        ("article_not_available", "/lines/2/sku"),
    ]
    assert [one["unit_price"] for one in answer["lines"]] == [1_400, None, 2_600]


def test_a_broken_case_says_the_next_whole_one(bench: Bench) -> None:
    wholesale = {"cognito:groups": "[wholesale]"}
    _, answer = bench.quote(wholesale, channel="wholesale", lines=[{"sku": "MUG", "quantity": 7}])
    [violation] = answer["violations"]
    assert (violation["pointer"], violation["expected"]) == ("/lines/0/quantity", 12)
    assert answer["tax"] == (7 * 700 + 395) // 5


@pytest.mark.parametrize(("state", "tax"), [("CA", 203), ("OR", 0), ("", 0)])
def test_a_state_has_its_own_tax(bench: Bench, state: str, tax: int) -> None:
    assert bench.quote(country="US", state=state)[1]["tax"] == tax


def test_a_sum_that_no_order_may_have_is_said_before_it_is_paid() -> None:
    dear = a_book(Article("SHIP", (100_000_000, None)), coupons={"SPRING": a_coupon()})
    bench = Bench(prices=Prices(FixedPriceBooks({0: dear})))
    for quantity, coupons, pointers in (
        (99, [], []),
        (100, [], ["/total"]),
        (100, ["SPRING"], []),
        (1_001, ["SPRING"], ["/total", "/coupons/0"]),
    ):
        lines = [{"sku": "SHIP", "quantity": quantity}]
        status, quote = bench.quote(lines=lines, coupons=coupons)
        assert status == 200
        found = [(one["rule"], one["pointer"]) for one in quote["violations"]]
        assert found == [("amount_out_of_range", pointer) for pointer in pointers]


def test_it_is_priced_as_the_order_of_its_id_will_be() -> None:
    dearer = a_book(Article("MUG", (1_500, 700)))
    bench = Bench(prices=Prices(FixedPriceBooks({0: BOOK, NOW: dearer}), grace_ms=60 * MINUTE))
    before = order_id(NOW - 1)
    assert bench.quote(order_id=before)[1]["lines"][0]["unit_price"] == 1_400
    assert bench.quote()[1]["lines"][0]["unit_price"] == 1_500
    bench.clock.milliseconds += 60 * MINUTE
    assert bench.quote(order_id=before)[1]["lines"][0]["unit_price"] == 1_500


@pytest.mark.parametrize(
    ("body", "status", "rules"),
    [
        ("{", 400, [("body_not_json", "")]),
        (" " * 300_000, 413, [("body_too_large", "")]),
        (
            {"channel": "retail", "lines": [{"sku": 1}], "coupon": "X"},
            422,
            [
                ("field_missing", "/currency"),
                ("field_missing", "/country"),
                ("field_missing", "/lines/0/quantity"),
                ("field_wrong_type", "/lines/0/sku"),
                ("field_unknown", "/coupon"),
            ],
        ),
        (asked(lines=[]), 422, [("lines_count_out_of_range", "/lines")]),
        (
            asked(
                channel="wholesale",
                currency="CHF",
                country="gb",
                lines=[{"sku": "\n", "quantity": 0}],
                coupons=["", "SPRING"],
            ),
            403,
            [
                ("wholesale_not_allowed", "/channel"),
                ("text_invalid", "/lines/0/sku"),
                ("text_invalid", "/coupons/0"),
                ("country_invalid", "/country"),
                ("currency_not_accepted", "/currency"),
                ("quantity_out_of_range", "/lines/0/quantity"),
            ],
        ),
        (asked(coupons=["A"] * 51), 422, [("discounts_too_many", "/coupons")]),
        # A gateway charges what a quote for the order's id says.
        (asked(order_id="abc"), 422, [("order_id_invalid", "/order_id")]),
        (asked(order_id=""), 422, [("order_id_invalid", "/order_id")]),
        (asked(order_id=order_id().upper()), 422, [("order_id_invalid", "/order_id")]),
        (asked(order_id=order_id(NOW + 6 * MINUTE)), 422, [("order_id_in_future", "/order_id")]),
        (asked(order_id=order_id(NOW - DAY - 1)), 422, [("order_id_too_old", "/order_id")]),
    ],
)
def test_what_is_no_request_for_a_quote_is_refused_as_an_order_is(
    bench: Bench, body: Any, status: int, rules: list[tuple[str, str]]
) -> None:
    answered, answer = bench.send(request(QUOTE, body=body))
    assert answered == status
    assert sorted(named(answer)) == sorted(rules)
    [logged] = bench.log.lines
    assert (logged["outcome"], "order_id" in logged) == ("refused", False)


def test_a_token_without_a_customer_gets_none(bench: Bench) -> None:
    assert bench.quote({"sub": ""})[0] == 401


def test_without_a_price_book_there_is_no_quote() -> None:
    status, answer = Bench(prices=Prices()).quote()
    assert (status, named(answer)) == (404, [("quotes_not_offered", "")])


def test_whoever_tries_many_coupons_learns_no_more(bench: Bench) -> None:
    bench.clock.milliseconds += 14 * MINUTE
    for number in range(TRIES_MAX):
        assert bench.quote(coupons=[f"GUESS-{number}"])[0] == 200
    right = bench.quote(coupons=["SPRING"])
    assert bench.answer["headers"]["retry-after"] == "60", "to the quarter hour's end"
    wrong = bench.quote(coupons=["NOPE"])
    assert right == wrong
    assert (right[0], named(right[1])) == (429, [("coupon_tries_too_many", "")])
    # What was tried may be asked about again, and goods without a coupon at any time.
    assert bench.quote(coupons=["GUESS-7"])[0] == 200
    assert bench.quote()[0] == 200


def test_an_order_that_is_refused_is_a_try_too(bench: Bench) -> None:
    for number in range(TRIES_MAX):
        status, answer = bench.put(f"GUESS-{number}")
        assert (status, "coupon_unknown" in dict(named(answer))) == (422, True)
    # For good, so that a payment is given back; and the same for a coupon that is good.
    good, wrong = bench.put("SPRING"), bench.put("NOPE")
    assert good == wrong
    assert good[0] == 422
    assert named(good[1]) == [("coupon_reason_withheld", ""), ("total_does_not_add_up", "/total")]
    assert "retry-after" not in bench.answer["headers"]
    assert bench.quote(coupons=["NOPE"])[0] == 429


def test_nothing_is_counted_without_a_coupon_nor_for_an_order_that_stands(bench: Bench) -> None:
    bench.quote()
    bench.put()
    id_ = order_id()
    discounts = [{"coupon": "SPRING", "amount": 140}]
    total = 1_400 - 140 + 395
    body = order_body(
        id_,
        lines=[line("MUG", 1, 1_400)],
        discounts=discounts,
        total=total,
        payment={"reference": "pay_01", "amount": total, "currency": "GBP"},
    )
    placed, _ = bench.send(request("PUT /orders/{order_id}", order_id=id_, body=body))
    assert (placed, bench.tries.codes) == (201, {})
