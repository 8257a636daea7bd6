"""What a store shows of its price book to everybody: goods and what they cost, and no coupon.

A coupon's code is a secret that is worth money, so none of them, nor their terms, is in here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from orders.domain.book import ELSEWHERE, NO_TIME, Article, Rules
from spillway.price_book.iso import COUNTRIES

if TYPE_CHECKING:
    from spillway.price_book.reading import PriceBook


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
    rules: dict[str, Any] = msgspec.to_builtins(book.rules)
    del rules["coupons"]
    return {
        **msgspec.to_builtins(book.page),
        **rules,
        "countries": list(_countries(book.rules)),
        "goods": [
            _good(book.articles[sku], shown, book.rules) for sku, shown in book.shown.items()
        ],
    }


def _countries(rules: Rules) -> Iterator[str]:
    """Those that the book names, in its order, and where it delivers elsewhere too all others."""
    named = dict.fromkeys(key.split(" ")[1] for key in rules.delivery)
    yield from (country for country in named if country != ELSEWHERE)
    if ELSEWHERE in named:
        yield from sorted(COUNTRIES - named.keys())


def _good(article: Article, shown: Mapping[str, str], rules: Rules) -> dict[str, Any]:
    prices = {
        name: price if isinstance(price, int) else _breaks(price)
        for name, price in zip(rules.price_lists, article.prices, strict=True)
        if price is not None
    }
    others = {
        "case": (article.case, 1),
        "tax_class": (article.tax_class, 0),
        "weight_grams": (article.weight_grams, 0),
        "available_from": (article.available_from, NO_TIME),
        "available_until": (article.available_until, NO_TIME),
    }
    said = {name: value for name, (value, nothing) in others.items() if value != nothing}
    return {"sku": article.sku, **shown, "prices": prices, **said}


def _breaks(price: tuple[int, ...]) -> list[list[int]]:
    return [list(pair) for pair in zip(price[::2], price[1::2], strict=True)]
