"""Price books and baskets by chance: every kind of price, delivery and tax, without coupons."""

from __future__ import annotations

from random import Random

from orders.domain.book import (
    ELSEWHERE,
    WHOLE,
    Article,
    DeliveryRate,
    Rules,
    Tax,
    UnitPrices,
    delivery_key,
    price_list_name,
    tax_key,
)
from orders.domain.order import Channel
from orders.domain.pricing import Basket
from orders.domain.quote import QuoteLine
from orders.domain.units import Millis
from spillway.price_book import PriceBook
from tests.builders import NOW

CHANNELS: tuple[Channel, ...] = ("retail", "wholesale")
CURRENCIES = ("GBP", "JPY")
COUNTRIES = ("GB", "US", ELSEWHERE)
PLACES = ("GB", "US", "US-CA", ELSEWHERE)


def a_price_book(random: Random, channels: tuple[Channel, ...] = CHANNELS) -> PriceBook:
    """One in three of its articles is not shown."""
    lists = tuple(
        name
        for name in (price_list_name(on, currency) for on in CHANNELS for currency in CURRENCIES)
        if random.random() < 0.9
    ) or ("retail GBP",)
    classes = ("standard", "reduced", "zero")[: random.randint(1, 3)]
    rules = Rules(
        lists,
        classes,
        {
            delivery_key(on, country, currency): _delivery(random)
            for on in CHANNELS
            for currency in CURRENCIES
            for country in COUNTRIES
            if random.random() < 0.7
        },
        {
            tax_key(on, place): _tax(random, len(classes))
            for on in CHANNELS
            for place in PLACES
            if random.random() < 0.7
        },
    )
    articles = {
        f"SKU-{number}": _article(random, f"SKU-{number}", len(lists), len(classes))
        for number in range(9)
    }
    shown = {sku: {"name": f"Good {sku}"} for sku in articles if random.random() < 0.67}
    return PriceBook(rules, articles, shown, {}, channels)


def a_basket(random: Random, book: PriceBook) -> Basket:
    """Of what the store shows; at times of something that it does not sell like this."""
    skus = [*book.shown] or ["SKU-0"]
    country, _, state = random.choice([*PLACES[:3], "FR"]).partition("-")
    return Basket(
        random.choice(book.channels),
        random.choice(CURRENCIES),
        [
            QuoteLine(random.choice(skus), random.choice((1, 2, 6, 12, 47, 48, 600)))
            for _ in range(random.randint(1, 5))
        ],
        (),
        country,
        state or None,
    )


def a_time(random: Random) -> Millis:
    return Millis(NOW + random.choice((-1, 0, 1)))


def _article(random: Random, sku: str, lists: int, classes: int) -> Article:
    return Article(
        sku,
        tuple(_unit_prices(random) for _ in range(lists)),
        random.randrange(classes),
        random.choice((0, 1, 420, 9_999)),
        random.choice((1, 1, 6)),
        random.choice((0, 0, NOW)),  # type: ignore[arg-type]
        random.choice((0, 0, NOW)),  # type: ignore[arg-type]
    )


def _unit_prices(random: Random) -> UnitPrices:
    kind = random.random()
    if kind < 0.2:
        return None
    first = random.randrange(100_000)
    return first if kind < 0.6 else (1, first, 6, first * 3 // 4, 48, first // 2)


def _delivery(random: Random) -> DeliveryRate:
    bands = tuple((begins, random.randrange(5_000)) for begins in (0, 1_000, 50_000))
    return DeliveryRate(
        random.choice(("subtotal", "weight")),
        bands[: random.randint(1, 3)],
        random.choice((None, 0, 60_000)),
    )


def _tax(random: Random, classes: int) -> Tax:
    return Tax(
        random.random() < 0.3,
        tuple(random.randrange(WHOLE // 4) for _ in range(classes)),
        random.randrange(WHOLE // 4),
        random.choice(("order", "line")),
        random.choice(("half_up", "down")),
    )
