"""Each rule is broken once, alone, and named with a pointer to the place."""

from __future__ import annotations

from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any

import pytest

from orders.domain.money import AMOUNT_MAX, UNIT_PRICE_MAX
from orders.domain.order import with_normalised_texts
from orders.domain.refusals import (
    DISCOUNTS_MAX,
    LINES_MAX,
    PRICE_RULES,
    QUANTITY_MAX,
    STORED_ORDERS_MAY_BREAK,
    Rule,
    Terms,
    broken_rules,
)
from tests.builders import (
    CUSTOMER,
    FREE,
    KEY,
    KEY_ID,
    NOW,
    OTHER_CUSTOMER,
    content,
    line,
    order_id,
    order_key,
)

TERMS = Terms(frozenset({"GBP", "EUR"}), {KEY_ID: KEY}, wholesale_allowed=True, now=NOW)
HOUR = 3_600_000


def refusals(id_: str | None = None, terms: Terms = TERMS, **fields: Any) -> list[tuple[Rule, str]]:
    id_ = order_id() if id_ is None else id_
    found = broken_rules(
        order_key(CUSTOMER, id_), with_normalised_texts(content(id_, **fields).order), terms
    )
    return [(refusal.rule, refusal.pointer) for refusal in found]


def paid(amount: int, currency: str = "GBP") -> dict[str, Any]:
    return {"reference": "pay_01", "amount": amount, "currency": currency}


def test_a_believable_order_breaks_no_rule() -> None:
    assert refusals() == []


def test_the_largest_real_orders_break_no_rule() -> None:
    many_lines = [line(f"SKU-{n}", 1, 100) for n in range(1_114)]
    assert refusals(lines=many_lines) == []
    assert refusals(lines=[line(quantity=80_995, unit_price=208)]) == []


def test_an_order_of_the_most_lines_breaks_no_rule() -> None:
    assert refusals(lines=[line(f"SKU-{n}") for n in range(LINES_MAX)]) == []


def test_one_sku_on_two_lines_at_one_price_breaks_no_rule() -> None:
    assert refusals(lines=[line("MUG", 1, 100), line("MUG", 5, 100)]) == []


def test_an_order_with_nothing_to_pay_breaks_no_rule_without_a_payment() -> None:
    assert refusals(**FREE) == []
    given_away = {**FREE, "discounts": [], "lines": [line(unit_price=0)]}
    assert refusals(**given_away) == []
    trade = {**FREE, "channel": "wholesale", "purchase_order": "PO-1"}
    assert refusals(**trade) == []


def test_a_coupon_for_all_of_the_goods_leaves_delivery_to_be_paid() -> None:
    delivery = {**FREE, "shipping": 395, "total": 395}
    assert refusals(**{**delivery, "payment": paid(395)}) == []
    assert refusals(**delivery) == [(Rule.PAYMENT_MISSING, "/payment")]


@pytest.mark.parametrize(
    "payment",
    [paid(0), paid(905), {**paid(0, "EUR"), "reference": "", "receipt": "k0.1234"}],
    ids=["of_nothing", "of_something", "with_every_fault"],
)
def test_a_payment_that_is_not_needed_is_refused_for_that_alone(payment: dict[str, Any]) -> None:
    assert refusals(**{**FREE, "payment": payment}) == [(Rule.PAYMENT_NOT_NEEDED, "/payment")]


ADDRESS = {"name": "A", "lines": ["1 Road"], "city": "B", "postal_code": "C", "country": "GB"}


@pytest.mark.parametrize(
    "address",
    [
        {"name": "山田\u3000太郎", "lines": ["1-2-3"], "city": "千代田区", "country": "JP"},
        {**ADDRESS, "postal_code": "", "state": "  ", "phone": "\u200e", "email": ""},
        {**ADDRESS, "state": "Kowloon", "phone": "+852 5123 4567", "email": "a@example.com"},
    ],
    ids=["no postal code", "fields left empty", "every field"],
)
def test_what_a_country_s_addresses_do_not_have_may_be_left_out(address: dict[str, Any]) -> None:
    assert refusals(address=address) == []


@pytest.mark.parametrize(
    ("fields", "rule", "pointer"),
    [
        ({"lines": [line(quantity=0)]}, Rule.QUANTITY_OUT_OF_RANGE, "/lines/0/quantity"),
        (
            {"lines": [line(quantity=QUANTITY_MAX + 1)]},
            Rule.QUANTITY_OUT_OF_RANGE,
            "/lines/0/quantity",
        ),
        (
            {"lines": [line("DEAR", 1, UNIT_PRICE_MAX + 1)]},
            Rule.UNIT_PRICE_OUT_OF_RANGE,
            "/lines/0/unit_price",
        ),
        ({"lines": [line(sku="")]}, Rule.TEXT_INVALID, "/lines/0/sku"),
        ({"lines": [line(sku="tab\there")]}, Rule.TEXT_INVALID, "/lines/0/sku"),
        ({"lines": [line(sku="x" * 65)]}, Rule.TEXT_INVALID, "/lines/0/sku"),
        (
            {"lines": [line("MUG", 1, 100), line("PEN"), line("MUG", 1, 99)]},
            Rule.SKU_PRICE_CONFLICT,
            "/lines/2/unit_price",
        ),
        (
            {"lines": [line(f"SKU-{n}") for n in range(LINES_MAX + 1)]},
            Rule.LINES_COUNT_OUT_OF_RANGE,
            "/lines",
        ),
        ({"currency": "USD", "payment": paid(905, "USD")}, Rule.CURRENCY_NOT_ACCEPTED, "/currency"),
        ({"total": 904, "payment": paid(904)}, Rule.TOTAL_DOES_NOT_ADD_UP, "/total"),
        ({"payment": None}, Rule.PAYMENT_MISSING, "/payment"),
        ({"payment": paid(0)}, Rule.PAYMENT_AMOUNT_DIFFERS, "/payment/amount"),
        ({"payment": paid(904)}, Rule.PAYMENT_AMOUNT_DIFFERS, "/payment/amount"),
        ({"payment": {**paid(905), "reference": ""}}, Rule.TEXT_INVALID, "/payment/reference"),
        ({"payment": {**paid(905), "receipt": "\n"}}, Rule.TEXT_INVALID, "/payment/receipt"),
        ({"payment": paid(905, "EUR")}, Rule.PAYMENT_CURRENCY_DIFFERS, "/payment/currency"),
        ({"payment": {**paid(905), "terms": " "}}, Rule.TEXT_INVALID, "/payment/terms"),
        ({"payment": {**paid(905), "terms": "net30"}}, Rule.RECEIPT_INVALID, "/payment/receipt"),
        (
            {"payment": {**paid(905), "receipt": f"{KEY_ID}.{'0' * 64}"}},
            Rule.RECEIPT_INVALID,
            "/payment/receipt",
        ),
        (
            {"payment": {**paid(905), "receipt": "k0.1234"}},
            Rule.RECEIPT_KEY_UNKNOWN,
            "/payment/receipt",
        ),
        ({"key": b"a forger's"}, Rule.RECEIPT_INVALID, "/payment/receipt"),
        ({"channel": "wholesale"}, Rule.PURCHASE_ORDER_MISSING, "/purchase_order"),
        ({"purchase_order": "PO-1"}, Rule.PURCHASE_ORDER_NOT_FOR_RETAIL, "/purchase_order"),
        ({"channel": "wholesale", "purchase_order": " "}, Rule.TEXT_INVALID, "/purchase_order"),
        ({"address": {**ADDRESS, "country": "gb"}}, Rule.COUNTRY_INVALID, "/address/country"),
        ({"address": {**ADDRESS, "country": "ÄÖ"}}, Rule.COUNTRY_INVALID, "/address/country"),
        ({"address": {**ADDRESS, "lines": []}}, Rule.TEXT_INVALID, "/address/lines"),
        ({"address": {**ADDRESS, "lines": ["1"] * 6}}, Rule.TEXT_INVALID, "/address/lines"),
        ({"address": {**ADDRESS, "lines": ["1", ""]}}, Rule.TEXT_INVALID, "/address/lines/1"),
        ({"address": {**ADDRESS, "name": "x" * 201}}, Rule.TEXT_INVALID, "/address/name"),
        ({"address": {**ADDRESS, "city": "\u3000"}}, Rule.TEXT_INVALID, "/address/city"),
        *(
            ({"address": {**ADDRESS, name: "1\n2"}}, Rule.TEXT_INVALID, f"/address/{name}")
            for name in ("postal_code", "state", "phone", "email")
        ),
        # What a program made is not what a keyboard makes.
        ({"lines": [line(sku="MUG\u00a0SAGE")]}, Rule.TEXT_INVALID, "/lines/0/sku"),
        (
            {"payment": {**paid(905), "reference": "pay\u200d01"}},
            Rule.TEXT_INVALID,
            "/payment/reference",
        ),
        (
            {"shipping": -1, "total": 509, "payment": paid(509)},
            Rule.AMOUNT_OUT_OF_RANGE,
            "/shipping",
        ),
        (
            {"discounts": [{"coupon": "", "amount": 5}], "total": 900, "payment": paid(900)},
            Rule.TEXT_INVALID,
            "/discounts/0/coupon",
        ),
        (
            {"discounts": [{"coupon": "X", "amount": 0}]},
            Rule.AMOUNT_OUT_OF_RANGE,
            "/discounts/0/amount",
        ),
        (
            {
                "discounts": [{"coupon": f"C{n}", "amount": 1} for n in range(DISCOUNTS_MAX + 1)],
                "total": 905 - DISCOUNTS_MAX - 1,
                "payment": paid(905 - DISCOUNTS_MAX - 1),
            },
            Rule.DISCOUNTS_TOO_MANY,
            "/discounts",
        ),
        (
            {"discounts": [{"coupon": "X", "amount": 511}], "total": 394, "payment": paid(394)},
            Rule.DISCOUNT_EXCEEDS_SUBTOTAL,
            "/discounts",
        ),
        (
            {**FREE, "discounts": [{"coupon": "ALL", "amount": 511}], "total": -1},
            Rule.AMOUNT_OUT_OF_RANGE,
            "/total",
        ),
        (
            {"tax": AMOUNT_MAX + 1, "total": AMOUNT_MAX, "payment": paid(AMOUNT_MAX)},
            Rule.AMOUNT_OUT_OF_RANGE,
            "/tax",
        ),
    ],
)
def test_a_broken_rule_is_named_where_it_is_broken(
    fields: dict[str, Any], rule: Rule, pointer: str
) -> None:
    assert (rule, pointer) in refusals(**fields)


def test_an_order_without_lines_is_refused() -> None:
    id_ = order_id()
    sent = content(id_, total=395, payment=paid(395))
    empty = type(sent.order)(**{**_fields(sent.order), "lines": ()})
    rules = [refusal.rule for refusal in broken_rules(order_key(CUSTOMER, id_), empty, TERMS)]
    assert Rule.LINES_COUNT_OUT_OF_RANGE in rules


def test_every_broken_rule_is_named_at_once_by_precedence() -> None:
    found = refusals(
        order_id(NOW - 25 * HOUR),
        lines=[line(quantity=-1)],
        currency="XXX",
        total=1,
        payment={"reference": "pay_01", "amount": 2, "currency": "EUR", "receipt": "k9.0"},
    )
    assert [rule for rule, _ in found] == [
        Rule.ORDER_ID_TOO_OLD,
        Rule.CURRENCY_NOT_ACCEPTED,
        Rule.QUANTITY_OUT_OF_RANGE,
        Rule.TOTAL_DOES_NOT_ADD_UP,
        Rule.PAYMENT_AMOUNT_DIFFERS,
        Rule.PAYMENT_CURRENCY_DIFFERS,
        Rule.RECEIPT_KEY_UNKNOWN,
    ]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW - 24 * HOUR, []),
        (NOW - 24 * HOUR - 1, [Rule.ORDER_ID_TOO_OLD]),
        (NOW + HOUR // 12, []),
        (NOW + HOUR // 12 + 1, [Rule.ORDER_ID_IN_FUTURE]),
    ],
)
def test_an_order_id_is_good_for_a_day_and_for_clocks_five_minutes_ahead(
    at: int, expected: list[Rule]
) -> None:
    assert [rule for rule, _ in refusals(order_id(at))] == expected


@pytest.mark.parametrize(
    "id_",
    [
        "",
        "1",
        "0193565E-8B00-7000-8000-000000000001",  # upper case: a second spelling of one id
        "0193565e-8b00-4000-8000-000000000001",  # version 4
        "0193565e-8b00-7000-c000-000000000001",  # variant of another family
        "0193565e8b0070008000000000000001",
        "0193565e-8b00-7000-8000-000000000001#progress",
    ],
)
def test_what_is_no_uuid_version_7_is_no_order_id(id_: str) -> None:
    assert Rule.ORDER_ID_INVALID in [rule for rule, _ in refusals(id_)]


def test_wholesale_needs_its_group() -> None:
    outsider = Terms(TERMS.currencies, TERMS.receipt_keys, wholesale_allowed=False, now=NOW)
    wholesale: dict[str, Any] = {"channel": "wholesale", "purchase_order": "PO-1"}
    assert refusals(**wholesale) == []
    assert refusals(terms=outsider, **wholesale) == [(Rule.WHOLESALE_NOT_ALLOWED, "/channel")]
    assert refusals(terms=outsider) == []


def test_a_receipt_is_good_for_its_own_order_and_customer_only() -> None:
    payment = content(order_id()).order.payment
    assert payment is not None
    replayed = {**paid(905), "receipt": payment.receipt}
    assert refusals(payment=replayed) == [(Rule.RECEIPT_INVALID, "/payment/receipt")]
    assert refusals(customer_id=OTHER_CUSTOMER) == [(Rule.RECEIPT_INVALID, "/payment/receipt")]


def test_two_receipt_keys_are_in_force_while_one_replaces_the_other() -> None:
    both = Terms(TERMS.currencies, {"k0": b"old", KEY_ID: KEY}, wholesale_allowed=True, now=NOW)
    assert refusals(terms=both) == []


def test_the_rules_that_a_stored_order_may_break_are_all_that_depend_on_the_terms() -> None:
    changes: list[dict[str, Any]] = [
        {"currencies": frozenset({"EUR"})},
        {"receipt_keys": {}},
        {"receipt_keys": {KEY_ID: b"another secret"}},
        {"wholesale_allowed": False},
        {"now": NOW + 25 * HOUR},
        {"now": NOW - HOUR},
    ]
    assert {name for change in changes for name in change} == {
        field.name for field in fields_of(Terms)
    }
    trade: dict[str, Any] = {"channel": "wholesale", "purchase_order": "PO-1"}
    assert refusals(**trade) == []
    broken = [refusals(terms=replace(TERMS, **change), **trade) for change in changes]
    assert {rule for found in broken for rule, _ in found} == STORED_ORDERS_MAY_BREAK - PRICE_RULES


def _fields(order: Any) -> dict[str, Any]:
    return {name: getattr(order, name) for name in type(order).__dataclass_fields__}
