"""What the store shows of its price book: all that a page needs, and no coupon."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from spillway.paths import PROJECT
from spillway.price_book import catalogue, example, read
from spillway.price_book.iso import COUNTRIES
from tests.spillway.price_book.files import written

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
    currencies = re.findall(r"<option>(\w+)", (STOREFRONT / "layout.html").read_text())
    assert currencies
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
