"""What the load generator orders: 2,400 gifts, each kind in every finish and colour, at one price.

They are in the example store's price book too (web/book/load.csv), so that their orders are priced
by it.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cache
from string import ascii_uppercase

# Pence, in the plainest finish. Together with the finishes they span the real unit prices:
# p1 £0.21, p50 £2.55, p99 £21.23.
_KINDS = {
    "TAG": 15,
    "PENCIL": 20,
    "NAPKIN": 29,
    "CARD": 35,
    "RIBBON": 45,
    "MAGNET": 65,
    "CANDLE": 85,
    "SOAP": 85,
    "COASTER": 105,
    "BADGE": 125,
    "HOOK": 125,
    "TEALIGHT": 145,
    "MUG": 165,
    "TOWEL": 195,
    "FRAME": 195,
    "JAR": 225,
    "GARLAND": 265,
    "BUNTING": 295,
    "LUNCHBOX": 325,
    "CUSHION": 375,
    "TEAPOT": 425,
    "LANTERN": 495,
    "APRON": 545,
    "CLOCK": 745,
    "CAKESTAND": 995,
    "PARASOL": 1495,
    "CHAIR": 2995,
    "CABINET": 5995,
    "WASHBAG": 165,
    "BOWL": 125,
}
_FINISHES = {
    "PLAIN": 1.0,
    "SPOT": 1.1,
    "STRIPE": 1.15,
    "RETRO": 1.3,
    "FLORAL": 1.4,
    "ENAMEL": 1.7,
    "VINTAGE": 2.0,
    "GILT": 2.6,
}
_COLOURS = 10
_NUMBERED_FROM = 20_000
_LETTERED_FROM = 84_000


@dataclass(frozen=True, slots=True)
class Product:
    """`unit_price` is in minor units."""

    sku: str
    unit_price: int


@cache
def catalogue() -> tuple[Product, ...]:
    """All products, the best-selling first. The same on every machine and every day."""
    families = itertools.product(_KINDS.values(), _FINISHES.values())
    products = [
        Product(_stock_code(family, colour), max(1, round(price * factor)))
        for family, (price, factor) in enumerate(families)
        for colour in range(_COLOURS)
    ]
    random.Random("the order of the shelf").shuffle(products)  # noqa: S311 -- not a secret
    return tuple(products)


def _stock_code(family: int, colour: int) -> str:
    """As long as the real ones, because an order's size decides its cost: five digits, and for one
    in five a letter for the colour (of 2,274 sold in December 2010, 1,786 and 488)."""
    if family % 5 == 0:
        return f"{_LETTERED_FROM + family}{ascii_uppercase[colour]}"
    return str(_NUMBERED_FROM + family * _COLOURS + colour)


def articles_csv() -> str:
    """The products as a file of articles for a price book. `make docs` writes it."""
    lists = ("retail_GBP", "retail_EUR", "wholesale_GBP", "wholesale_EUR")
    rows = (
        ",".join((product.sku, *[f"{product.unit_price / 100:.2f}"] * len(lists)))
        for product in sorted(catalogue(), key=lambda product: product.sku)
    )
    return "\n".join((",".join(("sku", *lists)), *rows, ""))


def pick(rng: random.Random) -> Product:
    """A product as customers pick it: a best-selling one more often than a slow one."""
    products = catalogue()
    return products[int(len(products) * rng.random() ** 1.5)]
