"""What a client asks before anything is paid: what do these goods and coupons come to?

The field names are those on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orders.domain.order import Channel
from orders.domain.pricing import Basket
from orders.domain.refusals import (
    DISCOUNTS_MAX,
    LINES_MAX,
    QUANTITY_MAX,
    SKU_MAX,
    Refusal,
    Rule,
    by_precedence,
    country_refusals,
    currency_refusals,
    identifier_refusals,
    order_id_refusals,
    quantity_out_of_range,
    wholesale_refusals,
)
from orders.domain.units import Millis, OrderId

#: A customer may ask about so many different coupons in such a time, with quotes and with orders
#: that are refused. Nobody has more of them, and whoever looks for one finds none.
TRIES_MAX = 20
TRIES_WINDOW_SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class QuoteLine:
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """`order_id`: priced as the order under this id would be; without one, as of now."""

    channel: Channel
    currency: str
    lines: tuple[QuoteLine, ...]
    country: str
    state: str = ""
    coupons: tuple[str, ...] = ()
    order_id: str | None = None

    @property
    def id(self) -> OrderId:
        """The empty text where no order is named."""
        return OrderId(self.order_id or "")

    @property
    def basket(self) -> Basket:
        return Basket(
            self.channel, self.currency, self.lines, self.coupons, self.country, self.state or None
        )


def broken_rules(
    request: QuoteRequest, currencies: frozenset[str], now: Millis, *, wholesale_allowed: bool
) -> list[Refusal]:
    """Why this cannot be priced, by precedence. Rules of the price book are not among them: a quote
    names these itself.

    An id under which no order can be accepted is: a gateway charges what a quote for it says.
    """
    order_id = request.order_id
    found = [
        *(() if order_id is None else order_id_refusals(order_id, now, "/order_id")),
        *wholesale_refusals(request.channel, wholesale_allowed=wholesale_allowed),
        *currency_refusals(request.currency, currencies),
        *country_refusals(request.country, "/country"),
        *_lines(request),
        *_coupons(request),
    ]
    return by_precedence(found)


def tries_again_in(now: Millis) -> int:
    """Seconds until a customer who has tried too many coupons may try others."""
    return TRIES_WINDOW_SECONDS - now // 1000 % TRIES_WINDOW_SECONDS


def in_quote(refusal: Refusal) -> Refusal:
    """A refusal of an order, with the pointer of the same place in a quote's request."""
    pointer = refusal.pointer.replace("/discounts/", "/coupons/").removesuffix("/coupon")
    pointer = pointer.removeprefix("/address")
    return Refusal(refusal.rule, pointer, refusal.detail, refusal.expected)


def _lines(request: QuoteRequest) -> Iterator[Refusal]:
    if not 1 <= len(request.lines) <= LINES_MAX:
        yield Refusal(Rule.LINES_COUNT_OUT_OF_RANGE, "/lines", f"1 to {LINES_MAX} lines.")
        return
    for index, line in enumerate(request.lines):
        yield from identifier_refusals(line.sku, f"/lines/{index}/sku", SKU_MAX)
        if not 1 <= line.quantity <= QUANTITY_MAX:
            yield quantity_out_of_range(index)


def _coupons(request: QuoteRequest) -> Iterator[Refusal]:
    if len(request.coupons) > DISCOUNTS_MAX:
        yield Refusal(Rule.DISCOUNTS_TOO_MANY, "/coupons", f"At most {DISCOUNTS_MAX} coupons.")
        return
    for index, code in enumerate(request.coupons):
        yield from identifier_refusals(code, f"/coupons/{index}", SKU_MAX)
