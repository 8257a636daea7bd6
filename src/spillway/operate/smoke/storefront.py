"""Whether the storefront shows what intake charges: its catalogue is compared with a quote."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import httpx

from orders.domain.book import Book
from orders.domain.pricing import Basket, price
from orders.domain.quote import QuoteLine
from orders.domain.refusals import Rule
from orders.domain.units import Millis
from spillway.price_book import shown_book

NAME = "storefront_prices"
PROVES = "the storefront shows the prices that intake charges"
#: So many goods are in the basket that both are asked about.
GOODS_MAX = 200

#: To find out whether there are quotes at all.
_ANY = Basket("retail", "GBP", [QuoteLine("none", 1)], (), "GB")
_PUBLISH = "run `spillway publish`, or `spillway prices publish` with the book in force"


def fault(api: httpx.Client, *, store: str, token: str, now: Millis) -> str | None:
    """What is wrong, if so. `store` is the storefront's address.

    A stage without price books gives no quotes, and has nothing to show.
    """
    book = _shown(api, store, now)
    basket = _ANY if book is None else _basket(book, now)
    if basket is None:
        return None
    headers = {"authorization": f"Bearer {token}"}
    answer = api.post("/quotes", headers=headers, json=_request(basket))
    if _is_not_offered(answer):
        return None
    # Not every store takes pounds: 422 is a store with prices too.
    if book is None and answer.status_code in (200, 422):
        return f"the storefront shows no prices: {_PUBLISH}"
    if book is None or answer.status_code != 200:
        return f"a quote was answered {answer.status_code}, not 200"
    differing = _differing(_priced(basket, book, now), answer.json())
    if differing is None:
        return None
    return f"{differing}: {_PUBLISH}. A book published --at-once counts everywhere in a minute"


def _shown(api: httpx.Client, store: str, now: Millis) -> Book | None:
    """What the catalogue says that counts now; None where there is none."""
    listed = api.get(f"{store}/prices.json")
    books = listed.json()["books"] if listed.status_code == 200 else []
    begun = [book["catalogue"] for book in books if book["begins"] <= now]
    if not begun:
        return None
    found = api.get(f"{store}{begun[-1]}")
    return shown_book(found.json(), begun[-1]) if found.status_code == 200 else None


def _basket(book: Book, now: Millis) -> Basket | None:
    """One of each of the first goods that anybody can buy now; None where there is none."""
    for place, name in enumerate(book.rules.price_lists):
        channel, currency = name.split(" ")
        countries = [
            key.split(" ")[1]
            for key in book.rules.delivery
            if key.startswith("retail ") and key.endswith(f" {currency}")
        ]
        goods = (
            QuoteLine(article.sku, 1)
            for article in book.articles.values()
            if article.prices[place] is not None
            and article.available_from <= now
            and not 0 < article.available_until <= now
        )
        lines = list(islice(goods, GOODS_MAX))
        if channel == "retail" and countries and lines:
            # Where delivery is to all countries alike, one of them stands for all.
            country = "GB" if countries[0] == "*" else countries[0]
            return Basket("retail", currency, lines, (), country)
    return None


def _request(basket: Basket) -> dict[str, Any]:
    return {
        "channel": basket.channel,
        "currency": basket.currency,
        "lines": [{"sku": line.sku, "quantity": line.quantity} for line in basket.lines],
        "country": basket.country,
        "state": "",
        "coupons": [],
    }


def _priced(basket: Basket, book: Book, now: Millis) -> dict[str, Any]:
    """As a quote has it."""
    priced = price(basket, book, now)
    lines = zip(basket.lines, priced.unit_prices, strict=True)
    return {
        "lines": [{"sku": line.sku, "unit_price": unit_price} for line, unit_price in lines],
        "shipping": priced.shipping,
        "tax": priced.tax,
    }


def _differing(shown: Mapping[str, Any], quote: Mapping[str, Any]) -> str | None:
    """The first difference, in minor units."""
    for line, charged in zip(shown["lines"], quote["lines"], strict=True):
        if line["unit_price"] != charged["unit_price"]:
            return _sentence(line["sku"], line["unit_price"], charged["unit_price"])
    for name in ("shipping", "tax"):
        if shown[name] != quote[name]:
            return _sentence(name, shown[name], quote[name])
    return None


def _sentence(what: str, shown: object, charged: object) -> str:
    return f"{what} is shown as {shown} and charged as {charged}"


def _is_not_offered(answer: httpx.Response) -> bool:
    return answer.status_code == 404 and Rule.QUOTES_NOT_OFFERED.value in answer.text
