"""What a store shows of its price book to everybody: goods and what they cost, and no coupon.

A coupon's code is a secret that is worth money, so none of them, nor their terms, is in here. What
trade customers pay is often a secret too: only the channels that the book names are in here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from orders.domain.book import ELSEWHERE, Article, Book, Rules
from orders.domain.countries import COUNTRIES
from orders.domain.order import Channel
from spillway.price_book.book import PriceBook

_Value = TypeVar("_Value")

#: What a good has beside prices, where it says something: `Article`'s fields.
TERMS = ("case", "tax_class", "weight_grams", "available_from", "available_until")
_NOTHING = Article._field_defaults


def encoded_catalogue(book: PriceBook) -> bytes:
    """The document as JSON; the same for the same book."""
    return msgspec.json.encode(catalogue(book))


def catalogue(book: PriceBook) -> dict[str, Any]:
    """The document, ready for JSON. Amounts are minor units, rates parts per million.

    | field | what it has |
    | --- | --- |
    | `goods` | the articles that the store shows, in the book's order |
    | `countries` | where it delivers to, in the book's order |
    | `price_lists`, `tax_classes`, `delivery`, `taxes` | as in `orders.domain.book.Rules` |
    | the book's `catalogue.page` | as it is, times as text |

    A good has its `sku`, the catalogue's columns, and `prices` by price list: a number, or
    quantity breaks [[from, price], ...]. `case`, `tax_class`, `weight_grams`, `available_from`
    and `available_until` are there where they say something.
    """
    public = _public(book.rules, book.channels)
    rules: dict[str, Any] = msgspec.to_builtins(public)
    del rules["coupons"]
    goods = (_good(book.articles[sku], shown, book) for sku, shown in book.shown.items())
    return {
        **msgspec.to_builtins(book.page),
        **rules,
        "countries": list(_countries(public)),
        "goods": [good for good in goods if good["prices"]],
    }


def shown_book(document: Mapping[str, Any], version: str) -> Book:
    """The book that a catalogue shows: it prices what is in it as the whole book does."""
    rules = msgspec.convert(
        {name: document[name] for name in ("price_lists", "tax_classes", "delivery", "taxes")},
        Rules,
    )
    articles = (_article(good, rules) for good in document["goods"])
    return Book(version, rules, {article.sku: article for article in articles})


def _article(good: Mapping[str, Any], rules: Rules) -> Article:
    prices = (good["prices"].get(name) for name in rules.price_lists)
    terms = {name: good[name] for name in TERMS if name in good}
    return Article(
        good["sku"],
        tuple(
            tuple(number for pair in price for number in pair) if isinstance(price, list) else price
            for price in prices
        ),
        **terms,
    )


def _public(rules: Rules, channels: Sequence[Channel]) -> Rules:
    return replace(
        rules,
        price_lists=tuple(name for name in rules.price_lists if _channel(name) in channels),
        delivery=_of(channels, rules.delivery),
        taxes=_of(channels, rules.taxes),
        coupons={},
    )


def _of(channels: Sequence[Channel], by_key: Mapping[str, _Value]) -> Mapping[str, _Value]:
    return {key: value for key, value in by_key.items() if _channel(key) in channels}


def _channel(key: str) -> str:
    """What each key of the rules begins with."""
    return key.partition(" ")[0]


def _countries(rules: Rules) -> Iterator[str]:
    """Those that the book names, in its order, and where it delivers elsewhere too all others."""
    named = dict.fromkeys(key.split(" ")[1] for key in rules.delivery)
    yield from (country for country in named if country != ELSEWHERE)
    if ELSEWHERE in named:
        yield from sorted(COUNTRIES - named.keys())


def _good(article: Article, shown: Mapping[str, str], book: PriceBook) -> dict[str, Any]:
    prices = {
        name: price if isinstance(price, int) else _breaks(price)
        for name, price in zip(book.rules.price_lists, article.prices, strict=True)
        if price is not None and _channel(name) in book.channels
    }
    # Only wholesale sells by the case.
    public = article if "wholesale" in book.channels else article._replace(case=1)
    terms = {name: getattr(public, name) for name in TERMS}
    said = {name: term for name, term in terms.items() if term != _NOTHING[name]}
    return {"sku": article.sku, **shown, "prices": prices, **said}


def _breaks(price: tuple[int, ...]) -> list[list[int]]:
    return [list(pair) for pair in zip(price[::2], price[1::2], strict=True)]
