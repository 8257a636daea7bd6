"""What an order costs by the price book, and every way in which it can say otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orders.domain import pricing
from orders.domain.book import Article, Book, DeliveryRate, Tax
from orders.domain.order import Discount, Line
from orders.domain.pricing import Basket, Priced, basket_of, check, price
from orders.domain.refusals import DISCOUNTS_MAX, PRICE_RULES, Rule
from orders.domain.units import Millis
from orders.flow import coupons, prices
from tests.builders import NOW, a_book, a_coupon, an_order, line

MUG = Article("MUG-SAGE", (1_400, (1, 700, 48, 650)), case=6, weight_grams=400)
BOOK = Article("NOTEBOOK", (1_500, 750), tax_class=1, weight_grams=250)
ADDED = Tax(included=False, rates=(200_000, 50_000), delivery_rate=200_000)


def book(*articles: Article, **rules: Any) -> Book:
    return a_book(*(articles or (MUG, BOOK)), tax_classes=("standard", "reduced"), **rules)


def cost(
    *lines: tuple[str, int], coupons: tuple[str, ...] = (), of: Book | None = None, **basket: Any
) -> Priced:
    fields: dict[str, Any] = {"channel": "retail", "currency": "GBP", "country": "GB", **basket}
    each = [Line(sku, quantity, 0) for sku, quantity in lines]
    return price(Basket(lines=each, coupons=coupons, **fields), of or book(), NOW)


def rules(priced: Priced) -> list[tuple[Rule, str, int | None]]:
    return [(refusal.rule, refusal.pointer, refusal.expected) for refusal in priced.refusals]


def test_goods_and_delivery_make_the_total() -> None:
    priced = cost(("MUG-SAGE", 2), ("NOTEBOOK", 1))
    assert priced.unit_prices == [1_400, 1_500]
    assert (priced.shipping, priced.tax, priced.total) == (395, 0, 4_300 + 395)
    assert priced.refusals == []


@pytest.mark.parametrize(("quantity", "unit_price"), [(6, 700), (42, 700), (48, 650), (480, 650)])
def test_a_quantity_break_begins_at_its_quantity(quantity: int, unit_price: int) -> None:
    assert cost(("MUG-SAGE", quantity), channel="wholesale").unit_prices == [unit_price]


def test_a_sku_on_two_lines_gets_the_break_of_both() -> None:
    priced = cost(("MUG-SAGE", 24), ("MUG-SAGE", 24), channel="wholesale")
    assert priced.unit_prices == [650, 650]
    assert priced.refusals == []


def test_a_case_is_for_wholesale_only() -> None:
    broken = [(Rule.CASE_PACK_BROKEN, "/lines/0/quantity", 12)]
    assert rules(cost(("MUG-SAGE", 7), channel="wholesale")) == broken
    assert rules(cost(("MUG-SAGE", 7))) == []


def test_an_article_is_sold_from_its_first_moment_and_no_longer_from_its_last() -> None:
    def of(begins: int, ends: int) -> Book:
        return book(MUG._replace(available_from=Millis(begins), available_until=Millis(ends)))

    refused = [(Rule.ARTICLE_NOT_AVAILABLE, "/lines/0/sku", None)]
    assert rules(cost(("MUG-SAGE", 1), of=of(NOW, NOW + 1))) == []
    assert rules(cost(("MUG-SAGE", 1), of=of(NOW + 1, 0))) == refused
    assert rules(cost(("MUG-SAGE", 1), of=of(0, NOW))) == refused


def test_what_is_not_in_the_book_or_not_in_its_list_is_refused() -> None:
    of = book(MUG._replace(prices=(1_400, None)))
    assert rules(cost(("MUG-SAGE", 6), ("NO-SUCH", 1), channel="wholesale", of=of)) == [
        (Rule.ARTICLE_NOT_ON_CHANNEL, "/lines/0/sku", None),
        (Rule.ARTICLE_UNKNOWN, "/lines/1/sku", None),
    ]
    assert rules(cost(("MUG-SAGE", 1), currency="EUR")) == [
        (Rule.CURRENCY_NOT_ACCEPTED, "/currency", None),
        (Rule.DELIVERY_NOT_OFFERED, "/address/country", None),
    ]


@pytest.mark.parametrize(
    ("fields", "reduction"),
    [
        ({"rate": 100_000}, 430),
        ({"rate": 333_333}, 1_433),  # of 4,300 it is 1,433.33: rounded down
        ({"rate": 1_000_000}, 4_300),
        ({"rate": 0, "amounts": {"GBP": 500}}, 500),
        ({"rate": 0, "amounts": {"GBP": 5_000}}, 4_300),
        ({"rate": 100_000, "goods": ("NOTE*",)}, 150),
        ({"rate": 100_000, "goods": ("MUG-SAGE", "MUG-CLAY")}, 280),
    ],
)
def test_a_coupon_takes_off_a_share_or_an_amount(fields: dict[str, Any], reduction: int) -> None:
    of = book(coupons={"SPRING": a_coupon(**fields)})
    priced = cost(("MUG-SAGE", 2), ("NOTEBOOK", 1), coupons=("SPRING",), of=of)
    assert priced.discounts == [Discount("SPRING", reduction)]
    assert priced.total == 4_300 - reduction + 395


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"begins": NOW + 1}, Rule.COUPON_NOT_BEGUN),
        ({"ends": NOW}, Rule.COUPON_EXPIRED),
        ({"channels": ("wholesale",)}, Rule.COUPON_NOT_ON_CHANNEL),
        ({"minimum": {"GBP": 4_301}}, Rule.COUPON_BELOW_MINIMUM),
        ({"goods": ("TEAPOT*",)}, Rule.COUPON_NOT_FOR_THESE_GOODS),
        ({"rate": 0, "amounts": {"EUR": 500}}, Rule.COUPON_NOT_FOR_THESE_GOODS),
        ({"single_use_codes": True}, Rule.COUPON_UNKNOWN),
    ],
)
def test_a_coupon_that_does_not_apply_is_refused_and_takes_nothing_off(
    fields: dict[str, Any], rule: Rule
) -> None:
    of = book(coupons={"SPRING": a_coupon(**fields)})
    priced = cost(("MUG-SAGE", 2), ("NOTEBOOK", 1), coupons=("SPRING",), of=of)
    assert rules(priced) == [(rule, "/discounts/0/coupon", None)]
    assert (priced.discounts, priced.total) == ([], 4_300 + 395)


def test_a_coupon_applies_at_its_very_minimum_and_from_its_first_moment() -> None:
    fields: dict[str, Any] = {"minimum": {"GBP": 4_300}, "begins": NOW, "ends": NOW + 1}
    of = book(coupons={"SPRING": a_coupon(**fields)})
    assert rules(cost(("MUG-SAGE", 2), ("NOTEBOOK", 1), coupons=("SPRING",), of=of)) == []


def test_a_single_use_code_is_the_coupon_that_its_beginning_names() -> None:
    of = book(coupons={"SPRING": a_coupon(single_use_codes=True)})
    assert cost(("NOTEBOOK", 1), coupons=("SPRING-7K3M",), of=of).discounts == [
        Discount("SPRING-7K3M", 150)
    ]


def test_coupons_combine_where_both_may_and_the_second_takes_of_what_is_left() -> None:
    both = {code: a_coupon(code, combines=True) for code in ("SPRING", "FRIEND")}
    priced = cost(("NOTEBOOK", 2), coupons=("SPRING", "FRIEND"), of=book(coupons=both))
    assert priced.discounts == [Discount("SPRING", 300), Discount("FRIEND", 270)]
    one = {**both, "FRIEND": a_coupon("FRIEND")}
    assert rules(cost(("NOTEBOOK", 2), coupons=("SPRING", "FRIEND"), of=book(coupons=one))) == [
        (Rule.COUPON_NOT_COMBINABLE, "/discounts/1/coupon", None)
    ]


class CountedGoods(tuple[str, ...]):
    """Counts how often somebody goes through them."""

    passes = 0

    def __iter__(self) -> Iterator[str]:
        type(self).passes += 1
        return super().__iter__()


def test_a_long_list_of_goods_is_gone_through_for_the_coupon_and_not_for_each_line() -> None:
    goods = CountedGoods(("MUG*", *(f"POT-{number}" for number in range(1_000)), "NOTEBOOK"))
    of = book(coupons={"SPRING": a_coupon(rate=100_000, goods=goods)})
    priced = cost(*[("NOTEBOOK", 1), ("MUG-SAGE", 1)] * 50, coupons=("SPRING",) * 5_000, of=of)
    assert priced.discounts == [Discount("SPRING", 14_500)]
    # The same again is refused without a look at the lines, and no more often than an order may
    # have discounts: all else is refused for that.
    assert rules(priced)[0] == (Rule.COUPON_NOT_COMBINABLE, "/discounts/1/coupon", None)
    assert len(priced.refusals) == DISCOUNTS_MAX - 1
    assert CountedGoods.passes <= 2


def test_a_coupon_that_does_not_apply_leaves_the_others_as_they_are() -> None:
    coupons = {"SPRING": a_coupon(), "FRIEND": a_coupon("FRIEND", combines=True)}
    of = book(coupons=coupons)
    priced = cost(("NOTEBOOK", 2), coupons=("NOPE", "SPRING", "FRIEND"), of=of)
    assert priced.discounts == [Discount("SPRING", 300)]
    assert rules(priced) == [
        (Rule.COUPON_UNKNOWN, "/discounts/0/coupon", None),
        (Rule.COUPON_NOT_COMBINABLE, "/discounts/2/coupon", None),
    ]


def test_the_same_coupon_twice_is_used_once() -> None:
    of = book(coupons={"SPRING": a_coupon(combines=True)})
    priced = cost(("NOTEBOOK", 2), coupons=("SPRING", "SPRING"), of=of)
    assert priced.discounts == [Discount("SPRING", 300)]
    assert rules(priced) == [(Rule.COUPON_NOT_COMBINABLE, "/discounts/1/coupon", None)]


@pytest.mark.parametrize(
    ("rate", "shipping"),
    [
        (DeliveryRate("subtotal", ((0, 500), (4_300, 300))), 300),
        (DeliveryRate("subtotal", ((0, 500), (4_301, 300))), 500),
        (DeliveryRate("subtotal", ((0, 500),), free_from=4_300), 0),
        (DeliveryRate("subtotal", ((0, 500),), free_from=4_301), 500),
        (DeliveryRate("weight", ((0, 500), (1_050, 700), (2_000, 900))), 700),
    ],
)
def test_delivery_goes_by_what_the_goods_cost_or_weigh(rate: DeliveryRate, shipping: int) -> None:
    of = book(delivery={"retail GB GBP": rate})
    assert cost(("MUG-SAGE", 2), ("NOTEBOOK", 1), of=of).shipping == shipping


def test_a_country_of_its_own_goes_before_everywhere_else() -> None:
    of = book(
        delivery={
            "retail GB GBP": DeliveryRate("subtotal", ((0, 395),)),
            "retail * GBP": DeliveryRate("subtotal", ((0, 995),)),
        }
    )
    assert cost(("NOTEBOOK", 1), of=of).shipping == 395
    assert cost(("NOTEBOOK", 1), of=of, country="NZ").shipping == 995


def test_tax_is_added_at_each_rate_on_the_goods_less_discounts_and_on_delivery() -> None:
    of = book(taxes={"retail GB": ADDED}, coupons={"SPRING": a_coupon(rate=500_000)})
    priced = cost(("MUG-SAGE", 1), ("NOTEBOOK", 1), coupons=("SPRING",), of=of)
    # Standard: 700 + 395 at 20 % = 219. Reduced: 750 at 5 % = 37.5, rounded up.
    assert priced.tax == 219 + 38
    assert priced.total == 1_450 + 395 + 257


def test_a_discount_is_shared_to_the_last_penny() -> None:
    of = book(
        taxes={"retail GB": ADDED},
        coupons={"SPRING": a_coupon(rate=0, amounts={"GBP": 1_000})},
        delivery={"retail GB GBP": DeliveryRate("subtotal", ((0, 0),))},
    )
    priced = cost(("MUG-SAGE", 1), ("NOTEBOOK", 1), coupons=("SPRING",), of=of)
    # 1,000 in shares of 1,400 and 1,500: 482 and 518. 918 at 20 % and 982 at 5 %.
    assert priced.tax == 184 + 49
    assert priced.total == 1_900 + 184 + 49


@pytest.mark.parametrize(
    ("per", "rounding", "tax"),
    [
        # Two lines of 333 at 7.5 %: 24.975 each, 49.95 together.
        ("order", "half_up", 50),
        ("order", "down", 49),
        ("line", "half_up", 50),
        ("line", "down", 48),
    ],
)
def test_tax_is_rounded_as_the_country_has_it(per: Any, rounding: Any, tax: int) -> None:
    rule = Tax(False, (75_000,), 0, per, rounding)
    of = a_book(Article("A", (333, None)), Article("B", (333, None)), taxes={"retail US-CA": rule})
    assert cost(("A", 1), ("B", 1), of=of, country="US", state="CA").tax == tax


def test_a_states_tax_goes_before_its_countrys_and_that_before_everywhere_else() -> None:
    def at(rate: int) -> Tax:
        return Tax(False, (rate,), 0)

    of = a_book(
        Article("A", (10_000, None)),
        taxes={"retail US-CA": at(72_500), "retail US": at(10_000), "retail *": at(0)},
    )
    assert cost(("A", 1), of=of, country="US", state="CA").tax == 725
    assert cost(("A", 1), of=of, country="US", state="OR").tax == 100
    assert cost(("A", 1), of=of, country="NZ").tax == 0


@pytest.mark.parametrize(("written", "known"), [({"state": "CA"}, "CA"), ({}, None)])
def test_an_orders_state_is_that_of_its_address(written: dict[str, str], known: str | None) -> None:
    address = {"name": "A", "lines": ["1 Main Street"], "city": "B", "country": "US", **written}
    assert basket_of(an_order(address=address)).state == known


def an_honest_order(**fields: Any) -> Any:
    lines = [line("MUG-SAGE", 2, 1_400), line("NOTEBOOK", 1, 1_500)]
    return an_order(
        **{
            "lines": lines,
            "discounts": [{"coupon": "SPRING", "amount": 430}],
            "shipping": 395,
            "total": 4_300 - 430 + 395,
            **fields,
        }
    )


@pytest.mark.parametrize("country", ["UK", "XX", "EU"])
def test_elsewhere_is_no_country_that_there_is_not(country: str) -> None:
    """A carrier brings a parcel to "UK" as to GB, where delivery and tax cost something else."""
    refused = [(Rule.DELIVERY_NOT_OFFERED, "/address/country", None)]
    assert rules(cost(("MUG-SAGE", 1), country=country)) == refused
    assert rules(cost(("MUG-SAGE", 1), country="XK")) == []


def test_a_state_without_a_tax_is_refused_only_where_states_are_taxed() -> None:
    at = Tax(included=False, rates=(72_500,), delivery_rate=0)
    of = a_book(Article("A", (10_000, None)), taxes={"retail US-CA": at})
    for state in ("XX", "California", None):
        unknown = cost(("A", 1), of=of, country="US", state=state)
        assert rules(unknown) == [(Rule.STATE_UNKNOWN, "/address/state", None)]
    assert rules(cost(("A", 1), of=of, country="FR", state="XX")) == []


def test_where_states_are_taxed_none_pays_the_tax_of_everywhere_else() -> None:
    at, export = Tax(False, (72_500,), 0), Tax(False, (0,), 0)
    of = a_book(Article("A", (10_000, None)), taxes={"retail US-CA": at, "retail *": export})
    for state in ("XX", "ca", None):
        unknown = cost(("A", 1), of=of, country="US", state=state)
        assert rules(unknown) == [(Rule.STATE_UNKNOWN, "/address/state", None)]
    assert cost(("A", 1), of=of, country="US", state="CA").tax == 725
    assert rules(cost(("A", 1), of=of, country="FR")) == []


@pytest.mark.parametrize(
    ("forged", "refusal"),
    [
        ({"lines": [line("MUG-SAGE", 2, 1), line("NOTEBOOK", 1, 1_500)]},
         (Rule.UNIT_PRICE_DIFFERS, "/lines/0/unit_price", 1_400)),
        ({"lines": [line("MUG-SAGE", 2, 1_400), line("NOTEBOOK", 1, 9_999)]},
         (Rule.UNIT_PRICE_DIFFERS, "/lines/1/unit_price", 1_500)),
        ({"discounts": [{"coupon": "SPRING", "amount": 4_257}]},
         (Rule.DISCOUNT_DIFFERS, "/discounts/0/amount", 430)),
        ({"shipping": 0}, (Rule.SHIPPING_DIFFERS, "/shipping", 395)),
        ({"tax": 1}, (Rule.TAX_DIFFERS, "/tax", 0)),
    ],
)  # fmt: skip
def test_whatever_costs_money_is_compared_and_the_right_value_named(
    forged: dict[str, Any], refusal: tuple[Rule, str, int]
) -> None:
    of = book(coupons={"SPRING": a_coupon()})
    assert rules(check(an_honest_order(), of, NOW)) == []
    assert rules(check(an_honest_order(**forged), of, NOW)) == [refusal]


def test_an_invented_coupon_is_unknown() -> None:
    forged = an_honest_order(discounts=[{"coupon": "NINETY-NINE", "amount": 4_257}])
    assert (Rule.COUPON_UNKNOWN, "/discounts/0/coupon", None) in rules(check(forged, book(), NOW))


def test_quantities_out_of_range_cost_something_and_never_break_the_sums() -> None:
    of = book(coupons={"SPRING": a_coupon()})
    for quantity in (0, -1, 10**12):
        cost(("MUG-SAGE", quantity), ("NOTEBOOK", 1), coupons=("SPRING",), of=of)
    assert cost(coupons=("SPRING",), of=of).total == 395


def test_every_rule_of_prices_is_one_that_a_stored_order_may_come_to_break() -> None:
    modules = (pricing, prices, coupons)
    no_prices = {Rule.CURRENCY_NOT_ACCEPTED, Rule.PURCHASE_ORDER_USED}
    source = "".join(Path(module.__file__).read_text() for module in modules if module.__file__)
    named = set(re.findall(r"Rule\.([A-Z_]+)", source))
    assert {Rule[name] for name in named} - no_prices == PRICE_RULES
