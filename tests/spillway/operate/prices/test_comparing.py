"""What a new price book changes is listed, and what looks like a mistake is asked about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders.domain.book import Article, Book, DeliveryRate, Tax
from spillway.operate.prices.comparing import PriceChange, compare, suspicions
from tests.builders import a_book, a_coupon

MUG = Article("MUG-SAGE", (1_400, (1, 700, 48, 650)))
BOOK = Article("NOTEBOOK", (1_500, None))


def of(*articles: Article, **rules: Any) -> Book:
    return a_book(*(articles or (MUG, BOOK)), **rules)


def suspected(before: Book | None, after: Book, fall_max: float = 0.5) -> list[str]:
    old = None if before is None else (before.rules, before.articles)
    new = (after.rules, after.articles)
    return suspicions(compare(old, *new), old, *new, fall_max=fall_max)


def test_everything_that_differs_is_listed() -> None:
    before = of(coupons={"SPRING": a_coupon()})
    rate = DeliveryRate("subtotal", ((0, 495),))
    tax = Tax(included=True, rates=(230_000,), delivery_rate=230_000)
    after = of(
        MUG._replace(prices=(1_500, (1, 690, 48, 650))),
        Article("JUG", (900, 450)),
        BOOK._replace(case=4),
        delivery={**before.rules.delivery, "retail * GBP": rate},
        taxes={**before.rules.taxes, "retail IE": tax},
        coupons={},
    )
    found = compare((before.rules, before.articles), after.rules, after.articles)
    assert (found.added, found.removed, found.others) == (["JUG"], [], ["NOTEBOOK"])
    assert found.moved("up") == [PriceChange("MUG-SAGE", "retail GBP", 1_400, 1_500)]
    assert found.moved("down") == [
        PriceChange("MUG-SAGE", "wholesale GBP", (1, 700, 48, 650), (1, 690, 48, 650))
    ]
    assert [len(one) for one in (found.delivery, found.tax, found.coupons)] == [1, 1, 1]
    assert "SPRING" in found.coupons[0]
    assert "1 article added" in str(found)


def test_a_book_that_says_the_same_in_another_order_changes_nothing() -> None:
    before = of(tax_classes=("standard",))
    lists = tuple(reversed(before.rules.price_lists))
    swapped = [article._replace(prices=tuple(reversed(article.prices))) for article in (BOOK, MUG)]
    after = of(*swapped, price_lists=lists)
    assert compare((before.rules, before.articles), after.rules, after.articles).parts == []


@pytest.mark.parametrize(
    ("prices", "asked"),
    [
        ((700, (1, 700, 48, 650)), 0),  # half is not more than half
        ((699, (1, 700, 48, 650)), 1),
        ((1_400, (1, 700, 48, 324)), 1),  # from 48 on only
        ((1_400, (1, 700, 10, 324)), 1),  # from 10 on, where there was no break
        ((1_400, 700), 0),
        ((14_000, (1, 700, 48, 650)), 0),
    ],
)
def test_a_price_that_falls_far_is_asked_about(prices: Any, asked: int) -> None:
    assert len(suspected(of(), of(MUG._replace(prices=prices), BOOK))) == asked


def delivery(*bands: tuple[int, int], by: Any = "subtotal") -> dict[str, Any]:
    return {"delivery": {"retail * GBP": DeliveryRate(by, bands)}}


def tax(rate: int) -> dict[str, Any]:
    return {"taxes": {"retail *": Tax(included=True, rates=(rate,), delivery_rate=rate)}}


def coupon(**fields: Any) -> dict[str, Any]:
    return {"coupons": {"SPRING": a_coupon(**fields)}}


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        (delivery((0, 395)), delivery((0, 198)), 0),
        (delivery((0, 395)), delivery((0, 39)), 1),
        (delivery((0, 395)), delivery((0, 395), (6_000, 0)), 1),
        (delivery((0, 395), (10_000, 995)), delivery((0, 395), (10_000, 99)), 1),
        (delivery((0, 0), (1, 395)), delivery((0, 0), (1, 395)), 0),
        (delivery((0, 395)), delivery((0, 39), by="weight"), 0),
        (tax(200_000), tax(50_000), 1),
        (tax(200_000), tax(100_000), 0),
        (tax(0), tax(200_000), 0),
        (coupon(), coupon(rate=500_000), 0),
        (coupon(), coupon(rate=1_000_000), 1),
        ({}, coupon(rate=1_000_000), 1),
        ({}, coupon(rate=0, amounts={"GBP": 50_000}), 0),
        (coupon(rate=0, amounts={"GBP": 500}), coupon(rate=0, amounts={"GBP": 50_000}), 1),
        (coupon(rate=0, amounts={"GBP": 500}), coupon(rate=0, amounts={"GBP": 1_000}), 0),
        (coupon(rate=1_000_000), coupon(rate=1_000_000), 0),
    ],
)
def test_delivery_taxes_and_coupons_that_cost_far_more_are_asked_about(
    before: dict[str, Any], after: dict[str, Any], asked: int
) -> None:
    assert len(suspected(of(**before), of(**after))) == asked


def test_how_far_is_the_publisher_s_to_say() -> None:
    sale = of(MUG._replace(prices=(1_000, (1, 700, 48, 650))), BOOK)
    assert len(suspected(of(), sale, fall_max=0.2)) == 1
    assert suspected(of(), sale, fall_max=0.3) == []


def test_a_price_of_nothing_is_asked_about_also_in_the_first_book() -> None:
    free = of(MUG._replace(prices=(0, (1, 700, 48, 650))), BOOK)
    assert len(suspected(None, free)) == 1
    assert suspected(None, of()) == []


def test_articles_and_price_lists_that_vanish_are_asked_about() -> None:
    many = [Article(f"SKU-{number}", (100, None)) for number in range(10)]
    assert suspected(of(*many), of(*many[:5])) == []
    assert len(suspected(of(*many), of(*many[:4]))) == 1
    retail_only = of(MUG._replace(prices=(1_400, None)), BOOK)
    assert "wholesale in GBP" in suspected(of(), retail_only)[0]
    euros = replace(of().rules, price_lists=("retail GBP", "wholesale EUR"))
    assert "wholesale in GBP" in suspected(of(), replace(of(), rules=euros))[0]
