"""docs/contracts/vectors/pricing.json: baskets and what they cost, made by the domain's own code.

The storefront adds up a basket before the store is asked, and so may any client. These examples
hold them to the same sums: quantity breaks, cases, delivery by bands, free and by weight, taxes
included and added, for the order and for each line, rounded half up and down. Without coupons,
whose terms are not public: a quote has what they take off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from orders.domain.book import (
    ELSEWHERE,
    Article,
    Book,
    DeliveryRate,
    Rules,
    Tax,
    delivery_key,
    price_list_name,
    tax_key,
)
from orders.domain.order import Channel
from orders.domain.pricing import Basket, Priced, price
from orders.domain.quote import QuoteLine
from orders.domain.units import Millis
from spillway.price_book import PriceBook, catalogue

CASES = 400
_NOW = Millis(1_795_428_000_000)  # 2026-11-23T10:00:00Z
_SOON = Millis(_NOW + 60_000)
_CHANNELS: tuple[Channel, ...] = ("retail", "wholesale")
_CURRENCIES = ("GBP", "USD", "JPY")
_PLACES = (
    ("GB", None),
    ("US", "CA"),
    ("US", "OR"),
    ("US", None),
    ("CA", "QC"),
    ("CA", "ON"),
    ("JP", None),
)
#: retail and wholesale in GBP, then in USD; JPY is in no list.
_LISTS = tuple(
    price_list_name(channel, currency) for currency in ("GBP", "USD") for channel in _CHANNELS
)
_ARTICLES = (
    Article("MUG", (1_400, 700, 1_800, 900), weight_grams=420, case=6),
    Article("BOWL", (1_650, (1, 825, 48, 780, 480, 701), 2_150, (1, 1_075, 48, 999)), 0, 510, 6),
    Article("POT", ((1, 4_200, 3, 3_999), (1, 2_100, 2, 2_001, 3, 1_900), 5_450, 2_725), 0, 1_350),
    Article("BOOK", (1_333, 667, 1_777, 889), tax_class=1, weight_grams=275),
    Article("BREAD", (349, None, 449, None), tax_class=2, weight_grams=800),
    Article("CRATE", (None, (1, 199, 100, 149), None, (1, 250, 100, 199)), 2, 1_100, 12),
    Article("GIFT", (0, 0, 0, 0)),
    Article("BELL", (99_999, 50_001, 129_999, 65_001), weight_grams=19_999),
    Article("EARLY", (1_000, 500, 1_200, 600), available_from=_SOON),
    Article("LATE", (1_000, 500, 1_200, 600), 1, available_until=_SOON),
)


def vectors() -> str:
    """The file."""
    random = Random(20)  # noqa: S311 - only to choose examples
    books = [*_books()]
    cases = [_case(random, books) for _ in range(CASES)]
    rows = [json.dumps(row, ensure_ascii=False, separators=(", ", ": ")) for row in cases]
    public = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(public_form(book))}" for name, book in books
    )
    joined = ",\n".join(rows)
    return f'{{"books": {{\n{public}\n}},\n"cases": [\n{joined}\n]}}\n'


def public_form(book: Book) -> dict[str, Any]:
    """What a client may know of a book: all but its coupons."""
    return catalogue(
        PriceBook(book.rules, book.articles, {sku: {} for sku in book.articles}, {}, _CHANNELS)
    )


def _books() -> Iterator[tuple[str, Book]]:
    by_subtotal = DeliveryRate("subtotal", ((0, 495), (2_500, 395), (5_000, 250)), 8_000)
    flat = DeliveryRate("subtotal", ((0, 1_500),))
    by_weight = DeliveryRate("weight", ((0, 350), (1_000, 590), (5_000, 1_190), (30_000, 4_950)))
    included = Tax(included=True, rates=(200_000, 50_000, 0), delivery_rate=200_000)
    yield "included", _book({ELSEWHERE: by_subtotal}, {ELSEWHERE: included})
    yield (
        "added to the order",
        _book(
            {"GB": flat, "US": by_weight},
            {
                "GB": Tax(False, (200_000, 50_000, 0), 200_000),
                "US": Tax(False, (0, 0, 0), 0),
                "US-CA": Tax(False, (88_750, 88_750, 0), 0),
                "CA-QC": Tax(False, (149_750, 50_000, 0), 149_750),
            },
        ),
    )
    yield (
        "by state, and elsewhere as an export",
        _book(
            {ELSEWHERE: flat},
            {
                "US-CA": Tax(False, (72_500, 72_500, 0), 0),
                "CA-QC": Tax(False, (149_750, 50_000, 0), 149_750, "line"),
                ELSEWHERE: Tax(False, (0, 0, 0), 0),
            },
        ),
    )
    yield (
        "added line by line",
        _book(
            {ELSEWHERE: by_weight, "GB": by_subtotal},
            {
                ELSEWHERE: Tax(False, (100_000, 80_000, 80_000), 100_000, "line", "down"),
                "GB": Tax(False, (175_000, 50_000, 0), 175_000, "line", "half_up"),
                "US": Tax(False, (72_500, 72_500, 10_000), 72_500, "order", "down"),
            },
        ),
    )


def _book(delivery: dict[str, DeliveryRate], taxes: dict[str, Tax]) -> Book:
    rules = Rules(
        price_lists=_LISTS,
        tax_classes=("standard", "reduced", "zero"),
        delivery={
            delivery_key(channel, country, currency): rate
            for channel in _CHANNELS
            for currency in ("GBP", "USD")
            for country, rate in delivery.items()
        },
        taxes={
            tax_key(channel, place): tax for channel in _CHANNELS for place, tax in taxes.items()
        },
    )
    return Book("vectors", rules, {article.sku: article for article in _ARTICLES})


def _case(random: Random, books: list[tuple[str, Book]]) -> dict[str, Any]:
    name, book = random.choice(books)
    # Most are what a shop sells; a few have a fault of each kind.
    odd = random.random() < 0.2
    skus = [article.sku for article in _ARTICLES] + ["NO-SUCH"] if odd else ["MUG", "BOWL", "POT"]
    if not odd:
        skus += ["BOOK", "LATE", "GIFT", "BELL"]
    country, state = random.choice(_PLACES)
    basket = Basket(
        random.choice(_CHANNELS),
        random.choice(_CURRENCIES) if odd else random.choice(_CURRENCIES[:2]),
        [
            QuoteLine(random.choice(skus), random.choice((1, 2, 3, 6, 12, 47, 48, 480)))
            for _ in range(random.choice((1, 1, 2, 3, 6)))
        ],
        (),
        country,
        state,
    )
    at = Millis(_SOON if odd and random.random() < 0.5 else _NOW)
    priced = price(basket, book, at)
    return {"book": name, "at": at, "basket": shown(basket), "priced": result(priced)}


def shown(basket: Basket) -> dict[str, Any]:
    """As the storefront has it."""
    return {
        "channel": basket.channel,
        "currency": basket.currency,
        "lines": [{"sku": line.sku, "quantity": line.quantity} for line in basket.lines],
        "country": basket.country,
        "state": basket.state or "",
    }


def result(priced: Priced) -> dict[str, Any]:
    """As the storefront's sum has it, without the subtotal."""
    return {
        "unit_prices": priced.unit_prices,
        "shipping": priced.shipping,
        "tax": priced.tax,
        "total": priced.total,
        "refusals": [
            {"rule": refusal.rule.value, "pointer": refusal.pointer}
            | ({} if refusal.expected is None else {"expected": refusal.expected})
            for refusal in priced.refusals
        ],
    }
