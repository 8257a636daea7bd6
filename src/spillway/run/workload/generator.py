"""Believable orders from a seed: the sizes, quantities and totals of the real ones.

An order draws correlated scores for its lines, its total and its wholesale leaning, so that each
follows its curve. Quantities follow theirs, and products are picked line by line so that the order
ends near its total: cheap ones by the hundred, expensive ones singly, as in a real store. Picking
products first and adding them up gave totals of twice the real spread, because lines, quantities
and prices of real orders depend on one another.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from orders.domain.order import Channel, Discount, Line, Order
from spillway.run.workload import customers
from spillway.run.workload.catalogue import Product, pick
from spillway.run.workload.curves import LINES, QUANTITY, TOTAL, WHOLESALE_SCORE_MIN
from spillway.run.workload.draft import UNPAID, Customer, Draft

# How far an order's total follows its number of lines, and its wholesale leaning; how far a line's
# quantity follows that leaning. The rest is chance.
_TOTAL_BY_LINES = 0.60
_TOTAL_BY_LEANING = 0.65
_QUANTITY_BY_LEANING = 0.60

_PRODUCTS_COMPARED = 16

# Its price, and the subtotal from which it is free.
_SHIPPING: dict[Channel, tuple[int, int]] = {"retail": (395, 5_000), "wholesale": (1500, 25_000)}

# Shop prices include the tax; resellers in Britain pay it on top.
_TAX_RATE_WHOLESALE = 0.20

_COUPON_SHARE = 0.08
_COUPONS = {"XMAS10": 0.10, "WELCOME5": 0.05, "STAFF20": 0.20}

_OTHER_SHARE_OF_RETAIL = 0.3


def generate(*, seed: int, count: int) -> Iterator[Draft]:
    """`count` orders, one by one. Order n is the same however many are asked for."""
    for number in range(1, count + 1):
        yield _draft(seed, number)


def _draft(seed: int, number: int) -> Draft:
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 -- repeatable is the point
    lines_score, leaning = rng.gauss(), rng.gauss()
    total_score = _correlated(rng, (_TOTAL_BY_LINES, lines_score), (_TOTAL_BY_LEANING, leaning))
    channel: Channel = "wholesale" if leaning > WHOLESALE_SCORE_MIN else "retail"
    where = customers.place(rng)
    target = TOTAL.at_score(total_score)
    tax_rate = _TAX_RATE_WHOLESALE if channel == "wholesale" and where.country == "GB" else 0.0
    lines = _lines(
        rng,
        count=round(LINES.at_score(lines_score)),
        subtotal=target / (1 + tax_rate),
        leaning=leaning,
    )
    subtotal = sum(line.quantity * line.unit_price for line in lines)
    discounts = _discounts(rng, subtotal)
    shipping = _shipping(channel, subtotal)
    net = subtotal - sum(discount.amount for discount in discounts) + shipping
    tax = round(net * tax_rate)
    address = customers.address(rng, where, channel)
    customer = _customer(rng, channel)
    order = Order(
        channel=channel,
        currency=where.currency,
        lines=lines,
        discounts=discounts,
        shipping=shipping,
        tax=tax,
        total=net + tax,
        address=address,
        payment=UNPAID,
        purchase_order=f"PO-{rng.randint(1000, 99999)}" if channel == "wholesale" else None,
    )
    return Draft(customer, order)


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


def _discounts(rng: random.Random, subtotal: int) -> tuple[Discount, ...]:
    if rng.random() >= _COUPON_SHARE:
        return ()
    coupon = rng.choice(list(_COUPONS))
    amount = round(subtotal * _COUPONS[coupon])
    return (Discount(coupon, amount),) if amount else ()


def _shipping(channel: Channel, subtotal: int) -> int:
    price, free_from = _SHIPPING[channel]
    return 0 if subtotal >= free_from else price


def _customer(rng: random.Random, channel: Channel) -> Customer:
    if channel == "wholesale":
        return "wholesale"
    return "other" if rng.random() < _OTHER_SHARE_OF_RETAIL else "shopper"
