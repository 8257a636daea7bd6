"""What an order costs by the price book: the one place where its sums are made.

Promise: `priced_by_the_store`. Intake checks each order against these sums, and quotes are made of
them. The storefront and other clients do them too, tested with docs/contracts/vectors.

The order of the sums, all in whole minor units:

1. Each line at its article's price. A sku's quantity over all lines decides its quantity break.
2. Coupons, one after the other, on what the ones before left; a rate is rounded down.
3. Delivery, by what the goods cost less discounts, or by their weight.
4. Tax, where it is added: on the goods less discounts and on the delivery, each at its rate.

A discount on goods with different taxes is shared among them by what they cost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from orders.domain.book import WHOLE, Article, Book, Coupon, DeliveryRate, Tax
from orders.domain.order import Channel, Discount, Order
from orders.domain.refusals import DISCOUNTS_MAX, Refusal, Rule
from orders.domain.units import Millis


class _Line(Protocol):
    @property
    def sku(self) -> str: ...

    @property
    def quantity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Basket:
    """All that decides what an order costs. `coupons` are the codes, in the customer's order."""

    channel: Channel
    currency: str
    lines: Sequence[_Line]
    coupons: Sequence[str]
    country: str
    state: str | None = None


@dataclass(slots=True)
class Priced:
    """What a basket costs.

    Where `refusals` is not empty the store would not sell it like this; the other fields then are
    what could be found out. A line that cannot be priced has no unit price and costs nothing.
    `discounts` are those of the coupons that apply; `coupons` are these, by their place in the
    basket's. `book` is the version of the book that an order was checked against.
    """

    unit_prices: list[int | None] = field(default_factory=list)
    discounts: list[Discount] = field(default_factory=list)
    coupons: dict[int, Coupon] = field(default_factory=dict)
    shipping: int = 0
    tax: int = 0
    total: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    book: str | None = None


#: The answer to a code that there never was, and to one that somebody else has used.
UNKNOWN = (Rule.COUPON_UNKNOWN, "There is no such coupon.")
#: The refusals of coupons that the book knows and that are used up, by their place in the basket.
Unusable = Mapping[int, Refusal]
_NONE_UNUSABLE: Unusable = {}


def price(basket: Basket, book: Book, at: Millis, unusable: Unusable = _NONE_UNUSABLE) -> Priced:
    """What the store asks for a basket at a time. One pass over the lines."""
    priced = Priced()
    articles = _price_lines(basket, book, at, priced)
    amounts = [
        0 if unit_price is None else line.quantity * unit_price
        for line, unit_price in zip(basket.lines, priced.unit_prices, strict=True)
    ]
    left = _apply_coupons(basket, book, at, amounts, priced, unusable)
    net = sum(left)
    _add_delivery(basket, book, articles, net, priced)
    _add_tax(basket, book, articles, left, priced)
    priced.total = net + priced.shipping + priced.tax
    return priced


def check(order: Order, book: Book, at: Millis) -> Priced:
    """What an order costs, with a refusal for everything in it that the book says otherwise."""
    priced = price(basket_of(order), book, at)
    priced.refusals += _differences(order, priced)
    priced.book = book.version
    return priced


def basket_of(order: Order) -> Basket:
    address = order.address
    return Basket(
        order.channel,
        order.currency,
        order.lines,
        order.coupons,
        address.country,
        address.state or None,
    )


def _price_lines(basket: Basket, book: Book, at: Millis, priced: Priced) -> list[Article | None]:
    """Each line's article, None where there is none."""
    column = book.rules.price_list(basket.channel, basket.currency)
    if column is None:
        priced.refusals.append(
            Refusal(
                Rule.CURRENCY_NOT_ACCEPTED,
                "/currency",
                f"Nothing is sold in {basket.currency} on this channel.",
            )
        )
        priced.unit_prices = [None] * len(basket.lines)
        return [None] * len(basket.lines)
    wholesale = basket.channel == "wholesale"
    known, unit_prices = book.articles, priced.unit_prices
    quantities: Mapping[str, int] | None = None
    articles: list[Article | None] = []
    # This loop runs up to 2,000 times an order, so what few articles have is looked at last.
    for index, line in enumerate(basket.lines):
        try:
            article = known[line.sku]
        except KeyError:
            articles.append(None)
            unit_prices.append(None)
            priced.refusals.append(_article_unknown(index))
            continue
        articles.append(article)
        unit_price = article.prices[column]
        if type(unit_price) is tuple:
            quantities = quantities or _quantities(basket)
            unit_price = _at_quantity(unit_price, quantities[line.sku])
        unit_prices.append(unit_price)  # type: ignore[arg-type] # mypy does not narrow by `type`
        if unit_price is None:
            priced.refusals.append(_not_on_channel(index, basket))
        if wholesale and article.case > 1:
            quantities = quantities or _quantities(basket)
            if quantities[line.sku] % article.case:
                priced.refusals.append(_broken_case(index, article, quantities[line.sku]))
        if article.available_from or article.available_until:
            priced.refusals += _not_available(index, article, at)
    return articles


def _quantities(basket: Basket) -> Mapping[str, int]:
    """Of each sku over all lines: a customer who writes two lines gets the same price."""
    quantities = {line.sku: line.quantity for line in basket.lines}
    if len(quantities) < len(basket.lines):
        quantities = dict.fromkeys(quantities, 0)
        for line in basket.lines:
            quantities[line.sku] += line.quantity
    return quantities


def _at_quantity(breaks: Sequence[int], quantity: int) -> int:
    unit_price = breaks[1]
    for place in range(2, len(breaks), 2):
        if quantity < breaks[place]:
            break
        unit_price = breaks[place + 1]
    return unit_price


def _apply_coupons(
    basket: Basket, book: Book, at: Millis, amounts: list[int], priced: Priced, unusable: Unusable
) -> list[int]:
    """What is left of each line's amount after the coupons. One that does not apply leaves the
    others as they are."""
    left, subtotal = amounts, sum(amounts)
    # Those beyond are refused for their number, and must not take time too.
    for place, code in enumerate(basket.coupons[:DISCOUNTS_MAX]):
        coupon = book.rules.coupon(code)
        if coupon is None:
            priced.refusals.append(coupon_refusal(place, *UNKNOWN))
            continue
        if place in unusable:
            priced.refusals.append(unusable[place])
            continue
        why = _why_not(coupon, basket, at, subtotal, priced.coupons.values())
        # Only now, because it looks at every line.
        eligible = [] if why else _eligible(coupon, basket, left)
        reduction = _reduction(coupon, basket.currency, sum(eligible))
        if reduction <= 0:
            why = why or _NOT_FOR_THESE_GOODS
        if why is not None:
            priced.refusals.append(coupon_refusal(place, *why))
            continue
        shares = _shared(reduction, eligible)
        left = [amount - share for amount, share in zip(left, shares, strict=True)]
        priced.discounts.append(Discount(code, reduction))
        priced.coupons[place] = coupon
    return left


def _eligible(coupon: Coupon, basket: Basket, left: list[int]) -> list[int]:
    """Each line's amount where the coupon applies to its goods, else 0."""
    if not coupon.goods:
        return left
    applies = coupon.applies_to(line.sku for line in basket.lines)
    return [amount if here else 0 for here, amount in zip(applies, left, strict=True)]


_NOT_FOR_THESE_GOODS = (
    Rule.COUPON_NOT_FOR_THESE_GOODS,
    "This coupon takes nothing off these goods.",
)


def _why_not(
    coupon: Coupon, basket: Basket, at: Millis, subtotal: int, before: Collection[Coupon]
) -> tuple[Rule, str] | None:
    """Why a coupon cannot be used here whatever it applies to, the first reason only. `subtotal` is
    what all goods cost, `before` the coupons that apply already."""
    if coupon.begins > at:
        return Rule.COUPON_NOT_BEGUN, "This coupon cannot be used yet."
    if coupon.ends and at >= coupon.ends:
        return Rule.COUPON_EXPIRED, "This coupon has expired."
    if basket.channel not in coupon.channels:
        return Rule.COUPON_NOT_ON_CHANNEL, f"This coupon is not for {basket.channel} orders."
    minimum = coupon.minimum.get(basket.currency, 0)
    if subtotal < minimum:
        return (
            Rule.COUPON_BELOW_MINIMUM,
            f"This coupon is for goods of {minimum} minor units or more, not {subtotal}.",
        )
    if before and (coupon in before or not all(one.combines for one in (coupon, *before))):
        return Rule.COUPON_NOT_COMBINABLE, "This coupon cannot be used with another one."
    return None


def _reduction(coupon: Coupon, currency: str, eligible: int) -> int:
    return min(coupon.amounts.get(currency, 0) + eligible * coupon.rate // WHOLE, eligible)


def _shared(amount: int, weights: Sequence[int]) -> Iterator[int]:
    """An amount in shares by weight: whole numbers that add up to it exactly."""
    whole = sum(weights)
    before = 0
    for weight in accumulate(weights):
        share = amount * weight // whole - before
        before += share
        yield share


def _add_delivery(
    basket: Basket, book: Book, articles: Sequence[Article | None], net: int, priced: Priced
) -> None:
    rate = book.rules.delivery_rate(basket.channel, basket.country, basket.currency)
    if rate is None:
        priced.refusals.append(
            Refusal(
                Rule.DELIVERY_NOT_OFFERED,
                "/address/country",
                f"The store delivers no {basket.channel} order in {basket.currency} to"
                f" {basket.country}.",
            )
        )
        return
    priced.shipping = _delivery_price(rate, basket, articles, net)


def _delivery_price(
    rate: DeliveryRate, basket: Basket, articles: Sequence[Article | None], net: int
) -> int:
    if rate.free_from is not None and net >= rate.free_from:
        return 0
    measure = net
    if rate.by == "weight":
        measure = sum(
            line.quantity * article.weight_grams
            for line, article in zip(basket.lines, articles, strict=True)
            if article is not None
        )
    return max((band for band in rate.bands if band[0] <= measure), default=rate.bands[0])[1]


def _add_tax(
    basket: Basket,
    book: Book,
    articles: Sequence[Article | None],
    left: Sequence[int],
    priced: Priced,
) -> None:
    tax = book.rules.tax(basket.channel, basket.country, basket.state)
    if tax is None and book.rules.taxes_by_state(basket.channel, basket.country):
        priced.refusals.append(_state_unknown(basket))
    if tax is None or tax.included:
        return
    half = WHOLE // 2 if tax.rounding == "half_up" else 0
    on_delivery = tax.delivery_rate * priced.shipping
    if tax.per == "line":
        goods = zip(articles, left, strict=True)
        lines = (tax.rates[article.tax_class] * amount for article, amount in goods if article)
        priced.tax = sum((millionths + half) // WHOLE for millionths in (*lines, on_delivery))
        return
    by_rate = {tax.delivery_rate: on_delivery}
    for rate, amount in zip(tax.rates, _by_tax_class(tax, articles, left), strict=True):
        by_rate[rate] = by_rate.get(rate, 0) + rate * amount
    priced.tax = sum((millionths + half) // WHOLE for millionths in by_rate.values())


def _by_tax_class(
    tax: Tax, articles: Sequence[Article | None], left: Sequence[int]
) -> Sequence[int]:
    """What the goods of each class cost, by its place in the tax's rates."""
    amounts = [0] * len(tax.rates)
    for article, amount in zip(articles, left, strict=True):
        if article is not None:
            amounts[article.tax_class] += amount
    return amounts


def _differences(order: Order, priced: Priced) -> Iterator[Refusal]:
    named = [line.unit_price for line in order.lines]
    if named != priced.unit_prices:
        for index, (unit_price, right) in enumerate(zip(named, priced.unit_prices, strict=True)):
            if right is not None and unit_price != right:
                yield _differs(Rule.UNIT_PRICE_DIFFERS, f"/lines/{index}/unit_price", right)
    amounts = {discount.coupon: discount.amount for discount in priced.discounts}
    for index, discount in enumerate(order.discounts):
        amount = amounts.get(discount.coupon, discount.amount)
        if discount.amount != amount:
            yield _differs(Rule.DISCOUNT_DIFFERS, f"/discounts/{index}/amount", amount)
    if any(refusal.rule is Rule.DELIVERY_NOT_OFFERED for refusal in priced.refusals):
        # There is no right amount to name: 0 would be taken for free delivery.
        return
    if order.shipping != priced.shipping:
        yield _differs(Rule.SHIPPING_DIFFERS, "/shipping", priced.shipping)
    if order.tax != priced.tax:
        yield _differs(Rule.TAX_DIFFERS, "/tax", priced.tax)


def coupon_refusal(place: int, rule: Rule, detail: str) -> Refusal:
    """The refusal of the coupon at this place of a basket's or an order's."""
    return Refusal(rule, f"/discounts/{place}/coupon", detail)


def _differs(rule: Rule, pointer: str, expected: int) -> Refusal:
    return Refusal(rule, pointer, f"By the price book it is {expected} minor units.", expected)


def _article_unknown(index: int) -> Refusal:
    return Refusal(Rule.ARTICLE_UNKNOWN, f"/lines/{index}/sku", "The store has no such article.")


def _not_on_channel(index: int, basket: Basket) -> Refusal:
    return Refusal(
        Rule.ARTICLE_NOT_ON_CHANNEL,
        f"/lines/{index}/sku",
        f"This article is not sold {basket.channel} in {basket.currency}.",
    )


def _state_unknown(basket: Basket) -> Refusal:
    return Refusal(
        Rule.STATE_UNKNOWN,
        "/address/state",
        f"The store needs the code of a state of {basket.country} that it delivers to.",
    )


def _broken_case(index: int, article: Article, quantity: int) -> Refusal:
    return Refusal(
        Rule.CASE_PACK_BROKEN,
        f"/lines/{index}/quantity",
        f"This article is sold in cases of {article.case}: {quantity} is no multiple of it.",
        quantity - quantity % article.case + article.case,
    )


def _not_available(index: int, article: Article, at: Millis) -> Iterator[Refusal]:
    too_early = at < article.available_from
    too_late = bool(article.available_until) and at >= article.available_until
    if too_early or too_late:
        yield Refusal(
            Rule.ARTICLE_NOT_AVAILABLE,
            f"/lines/{index}/sku",
            "This article is not sold yet." if too_early else "This article is not sold any more.",
        )
