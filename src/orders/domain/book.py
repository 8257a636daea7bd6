"""The price book: what the store sells, at which prices, with which coupons.

The store publishes it (`spillway prices publish`), and intake checks every order against it. Money
is in minor units of a list's currency; times are Unix milliseconds; rates are parts per million,
so that 8.875 % is a whole number too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from orders.domain.countries import COUNTRIES
from orders.domain.order import Channel
from orders.domain.units import Millis

#: One rate is this much of its base: 200,000 is 20 %.
WHOLE = 1_000_000
#: For every country or state that has no entry of its own.
ELSEWHERE = "*"
#: Where there is no such time: as a beginning always, as an end never.
NO_TIME = Millis(0)

#: One price; or quantity breaks (from, price, from, price, ...), rising, the first from 1; or None
#: where the article is not sold.
UnitPrices = int | tuple[int, ...] | None


class Article(NamedTuple):
    """What one sku costs. A tuple, because a book has 200,000 of them and an order up to 2,000."""

    sku: str
    #: By place in `Rules.price_lists`.
    prices: tuple[UnitPrices, ...]
    #: Place in `Rules.tax_classes`.
    tax_class: int = 0
    weight_grams: int = 0
    #: Wholesale sells it in multiples of this.
    case: int = 1
    available_from: Millis = NO_TIME
    #: No longer from then on.
    available_until: Millis = NO_TIME


@dataclass(frozen=True, slots=True)
class DeliveryRate:
    """What delivery costs, by the goods' weight (grams) or by what they cost less discounts."""

    by: Literal["subtotal", "weight"]
    #: (from, price) pairs, rising, the first from 0.
    bands: tuple[tuple[int, int], ...]
    #: Free when the goods less discounts cost this much.
    free_from: int | None = None


@dataclass(frozen=True, slots=True)
class Tax:
    """How a country or state taxes a channel's orders.

    `included`: prices have the tax in them, so that an order's `tax` is 0. Otherwise it is added,
    rounded for each rate over the whole order or line by line.
    """

    included: bool
    #: By place in `Rules.tax_classes`.
    rates: tuple[int, ...]
    delivery_rate: int
    per: Literal["order", "line"] = "order"
    rounding: Literal["half_up", "down"] = "half_up"


@dataclass(frozen=True, slots=True)
class Coupon:
    """A reduction by a rate or by an amount, and when it applies.

    `goods` are skus, or their beginnings with a `*` at the end; none means all. Limited are those
    that a customer may use once, that the first `limit` orders get, or that have a code for each
    use (`single_use_codes`: then the code begins with this coupon's and a hyphen).
    """

    code: str
    channels: tuple[Channel, ...]
    rate: int = 0
    amounts: Mapping[str, int] = field(default_factory=dict)
    minimum: Mapping[str, int] = field(default_factory=dict)
    goods: tuple[str, ...] = ()
    begins: Millis = NO_TIME
    #: No longer from then on.
    ends: Millis = NO_TIME
    #: May be used together with others that may.
    combines: bool = False
    once_per_customer: bool = False
    limit: int | None = None
    single_use_codes: bool = False

    @property
    def limited(self) -> bool:
        return self.once_per_customer or self.limit is not None or self.single_use_codes

    def applies_to(self, skus: Iterable[str]) -> list[bool]:
        """Of each sku. All at once, because a coupon can name thousands of goods."""
        beginnings = tuple(goods[:-1] for goods in self.goods if goods.endswith("*"))
        named = set(self.goods)
        return [sku in named or sku.startswith(beginnings) for sku in skus]


@dataclass(frozen=True, slots=True)
class Rules:
    """All of a book but its articles. The functions below name the keys."""

    price_lists: tuple[str, ...]
    tax_classes: tuple[str, ...]
    delivery: Mapping[str, DeliveryRate]
    taxes: Mapping[str, Tax]
    coupons: Mapping[str, Coupon] = field(default_factory=dict)

    def price_list(self, channel: Channel, currency: str) -> int | None:
        """The place of a channel's prices in a currency, None where nothing is sold in it."""
        name = price_list_name(channel, currency)
        return self.price_lists.index(name) if name in self.price_lists else None

    def delivery_rate(self, channel: Channel, country: str, currency: str) -> DeliveryRate | None:
        """None where the store does not deliver to."""
        named = self.delivery.get(delivery_key(channel, country, currency))
        if named is not None or country not in COUNTRIES:
            return named
        return self.delivery.get(delivery_key(channel, ELSEWHERE, currency))

    def tax(self, channel: Channel, country: str, state: str | None) -> Tax | None:
        """None where it is not known, as in a state that is not named of a country whose states
        are: such an order must not pay what everywhere else is paid."""
        for place in (f"{country}-{state}", country) if state else (country,):
            tax = self.taxes.get(tax_key(channel, place))
            if tax is not None:
                return tax
        if self.taxes_by_state(channel, country):
            return None
        return self.taxes.get(tax_key(channel, ELSEWHERE))

    def taxes_by_state(self, channel: Channel, country: str) -> bool:
        """Whether any state of a country has a tax of its own."""
        states = tax_key(channel, f"{country}-")
        return any(key.startswith(states) for key in self.taxes)

    def coupon(self, code: str) -> Coupon | None:
        """The coupon of this code; of a single-use code, the coupon that it belongs to."""
        coupon = self.coupons.get(code)
        if coupon is not None:
            return None if coupon.single_use_codes else coupon
        campaign, hyphen, _ = code.rpartition("-")
        coupon = self.coupons.get(campaign) if hyphen else None
        return coupon if coupon is not None and coupon.single_use_codes else None


@dataclass(frozen=True, slots=True)
class Book:
    """`version` names it in the table and on pages. `articles` raises KeyError for an unknown
    sku.

    `is_fallback`: it takes the place of the book in force, which could not be read. So what it
    refuses may be right.
    """

    version: str
    rules: Rules
    articles: Mapping[str, Article]
    is_fallback: bool = False


def price_list_name(channel: Channel, currency: str) -> str:
    return f"{channel} {currency}"


def delivery_key(channel: Channel, country: str, currency: str) -> str:
    return f"{channel} {country} {currency}"


def tax_key(channel: Channel, place: str) -> str:
    """`place` is a country (GB), a state of one (US-CA), or `ELSEWHERE`."""
    return f"{channel} {place}"
