"""What the simulated store sells, in three price books, and what an order of it must cost.

The sums are made here a second time, from plain prices: they judge those of orders.domain.pricing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256

from orders.aws.book_file import encode
from orders.aws.book_index import INDEX_KEY, BookIndex, Entry, book_key, encode_index
from orders.domain.book import (
    ELSEWHERE,
    WHOLE,
    Article,
    Coupon,
    DeliveryRate,
    Rules,
    Tax,
    delivery_key,
    price_list_name,
    tax_key,
)
from orders.domain.coupon_codes import code_of
from orders.domain.order import Channel, Order
from orders.domain.units import Millis

CHANNELS: tuple[Channel, ...] = ("retail", "wholesale")
COUPON = "XMAS10"
#: What it takes off, and what delivery costs, whatever is bought.
REDUCTION = 150
DELIVERY = 395
#: Limited coupons that take as much off: for the first two orders, for each customer once, and
#: with single-use codes.
FIRST_TWO = Coupon("FIRST2", CHANNELS, amounts={"GBP": REDUCTION}, limit=2)
ONCE = Coupon("ONCE", CHANNELS, amounts={"GBP": REDUCTION}, once_per_customer=True)
SINGLE = Coupon("SINGLE", CHANNELS, amounts={"GBP": REDUCTION}, single_use_codes=True)
LIMITED: tuple[Coupon, ...] = (FIRST_TWO, ONCE, SINGLE)
CODE_KEY = b"the key of the simulation's codes"
CODES = tuple(code_of(SINGLE.code, serial, CODE_KEY) for serial in range(2))
#: Takes all off, delivery included.
FREE = "FREE100"
#: Orders that a schedule can have with goods of their own.
SLOTS = 4
#: Lines that do not compress: the order is then too large to travel in a message.
LARGE_LINES = 80

#: What a teapot costs by the price book's version. All else costs the same in each.
TEAPOTS: Mapping[str, int] = {"yesterday": 1_150, "today": 1_250, "sale": 990}


def teapot(slot: int) -> str:
    return f"TEAPOT-{slot}"


def cup(slot: int) -> str:
    return f"CUP-{slot}"


@cache
def large_skus(slot: int) -> tuple[str, ...]:
    return tuple(_noise(f"{slot}-{line}") for line in range(LARGE_LINES))


@cache
def unit_prices(version: str) -> Mapping[str, int]:
    """By sku, for both channels."""
    prices: dict[str, int] = {}
    for slot in range(SLOTS):
        prices |= {teapot(slot): TEAPOTS[version], cup(slot): 255}
        prices |= {sku: 100 + line for line, sku in enumerate(large_skus(slot))}
    return prices


@cache
def book(version: str) -> bytes:
    """The file of a version."""
    prices = unit_prices(version).items()
    return encode(_rules(), (Article(sku, (price, price)) for sku, price in prices))


def objects(books: Mapping[str, int]) -> dict[str, bytes]:
    """What the bucket holds when these are published: by version, when each begins."""
    entries = tuple(Entry(version, Millis(begins)) for version, begins in books.items())
    files = {book_key(version): book(version) for version in books}
    return {INDEX_KEY: encode_index(BookIndex(entries)), **files}


def wrong_prices(order: Order, version: str) -> Iterator[str]:
    """What an order does not cost by a version, in words."""
    prices = unit_prices(version)
    for number, line in enumerate(order.lines, start=1):
        if line.unit_price != prices.get(line.sku):
            yield f"line {number} costs {line.unit_price} each, not {prices.get(line.sku)}"
    taken_off = [(discount.coupon, discount.amount) for discount in order.discounts]
    is_free = taken_off == [(FREE, order.subtotal)]
    codes = (COUPON, FIRST_TWO.code, ONCE.code, *CODES)
    right = [[(code, REDUCTION)] for code in codes]
    if taken_off not in right and not is_free:
        yield f"{taken_off} taken off"
    if (order.shipping, order.tax) != (0 if is_free else DELIVERY, 0):
        yield f"delivery and tax cost {order.shipping} and {order.tax}"


def _rules() -> Rules:
    return Rules(
        price_lists=tuple(price_list_name(channel, "GBP") for channel in CHANNELS),
        tax_classes=("standard",),
        delivery={
            delivery_key(channel, ELSEWHERE, "GBP"): DeliveryRate(
                "subtotal", ((0, 0), (1, DELIVERY))
            )
            for channel in CHANNELS
        },
        taxes={
            tax_key(channel, ELSEWHERE): Tax(included=True, rates=(200_000,), delivery_rate=200_000)
            for channel in CHANNELS
        },
        coupons={
            COUPON: Coupon(COUPON, CHANNELS, amounts={"GBP": REDUCTION}),
            FREE: Coupon(FREE, CHANNELS, rate=WHOLE),
            **{coupon.code: coupon for coupon in LIMITED},
        },
    )


def _noise(text: str) -> str:
    return b64encode(sha256(text.encode()).digest() + sha256(text[::-1].encode()).digest())[
        :64
    ].decode()
