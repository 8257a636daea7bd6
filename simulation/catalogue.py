"""The orders that customers send, made once per process, with every expected outcome.

The downstreams' own fault settings decide what becomes of an order: with `refuse_rate` 0.5,
fulfilment refuses the same order ids in every schedule.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Literal

import msgspec

from orders.aws import items
from orders.domain.order import Order, OrderKey, order_id_of
from orders.domain.receipt import sign
from orders.domain.units import CustomerId, Millis, OrderId
from simulation.downstreams.fault_settings import FaultSettings

#: When every schedule begins: 2026-11-23T10:00:00Z.
START = 1_795_428_000_000
ADA = "customer-ada"
BOB = "customer-bob"
KEY_ID = "k1"
KEY = b"the gateway's key in the simulation"
#: Orders that one schedule can have.
SLOTS = 3

#: A free order is retail, with a coupon for all of it and no payment.
Shape = Literal["retail", "free", "wholesale", "large"]
SHAPES: tuple[Shape, ...] = ("retail", "free", "wholesale", "large")

#: The share of orders that fulfilment and accounting refuse, where they do: see `order_id`.
REFUSE_RATE = 0.5
_REFUSING = FaultSettings(refuse_rate=REFUSE_RATE)
#: Lines that do not compress: the order is then too large to travel in a message.
_LARGE_LINES = 80


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """What the downstreams will say to an order, if they are asked."""

    out_of_stock: bool = False
    undeliverable: bool = False
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as a customer sends it. `compressed` is its content as it must lie in the table, and
    `compressed_text` as it must lie in the overflow queue."""

    key: OrderKey
    order: Order
    event: Mapping[str, Any]
    compressed: bytes
    compressed_text: str
    sku: str


@cache
def draft(
    slot: int,
    shape: Shape,
    expected_outcome: ExpectedOutcome,
    customer_id: str = ADA,
    version: int = 0,
) -> Draft:
    """The order of a slot (0 up to `SLOTS`). Another `version` is other content under its id."""
    id_ = order_id(slot, expected_outcome)
    body = _body(id_, slot, shape, version)
    order = msgspec.convert(body, Order)
    compressed = items.compressed(order)
    key = OrderKey(CustomerId(customer_id), OrderId(id_))
    return Draft(
        key=key,
        order=order,
        event=request("PUT /orders/{order_id}", key, msgspec.json.encode(body).decode()),
        compressed=compressed,
        compressed_text=b64encode(compressed).decode(),
        sku=body["lines"][0]["sku"],
    )


@cache
def order_id(slot: int, expected_outcome: ExpectedOutcome) -> str:
    """A UUIDv7 made a little before the start, that the downstreams refuse as expected."""
    made_at = START - 1_000 * (SLOTS - slot)
    for number in range(1, 10_000):
        id_ = order_id_of(Millis(made_at), slot * 10_000 + number)
        if (_REFUSING.refuses("ship", id_), _REFUSING.refuses("post", id_)) == (
            expected_outcome.undeliverable,
            expected_outcome.blocked,
        ):
            return id_
    raise AssertionError("no id has this outcome")


@cache
def request(route: str, key: OrderKey, body: str | None = None) -> Mapping[str, Any]:
    """A request as the HTTP API hands it over, after its check of the token (format 2.0)."""
    method, _, path = route.partition(" ")
    path = "/api" + path.replace("{order_id}", key.order_id)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "authorizer": {
                "jwt": {
                    "claims": {"sub": key.customer_id, "cognito:groups": "[wholesale]"},
                    "scopes": None,
                }
            },
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "api",
            "timeEpoch": START,
        },
        "isBase64Encoded": False,
    }
    if "{order_id}" in route:
        event["pathParameters"] = {"order_id": key.order_id}
    if body is not None:
        event["body"] = body
    return event


def _body(id_: str, slot: int, shape: Shape, version: int) -> dict[str, Any]:
    lines = [{"sku": f"TEAPOT-{slot}", "quantity": 2 + version, "unit_price": 1_250}]
    lines += [{"sku": f"CUP-{slot}", "quantity": 6, "unit_price": 255}]
    if shape == "large":
        lines += [
            {"sku": _noise(f"{slot}-{line}"), "quantity": line + 1, "unit_price": 100 + line}
            for line in range(_LARGE_LINES)
        ]
    subtotal = sum(line["quantity"] * line["unit_price"] for line in lines)  # type: ignore[operator]
    discount, shipping = (subtotal, 0) if shape == "free" else (150, 395)
    total = subtotal - discount + shipping
    retail = shape in ("retail", "free")
    body: dict[str, Any] = {
        "channel": "retail" if retail else "wholesale",
        "currency": "GBP",
        "lines": lines,
        "discounts": [{"coupon": "XMAS10", "amount": discount}],
        "shipping": shipping,
        "tax": 0,
        "total": total,
        "address": {
            "name": "A. Buyer",
            "lines": ["1 High Street"],
            "city": "Leeds",
            "postal_code": "LS1 4AP",
            "country": "GB",
        },
    }
    if total:
        body["payment"] = _payment(id_, f"pay_{slot}_{version}", total)
    if not retail:
        body["purchase_order"] = f"PO-{slot}"
    return body


def _payment(id_: str, reference: str, amount: int) -> dict[str, Any]:
    payment: dict[str, Any] = {"reference": reference, "amount": amount, "currency": "GBP"}
    return payment | {"receipt": sign(KEY, KEY_ID, order_id=id_, **payment)}


def _noise(text: str) -> str:
    return b64encode(sha256(text.encode()).digest() + sha256(text[::-1].encode()).digest())[
        :64
    ].decode()
