"""Believable orders from a seed: the sizes, quantities and totals of the real ones.

An order draws correlated scores for its lines, its total and its wholesale leaning, so that each
follows its curve. Quantities follow theirs, and products are picked line by line so that the order
ends near its total: cheap ones by the hundred, expensive ones singly, as in a real store. Picking
products first and adding them up gave totals of twice the real spread, because lines, quantities
and prices of real orders depend on one another.

What an order costs is what the example store's price book says.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from orders.domain.book import WHOLE, Book
from orders.domain.order import Channel, Line, Order
from orders.domain.pricing import Basket, Priced, basket_of, price
from orders.domain.units import Millis
from spillway.price_book import example
from spillway.run.workload import customers
from spillway.run.workload.catalogue import Product, pick
from spillway.run.workload.curves import LINES, QUANTITY, TOTAL, WHOLESALE_SCORE_MIN
from spillway.run.workload.customers import Place
from spillway.run.workload.draft import Customer, Draft

# How far an order's total follows its number of lines, and its wholesale leaning; how far a line's
# quantity follows that leaning. The rest is chance.
_TOTAL_BY_LINES = 0.60
_TOTAL_BY_LEANING = 0.65
_QUANTITY_BY_LEANING = 0.60

_PRODUCTS_COMPARED = 16

_COUPON_SHARE = 0.08
_COUPONS = ("WELCOME10", "XMAS20")
#: A coupon with a limit, which no run reaches.
LIMITED_COUPON = "MILLION"

#: Nothing in the book begins or ends.
ANY_TIME = Millis(0)

_OTHER_SHARE_OF_RETAIL = 0.3


def generate(*, seed: int, count: int) -> Iterator[Draft]:
    """`count` orders, one by one. Order n is the same however many are asked for."""
    for number in range(1, count + 1):
        yield _draft(seed, number)


def with_coupon(draft: Draft, code: str) -> Draft:
    """The same goods with this coupon in place of others, at what they then cost."""
    priced = price(replace(basket_of(draft.order), coupons=[code]), _book(), ANY_TIME)
    order = replace(
        draft.order,
        discounts=tuple(priced.discounts),
        shipping=priced.shipping,
        tax=priced.tax,
        total=priced.total,
    )
    return replace(draft, order=order)


def _draft(seed: int, number: int) -> Draft:
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 -- repeatable is the point
    lines_score, leaning = rng.gauss(), rng.gauss()
    total_score = _correlated(rng, (_TOTAL_BY_LINES, lines_score), (_TOTAL_BY_LEANING, leaning))
    channel: Channel = "wholesale" if leaning > WHOLESALE_SCORE_MIN else "retail"
    where = customers.place(rng)
    target = TOTAL.at_score(total_score)
    lines = _lines(
        rng,
        count=round(LINES.at_score(lines_score)),
        subtotal=target / (1 + _tax_rate(channel, where)),
        leaning=leaning,
    )
    priced = _price(channel, where, lines, _coupons(rng))
    address = customers.address(rng, where, channel)
    customer = _customer(rng, channel)
    order = Order(
        channel=channel,
        currency=where.currency,
        lines=lines,
        discounts=tuple(priced.discounts),
        shipping=priced.shipping,
        tax=priced.tax,
        total=priced.total,
        address=address,
        purchase_order=f"PO-{rng.randint(1000, 99999)}" if channel == "wholesale" else None,
    )
    return Draft(customer, order)


def _tax_rate(channel: Channel, where: Place) -> float:
    """What is added to the prices."""
    tax = example().rules.tax(channel, where.country, None)
    return 0.0 if tax is None or tax.included else tax.rates[0] / WHOLE


def _price(
    channel: Channel, where: Place, lines: tuple[Line, ...], coupons: tuple[str, ...]
) -> Priced:
    """A coupon that takes nothing off is left out."""
    basket = Basket(channel, where.currency, lines, coupons, where.country)
    return price(basket, _book(), ANY_TIME)


@cache
def _book() -> Book:
    return example().book("example")


def _correlated(rng: random.Random, *parts: tuple[float, float]) -> float:
    """A standard normal score that follows each (weight, score) by its weight, else chance."""
    chance = math.sqrt(1 - sum(weight * weight for weight, _ in parts))
    return sum(weight * score for weight, score in parts) + chance * rng.gauss()


def _lines(rng: random.Random, *, count: int, subtotal: float, leaning: float) -> tuple[Line, ...]:
    lines: list[Line] = []
    taken: set[str] = set()
    left = subtotal
    for lines_left in range(count, 0, -1):
        score = _correlated(rng, (_QUANTITY_BY_LEANING, leaning))
        quantity = max(1, round(QUANTITY.at_score(score)))
        product = _closest(rng, max(left, 1) / lines_left / quantity, taken)
        taken.add(product.sku)
        left -= quantity * product.unit_price
        lines.append(Line(product.sku, quantity, product.unit_price))
    return tuple(lines)


def _closest(rng: random.Random, unit_price: float, taken: set[str]) -> Product:
    """Of a few products, the one nearest to this price, by ratio, that the order does not have."""
    seen = [pick(rng) for _ in range(_PRODUCTS_COMPARED)]
    fresh = [product for product in seen if product.sku not in taken] or seen
    return min(fresh, key=lambda product: abs(math.log(product.unit_price / unit_price)))


def _coupons(rng: random.Random) -> tuple[str, ...]:
    return (rng.choice(_COUPONS),) if rng.random() < _COUPON_SHARE else ()


def _customer(rng: random.Random, channel: Channel) -> Customer:
    if channel == "wholesale":
        return "wholesale"
    return "other" if rng.random() < _OTHER_SHARE_OF_RETAIL else "shopper"
