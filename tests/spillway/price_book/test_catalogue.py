"""What the store shows of its price book: all that a page needs, and no coupon."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from orders.domain.countries import COUNTRIES
from orders.domain.order import Channel
from orders.domain.pricing import price
from spillway.paths import PROJECT
from spillway.price_book import (
    BookFaulty,
    catalogue,
    encoded_catalogue,
    example,
    read,
    shown_book,
)
from tests.spillway.price_book.files import ARTICLES, written
from tests.spillway.price_book.generated import CHANNELS, a_basket, a_price_book, a_time

STOREFRONT = PROJECT / "web" / "storefront"


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    return catalogue(example())


def test_it_has_what_the_book_says_of_each_good(tmp_path: Path) -> None:
    document = json.loads(json.dumps(catalogue(read(written(tmp_path)))))
    assert document["goods"] == [
        {
            "sku": "MUG-SAGE",
            "name": "Mug, sage",
            "prices": {"retail GBP": 1_400, "wholesale GBP": [[1, 700], [48, 650]]},
            "case": 6,
            "weight_grams": 400,
        }
    ]
    assert document["countries"] == ["GB"]
    assert document["delivery"]["wholesale GB GBP"] == {
        "by": "weight",
        "bands": [[0, 1_500], [10_000, 2_500]],
        "free_from": None,
    }
    assert document["taxes"]["retail GB"]["rates"] == [200_000, 50_000]


def test_a_day_in_what_is_for_the_pages_is_a_text(tmp_path: Path) -> None:
    page = '[catalogue.page]\nsale = { ends = 2026-12-24 }\n\n[[delivery]]\nchannel = "retail"'
    book = read(written(tmp_path, ('[[delivery]]\nchannel = "retail"', page)))
    assert json.loads(json.dumps(catalogue(book)))["sale"] == {"ends": "2026-12-24"}


def test_a_store_that_delivers_everywhere_lists_every_country(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ('countries = ["GB"]\nprice', 'countries = ["GB", "*"]\nprice'),
        ('countries = ["GB"]\nincluded', 'countries = ["GB", "*"]\nincluded'),
    )
    countries = catalogue(read(path))["countries"]
    assert countries[0] == "GB"
    assert sorted(countries) == sorted(COUNTRIES)


def test_it_tells_no_coupon(tmp_path: Path) -> None:
    text = json.dumps(catalogue(read(written(tmp_path))))
    assert "WELCOME10" not in text
    assert "coupon" not in text


def test_every_good_of_the_example_store_can_be_bought_and_shown(shown: dict[str, Any]) -> None:
    art = (STOREFRONT / "goods.svg").read_text()
    style = (STOREFRONT / "shop.css").read_text()
    currencies = {name.split(" ")[1] for name in shown["price_lists"]}
    assert shown["goods"]
    for good in shown["goods"]:
        for currency in currencies:
            retail, wholesale = (
                good["prices"][f"{on} {currency}"] for on in ("retail", "wholesale")
            )
            assert 0 < wholesale < retail
        assert good["category"] in shown["categories"]
        assert f'id="{good["art"]}"' in art
        assert f".glaze-{good['glaze']} " in style


def test_the_example_store_sells_in_each_currency_to_each_country(shown: dict[str, Any]) -> None:
    lists = [name.split(" ") for name in shown["price_lists"]]
    for country in shown["countries"]:
        assert all(f"{on} {country} {currency}" in shown["delivery"] for on, currency in lists)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("channels", [CHANNELS, ("retail",), ("wholesale",)])
def test_a_catalogue_prices_what_it_shows_as_its_book_does(
    channels: tuple[Channel, ...], seed: int
) -> None:
    random = Random(seed)
    for _ in range(20):
        book = a_price_book(random, channels)
        document = json.loads(encoded_catalogue(book))
        sold = {good["sku"] for good in document["goods"]}
        for _ in range(10):
            basket, at = a_basket(random, book), a_time(random)
            shown = price(basket, shown_book(document, ""), at)
            charged = price(basket, book.book(""), at)
            if all(line.sku in sold for line in basket.lines):
                assert shown == charged
            else:
                # Shown nowhere, because it is sold on no channel that is.
                assert charged.refusals


def test_what_is_paid_on_a_channel_that_is_no_public_one_is_not_in_it() -> None:
    random = Random(1)
    for _ in range(50):
        book = a_price_book(random, ("retail",))
        wholesale = [name.startswith("wholesale") for name in book.rules.price_lists]
        secret = 987_654_321
        articles = {
            sku: article._replace(
                prices=tuple(
                    secret if hidden else price
                    for hidden, price in zip(wholesale, article.prices, strict=True)
                )
            )
            for sku, article in book.articles.items()
        }
        text = encoded_catalogue(replace(book, articles=articles)).decode()
        assert "wholesale" not in text
        assert '"case"' not in text
        assert str(secret) not in text


def test_only_what_a_shopper_pays_is_public_where_the_book_says_nothing(tmp_path: Path) -> None:
    both = 'channels = ["retail", "wholesale"]\n'
    document = catalogue(read(written(tmp_path, (both, ""))))
    assert list(document["price_lists"]) == ["retail GBP"]
    assert [good["prices"] for good in document["goods"]] == [{"retail GBP": 1_400}]


def test_a_catalogue_that_is_too_large_for_a_page_is_a_fault(tmp_path: Path) -> None:
    name = "x" * 1_000
    rows = "".join(f"SKU-{n},{name},standard,1,,,,1.00,,\n" for n in range(2_000))
    with pytest.raises(BookFaulty) as raised:
        read(written(tmp_path, articles=ARTICLES + rows))
    [fault] = raised.value.faults
    assert (fault.file, fault.line) == ("book.toml", 6)
    assert "2,000,000" in fault.sentence
