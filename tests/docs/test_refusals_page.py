"""docs/refusals.md explains each rule, in the code's order, with the status that the code gives."""

from __future__ import annotations

import re
from pathlib import Path

from orders.domain import money, refusals
from orders.domain.refusals import STORED_ORDERS_MAY_BREAK, Refusal, Rule
from orders.handlers import http

PAGE = (Path(__file__).parents[2] / "docs" / "refusals.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)


def test_each_rule_has_a_row_in_order_of_precedence() -> None:
    assert [name for name, *_ in ROWS] == [rule.value for rule in Rule]


def test_each_row_has_the_status_of_the_code() -> None:
    for name, status, *_ in ROWS:
        answer = http.refused((Refusal(Rule(name), "", ""),))
        assert answer["statusCode"] == int(status), name


def test_the_limits_are_the_codes() -> None:
    for limit in (
        refusals.LINES_MAX,
        refusals.QUANTITY_MAX,
        money.UNIT_PRICE_MAX,
        money.AMOUNT_MAX,
        refusals.DISCOUNTS_MAX,
    ):
        assert f"{limit:,}" in PAGE
    assert f"{http.BODY_BYTES_MAX // 1024} KiB" in PAGE


def test_the_rules_that_a_stored_order_may_break_are_the_codes() -> None:
    after_the_table = PAGE.rpartition("|\n\n")[2]
    *single, first, last = [Rule(name) for name in re.findall(r"`(\w+)`", after_the_table)]
    rules = list(Rule)
    to_the_last = rules[rules.index(first) : rules.index(last) + 1]
    assert {*single, *to_the_last} == STORED_ORDERS_MAY_BREAK
