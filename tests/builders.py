"""Orders and answers for tests: believable, and each test names only what it is about."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from orders.domain import price_signature
from orders.domain.book import (
    ELSEWHERE,
    Article,
    Book,
    Coupon,
    DeliveryRate,
    Rules,
    Tax,
    delivery_key,
    price_list_name,
    tax_key,
)
from orders.domain.caller import Claims
from orders.domain.order import (
    AcceptedOrder,
    Channel,
    Order,
    OrderKey,
    order_id_of,
    order_id_time,
)
from orders.domain.receipt import sign
from orders.domain.saga import Cancellation, Outcome
from orders.domain.units import CustomerId, Millis, OrderId
from orders.flow.coupons import LimitedCoupons
from orders.flow.intake import Intake
from orders.flow.prices import Prices
from orders.handlers.wire import Content, content_of
from orders.ports import Clock, Coupons, CouponTries, Orders, Overflow, SigningKeys
from simulation.world.runtime import FixedSigningKeys, MemoryOverflow, SetClock
from simulation.world.table import MemoryOrders

NOW = Millis(1_795_428_000_000)  # 2026-11-23T10:00:00Z
KEY_ID = "v2.k1"
KEY = b"the gateway's key for tests"
PRICE_KEY_ID = "p1"
PRICE_KEY = b"the pricing engine's key for tests"
CUSTOMER = CustomerId("customer-ada")
OTHER_CUSTOMER = CustomerId("customer-bob")

CHANNELS: tuple[Channel, ...] = ("retail", "wholesale")

#: Makes an order's one line cost nothing, delivery included.
FREE: dict[str, Any] = {
    "discounts": [{"coupon": "ONTHEHOUSE", "amount": 510}],
    "shipping": 0,
    "total": 0,
    "payment": None,
}

_sequence = itertools.count(1)


def order_id(at: int = NOW) -> OrderId:
    """A new UUIDv7 whose time is `at`. Later ones sort after earlier ones."""
    return order_id_of(Millis(at), next(_sequence))


def order_key(customer_id: str, order_id: str) -> OrderKey:
    return OrderKey(CustomerId(customer_id), OrderId(order_id))


def outcome(at: int, reference: str | None = None, refusal: str | None = None) -> Outcome:
    return Outcome(Millis(at), reference, refusal)


def cancellation(at: int, before_reservation: bool) -> Cancellation:
    return Cancellation(Millis(at), before_reservation)


def line(sku: str = "HEART-LIGHT", quantity: int = 2, unit_price: int = 255) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity, "unit_price": unit_price}


def order_body(
    id_: str,
    lines: Sequence[dict[str, Any]] = (),
    key: bytes = KEY,
    *,
    price_key: bytes | None = None,
    customer_id: CustomerId = CUSTOMER,
    **fields: Any,
) -> dict[str, Any]:
    """An order as a client sends it: sums that add up, and a receipt signed for it. A payment of
    None is left out. With a price key, also the pricing engine's signature for the customer."""
    lines = [*lines] or [line()]
    subtotal = sum(entry["quantity"] * entry["unit_price"] for entry in lines)
    body: dict[str, Any] = {
        "channel": "retail",
        "currency": "GBP",
        "lines": lines,
        "discounts": [],
        "shipping": 395,
        "tax": 0,
        "total": subtotal + 395,
        "address": {
            "name": "Ada Fletcher",
            "lines": ["1 High Street"],
            "city": "Leeds",
            "postal_code": "LS1 4AP",
            "country": "GB",
        },
        "payment": {"reference": "pay_01", "amount": subtotal + 395, "currency": "GBP"},
        **fields,
    }
    payment = body["payment"]
    if payment is None:
        del body["payment"]
    elif "receipt" not in payment:
        terms = {name: payment[name] for name in ("reference", "amount", "currency")}
        payment["receipt"] = sign(key, KEY_ID, order_key=order_key(customer_id, id_), **terms)
    if price_key is not None:
        made_at = order_id_time(OrderId(id_))
        body["price_signature"] = signed_price(
            body, customer_id=customer_id, valid_until=made_at // 1000 + 3600, key=price_key
        )
    return body


def signed_price(
    body: dict[str, Any],
    *,
    customer_id: CustomerId = CUSTOMER,
    valid_until: int = NOW // 1000 + 3600,
    key: bytes = PRICE_KEY,
    key_id: str = PRICE_KEY_ID,
) -> str:
    """The pricing engine's signature over what an order says."""
    return price_signature.sign(
        key,
        key_id,
        order=msgspec.convert(body, Order),
        customer_id=customer_id,
        valid_until=valid_until,
    )


def content(id_: str, **fields: Any) -> Content:
    """The same, as intake reads it."""
    read = content_of(msgspec.json.encode(order_body(id_, **fields)))
    assert isinstance(read, Content), read
    return read


def an_order(**fields: Any) -> Order:
    return content(order_id(), **fields).order


def accepted(
    key: OrderKey | None = None, accepted_at: Millis = NOW, **fields: Any
) -> AcceptedOrder:
    key = key or OrderKey(CUSTOMER, order_id())
    sent = content(key.order_id, customer_id=key.customer_id, **fields)
    return AcceptedOrder(key, accepted_at, sent.digest, sent.order)


def an_intake(
    orders: Orders,
    overflow: Overflow | None = None,
    *,
    keys: SigningKeys | None = None,
    prices: Prices | None = None,
    coupons: Coupons | None = None,
    coupon_keys: SigningKeys | None = None,
    clock: Clock | None = None,
    coupon_tries: CouponTries | None = None,
) -> Intake:
    """Accepts pounds. What is not given is in memory, and the clock stands at `NOW`."""
    return Intake(
        orders,
        overflow or MemoryOverflow(),
        keys or FixedSigningKeys({KEY_ID: KEY}),
        prices or Prices(),
        clock or SetClock(NOW),
        frozenset({"GBP"}),
        claims=Claims(groups="cognito:groups", wholesale_group="wholesale"),
        coupon_tries=coupon_tries,
        coupons=LimitedCoupons(
            coupons or MemoryOrders().coupons, coupon_keys or FixedSigningKeys({})
        ),
    )


def a_book(*articles: Article, version: str = "v1", **rules: Any) -> Book:
    """A price book of these articles, in pounds; delivery costs 395 everywhere, and prices include
    the tax."""
    lists = tuple(price_list_name(channel, "GBP") for channel in CHANNELS)
    defaults: dict[str, Any] = {
        "price_lists": lists,
        "tax_classes": ("standard",),
        "delivery": {
            delivery_key(channel, ELSEWHERE, "GBP"): DeliveryRate("subtotal", ((0, 395),))
            for channel in CHANNELS
        },
        "taxes": {
            tax_key(channel, ELSEWHERE): Tax(included=True, rates=(200_000,), delivery_rate=200_000)
            for channel in CHANNELS
        },
    }
    return Book(
        version, Rules(**{**defaults, **rules}), {article.sku: article for article in articles}
    )


def a_coupon(code: str = "SPRING", **fields: Any) -> Coupon:
    """A tenth off for everybody, on both channels."""
    defaults: dict[str, Any] = {"channels": CHANNELS, "rate": 100_000}
    return Coupon(code, **{**defaults, **fields})
