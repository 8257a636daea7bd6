"""Generated orders look like the real ones, and are the same every time."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace

import msgspec
import pytest

from orders.domain.pricing import check
from orders.domain.refusals import Terms, broken_rules
from orders.domain.units import Millis
from spillway.ids import order_id
from spillway.price_book import EXAMPLE, example
from spillway.run.workload import Draft, generate, pay
from spillway.run.workload.catalogue import articles_csv
from spillway.ui.statistics import percentile
from tests.builders import order_key

KEY = b"a key for tests"


@pytest.fixture(scope="module")
def drafts() -> list[Draft]:
    return list(generate(seed=1, count=4000))


def test_the_same_seed_gives_the_same_orders_byte_for_byte() -> None:
    first, second = (msgspec.json.encode(list(generate(seed=7, count=50))) for _ in range(2))

    assert first == second


def test_another_seed_gives_other_orders() -> None:
    assert list(generate(seed=1, count=5)) != list(generate(seed=2, count=5))


def test_order_n_does_not_depend_on_how_many_are_asked_for() -> None:
    assert list(generate(seed=1, count=20))[:5] == list(generate(seed=1, count=5))


@pytest.mark.parametrize(
    ("share", "real"), [(0.25, 5), (0.50, 13), (0.75, 26), (0.90, 51), (0.95, 67), (0.99, 211)]
)
def test_lines_per_order_follow_the_real_ones_within_an_eighth(
    drafts: list[Draft], share: float, real: int
) -> None:
    lines = [len(draft.order.lines) for draft in drafts]

    assert percentile(lines, share) == pytest.approx(real, rel=0.125)
    assert min(lines) >= 1
    assert max(lines) <= 1114


@pytest.mark.parametrize(("share", "real"), [(0.50, 3), (0.90, 24), (0.99, 100)])
def test_quantities_follow_the_real_ones_within_an_eighth(
    drafts: list[Draft], share: float, real: int
) -> None:
    quantities = [line.quantity for draft in drafts for line in draft.order.lines]

    assert percentile(quantities, share) == pytest.approx(real, rel=0.125)
    assert min(quantities) >= 1
    assert max(quantities) <= 80_995


@pytest.mark.parametrize(
    ("share", "real", "tolerance"),
    [(0.50, 27_300, 0.1), (0.90, 87_500, 0.15), (0.99, 442_900, 0.25)],
)
def test_totals_follow_the_real_ones(
    drafts: list[Draft], share: float, real: int, tolerance: float
) -> None:
    totals = [draft.order.total for draft in drafts]

    assert percentile(totals, share) == pytest.approx(real, rel=tolerance)
    assert min(totals) >= 1


def test_as_many_orders_are_wholesale_as_in_the_real_data(drafts: list[Draft]) -> None:
    wholesale = statistics.mean(draft.order.channel == "wholesale" for draft in drafts)

    assert wholesale == pytest.approx(0.37, abs=0.03)


def test_coupons_shipping_tax_and_every_customer_occur(drafts: list[Draft]) -> None:
    assert 0.03 < statistics.mean(bool(draft.order.discounts) for draft in drafts) < 0.15
    assert any(draft.order.shipping for draft in drafts)
    assert any(draft.order.tax for draft in drafts)
    assert {draft.customer for draft in drafts} == {"shopper", "other", "wholesale"}
    assert {draft.order.currency for draft in drafts} == {"GBP", "EUR"}


def test_a_good_has_one_price_in_all_orders(drafts: list[Draft]) -> None:
    prices = {(line.sku, line.unit_price) for draft in drafts for line in draft.order.lines}

    assert len(prices) == len({sku for sku, _ in prices})


def test_the_service_has_no_rule_that_a_generated_order_breaks(drafts: list[Draft]) -> None:
    now = 1_795_000_000_000
    terms = Terms(
        currencies=frozenset({"GBP", "EUR", "USD"}),
        receipt_keys={"v2.k1": KEY},
        wholesale_allowed=True,
        now=Millis(now),
    )
    made = order_key("customer-ada", order_id(now, _rng()))

    broken = [
        refusal
        for draft in drafts
        for refusal in broken_rules(made, pay(draft, made, key_id="v2.k1", key=KEY), terms)
    ]

    assert broken == []


def test_every_generated_order_costs_what_the_price_book_says(drafts: list[Draft]) -> None:
    book = example().book("example")

    for draft in drafts[:2000]:
        assert check(draft.order, book, Millis(1_795_000_000_000)).refusals == []


def test_the_book_s_file_of_these_goods_is_the_one_that_make_docs_writes() -> None:
    assert EXAMPLE.with_name("load.csv").read_text() == articles_csv()


def test_an_order_with_nothing_to_pay_is_placed_without_a_payment(drafts: list[Draft]) -> None:
    free = Draft("shopper", replace(drafts[0].order, total=0))

    key = order_key("customer-ada", order_id(0, _rng()))
    assert pay(free, key, key_id="v2.k1", key=KEY).payment is None
    assert pay(drafts[0], key, key_id="v2.k1", key=KEY).payment is not None


def _rng() -> random.Random:
    return random.Random(1)
