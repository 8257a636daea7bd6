"""The orders that customers send, made once per process, with every expected outcome.

The downstreams' own fault settings decide what becomes of an order: with `refuse_rate` 0.5,
fulfilment refuses the same order ids in every schedule.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import msgspec

from orders.aws import items
from orders.domain.order import Order, OrderKey, order_id_of
from orders.domain.receipt import sign
from orders.domain.units import CustomerId, Millis, OrderId
from simulation import store
from simulation.downstreams.fault_settings import FaultSettings

#: When every schedule begins: 2026-11-23T10:00:00Z.
START = 1_795_428_000_000
ADA = "customer-ada"
#: A token's subject is any text. This character is one that SQS refuses in a message.
NO_XML = "\uffff"
BOB = f"customer-bob{NO_XML}"
MALLORY = "customer-mallory"
DORA = "customer-dora"
#: A company's id, which its people's tokens name in a claim, and another's.
COMPANY, ANOTHER_COMPANY = "company-one", "company-two"
#: The claims of a stage that holds orders, and the group of those who release them.
COMPANY_CLAIM, LIMIT_CLAIM, APPROVERS = "company", "purchase_limit", "approvers"
KEY_ID = "v2.k1"
KEY = b"the gateway's key in the simulation"
#: Orders that one schedule can have, besides one at prices that change meanwhile.
SLOTS = store.SLOTS - 1

#: A free order is retail, with a coupon for all of it and no payment.
Shape = Literal["retail", "free", "wholesale", "large"]
SHAPES: tuple[Shape, ...] = ("retail", "free", "wholesale", "large")

#: The share of orders that fulfilment and accounting refuse, where they do: see `order_id`.
REFUSE_RATE = 0.5
_REFUSING = FaultSettings(refuse_rate=REFUSE_RATE)
_PUT = "PUT /orders/{order_id}"
#: The price books at the start, by version with the time at which each begins.
BOOKS = {"yesterday": 0, "today": START - 90 * 60 * 1000}

#: What a forger changes in an order: its sum and its receipt are right.
Forgery = Literal["second line", "coupon", "delivery"]
FORGERIES: tuple[Forgery, ...] = ("second line", "coupon", "delivery")


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """What the downstreams will say to an order, if they are asked."""

    out_of_stock: bool = False
    undeliverable: bool = False
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs in, where that is not the customer. `limit` is their token's claim, None where it
    has none."""

    id: str
    company: str = COMPANY
    limit: str | None = None
    approves: bool = False


#: What a buyer's limit says of an order's total. A claim that is no amount holds every order.
Limit = Literal["below", "equal", "no amount", "none"]
#: Whose order is held.
ABOVE_LIMIT: frozenset[Limit] = frozenset({"below", "no amount"})
BUYER = "buyer-bea"


@dataclass(frozen=True, slots=True)
class Draft:
    """An order as a customer sends it. `compressed` is its content as it must lie in the table, and
    `compressed_text` as it must lie in the overflow queue. `person`: who sends it for a
    company, and what their `limit` says of it."""

    key: OrderKey
    order: Order
    event: Mapping[str, Any]
    compressed: bytes
    compressed_text: str
    sku: str
    person: Person | None = None
    limit: Limit = "none"


@cache
def draft(
    slot: int,
    shape: Shape,
    expected_outcome: ExpectedOutcome,
    customer_id: str = ADA,
    version: int = 0,
) -> Draft:
    """The order of a slot (0 up to `SLOTS`). Another `version` is other content under its id."""
    made_at = START - 1_000 * (SLOTS - slot)
    key = _key(customer_id, order_id(slot, made_at, expected_outcome))
    return _draft(key, slot, _body(key, slot, shape, version, "today"))


@cache
def draft_at(
    made_at: int, book: str, customer_id: str = ADA, forgery: Forgery | None = None
) -> Draft:
    """An order that is made at another time, at the prices of some book."""
    key = _key(customer_id, order_id(SLOTS, made_at, ExpectedOutcome()))
    return _draft(key, SLOTS, _body(key, SLOTS, "retail", 0, book, forgery))


@cache
def draft_with_coupon(
    number: int, coupon: str, customer_id: str, expected_outcome: ExpectedOutcome
) -> Draft:
    """An order with a limited coupon; another `number` is another order."""
    key = _key(customer_id, order_id(SLOTS, START - 100 * (number + 1), expected_outcome))
    return _draft(key, SLOTS, _body(key, SLOTS, "retail", 0, "today", coupon=coupon))


@cache
def draft_for_company(
    number: int, limit: Limit, coupon: str, expected_outcome: ExpectedOutcome
) -> Draft:
    """A wholesale order that a buyer sends for their company; another `number` is another order."""
    key = _key(COMPANY, order_id(SLOTS, START - 5_000 - 100 * number, expected_outcome))
    body = _body(key, SLOTS, "wholesale", 0, "today", coupon=coupon)
    claims: Mapping[Limit, str | None] = {
        "below": str(body["total"] - 1),
        "equal": str(body["total"]),
        "no amount": "twelve",
        "none": None,
    }
    return replace(_draft(key, SLOTS, body, Person(BUYER, limit=claims[limit])), limit=limit)


def paid_by_another(paid: Draft) -> Draft:
    """Mallory's second account sends an order that was paid in the first: same id, same payment."""
    key = _key(MALLORY, paid.key.order_id)
    return replace(paid, key=key, event=request(_PUT, key, paid.event["body"]))


def _draft(
    key: OrderKey, slot: int, body: Mapping[str, Any], person: Person | None = None
) -> Draft:
    order = msgspec.convert(body, Order)
    compressed = items.compressed(order)
    return Draft(
        key=key,
        order=order,
        event=request(_PUT, key, msgspec.json.encode(body).decode(), person),
        compressed=compressed,
        compressed_text=b64encode(compressed).decode(),
        sku=store.teapot(slot),
        person=person,
    )


def _key(customer_id: str, id_: str) -> OrderKey:
    return OrderKey(CustomerId(customer_id), OrderId(id_))


@cache
def order_id(slot: int, made_at: int, expected_outcome: ExpectedOutcome) -> str:
    """A UUIDv7 made at a time, that the downstreams refuse as expected."""
    for number in range(1, 10_000):
        id_ = order_id_of(Millis(made_at), slot * 10_000 + number)
        if (_REFUSING.refuses("ship", id_), _REFUSING.refuses("post", id_)) == (
            expected_outcome.undeliverable,
            expected_outcome.blocked,
        ):
            return id_
    raise AssertionError("no id has this outcome")


@cache
def request(
    route: str, key: OrderKey, body: str | None = None, person: Person | None = None
) -> Mapping[str, Any]:
    """A request as the HTTP API hands it over, after its check of the token (format 2.0). `person`:
    who asks, None for the customer, who is a company of one."""
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
                    "claims": _claims(Person(key.customer_id, key.customer_id))
                    if person is None
                    else _claims(person),
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


def _claims(person: Person) -> Mapping[str, str]:
    groups = f"[{APPROVERS}]" if person.approves else "[wholesale]"
    claims = {"sub": person.id, "cognito:groups": groups, COMPANY_CLAIM: person.company}
    return claims if person.limit is None else claims | {LIMIT_CLAIM: person.limit}


def _body(
    key: OrderKey,
    slot: int,
    shape: Shape,
    version: int,
    book: str,
    forgery: Forgery | None = None,
    coupon: str = store.COUPON,
) -> dict[str, Any]:
    large = store.large_skus(slot) if shape == "large" else ()
    quantities = {store.teapot(slot): 2 + version, store.cup(slot): 6}
    quantities |= {sku: 1 + line for line, sku in enumerate(large)}
    lines: list[dict[str, Any]] = [
        {"sku": sku, "quantity": quantity, "unit_price": store.unit_prices(book)[sku]}
        for sku, quantity in quantities.items()
    ]
    reduction, shipping = store.REDUCTION, store.DELIVERY
    match forgery:
        case "second line":
            lines[1]["unit_price"] = 1
        case "coupon":
            coupon, reduction = "EVERYTHING", 3_000
        case "delivery":
            shipping = 0
    subtotal = sum(line["quantity"] * line["unit_price"] for line in lines)
    if shape == "free":
        coupon, reduction, shipping = store.FREE, subtotal, 0
    total = subtotal - reduction + shipping
    retail = shape in ("retail", "free")
    body: dict[str, Any] = {
        "channel": "retail" if retail else "wholesale",
        "currency": "GBP",
        "lines": lines,
        "discounts": [{"coupon": coupon, "amount": reduction}],
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
        body["payment"] = _payment(key, version, total)
    if not retail:
        body["purchase_order"] = f"PO-{slot}"
    return body


def _payment(key: OrderKey, version: int, amount: int) -> dict[str, Any]:
    """Each order has a payment of its own."""
    reference = f"pay_{key.customer_id.removesuffix(NO_XML)}_{key.order_id}_{version}"
    payment: dict[str, Any] = {"reference": reference, "amount": amount, "currency": "GBP"}
    return payment | {"receipt": sign(KEY, KEY_ID, order_key=key, **payment)}
