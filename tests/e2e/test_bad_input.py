"""Every kind of bad input gets its named refusal from the deployed API, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from spillway.run.stack import Stack
from tests.builders import line, order_body, order_id
from tests.e2e.shop import Customer

Body = dict[str, Any]


def lines(*entries: dict[str, Any]) -> Callable[[Body], Body]:
    return lambda body: {**body, "lines": list(entries)}


def fields(**changes: Any) -> Callable[[Body], Body]:
    return lambda body: {**body, **changes}


def inside(name: str, /, **changes: Any) -> Callable[[Body], Body]:
    return lambda body: {**body, name: {**body[name], **changes}}


def without(name: str) -> Callable[[Body], Body]:
    return lambda body: {key: value for key, value in body.items() if key != name}


BAD: dict[str, tuple[str, Callable[[Body], Any]]] = {
    "an order that is a list": ("field_wrong_type", lambda body: [body]),
    "an order that is null": ("field_wrong_type", lambda _: None),
    "an empty object": ("field_missing", lambda _: {}),
    "no lines": ("field_missing", without("lines")),
    "an empty list of lines": ("lines_count_out_of_range", fields(lines=[])),
    "too many lines": ("lines_count_out_of_range", lines(*[line(f"S{n}") for n in range(2_001)])),
    "a line that is a text": ("field_wrong_type", fields(lines=["MUG"])),
    "an unknown field": ("field_unknown", fields(gift_wrap=True)),
    "an unknown field of a line": ("field_unknown", lines({**line(), "colour": "red"})),
    "a quantity of zero": ("quantity_out_of_range", lines(line(quantity=0))),
    "a negative quantity": ("quantity_out_of_range", lines(line(quantity=-6))),
    "an enormous quantity": ("quantity_out_of_range", lines(line(quantity=10**18))),
    "a quantity beyond 64 bits": ("field_wrong_type", lines(line(quantity=10**30))),
    "a quantity in text": ("field_wrong_type", lines({**line(), "quantity": "6"})),
    "a fraction of a quantity": ("field_wrong_type", lines({**line(), "quantity": 1.5})),
    "true as a quantity": ("field_wrong_type", lines({**line(), "quantity": True})),
    "a negative price": ("unit_price_out_of_range", lines(line(unit_price=-1))),
    "one sku at two prices": ("sku_price_conflict", lines(line("MUG", 1, 1), line("MUG", 1, 2))),
    "an sku of control characters": ("text_invalid", lines(line(sku="\x00\x1b"))),
    "an sku without end": ("text_invalid", lines(line(sku="x" * 10_000))),
    "a foreign currency": ("currency_not_accepted", fields(currency="XAU")),
    "a currency that is a number": ("field_wrong_type", fields(currency=978)),
    "a total that does not add up": ("total_does_not_add_up", fields(total=1)),
    "a negative total": ("amount_out_of_range", fields(total=-1)),
    "a payment for a total of zero": ("payment_not_needed", fields(total=0)),
    "no payment": ("payment_missing", fields(payment=None)),
    "a negative shipping": ("amount_out_of_range", fields(shipping=-395)),
    "a discount above the lines": (
        "discount_exceeds_subtotal",
        fields(discounts=[{"coupon": "ALL", "amount": 10**6}]),
    ),
    "a channel that does not exist": ("field_wrong_type", fields(channel="mail")),
    "an address without a name": ("text_invalid", inside("address", name="")),
    "a country that is none": ("country_invalid", inside("address", country="Britain")),
    "a payment of another amount": ("payment_amount_differs", inside("payment", amount=1)),
    "a payment in another currency": (
        "payment_currency_differs",
        inside("payment", currency="EUR"),
    ),
    "a forged receipt": ("receipt_invalid", inside("payment", receipt="v2.k1." + "f" * 64)),
    "a receipt cut short": ("receipt_invalid", inside("payment", receipt="v2.k1.abc")),
    "a receipt of an unknown key": ("receipt_key_unknown", inside("payment", receipt="k9.abc")),
    "a receipt moved to another reference": (
        "receipt_invalid",
        inside("payment", reference="pay_of_somebody_else"),
    ),
    "a purchase order for retail": ("purchase_order_not_for_retail", fields(purchase_order="P1")),
    "wholesale by a retail customer": (
        "wholesale_not_allowed",
        fields(channel="wholesale", purchase_order="PO-1"),
    ),
}


@pytest.mark.parametrize(("rule", "spoilt"), BAD.values(), ids=BAD)
def test_bad_content_gets_its_named_refusal_and_leaves_nothing(
    stack: Stack, shopper: Customer, rule: str, spoilt: Callable[[Body], Any]
) -> None:
    id_, body = shopper.order()
    answer = shopper.http.put(f"/orders/{id_}", content=json.dumps(spoilt(body)).encode())
    assert 400 <= answer.status_code < 500
    assert rule in [violation["rule"] for violation in answer.json()["violations"]]
    assert not stored(stack, shopper, id_)


RAW: dict[str, tuple[int, str, bytes]] = {
    "nothing": (400, "body_not_json", b""),
    "half an object": (400, "body_not_json", b'{"channel":"retail"'),
    "not UTF-8": (400, "body_not_json", b'{"channel":"\xff\xfe"}'),
    "a lone surrogate": (400, "body_not_json", b'{"channel":"\\ud800"}'),
    "no number": (400, "body_not_json", b'{"total":NaN}'),
    "a deep nest": (400, "body_not_json", b"[" * 50_000),
    "a huge body": (413, "body_too_large", b" " * 262_145),
}


@pytest.mark.parametrize(("status", "rule", "body"), RAW.values(), ids=RAW)
def test_a_body_that_is_no_order_gets_its_named_refusal_and_leaves_nothing(
    stack: Stack, shopper: Customer, status: int, rule: str, body: bytes
) -> None:
    id_, _ = shopper.order()
    answer = shopper.http.put(f"/orders/{id_}", content=body)
    assert answer.status_code == status
    assert [violation["rule"] for violation in answer.json()["violations"]] == [rule]
    assert not stored(stack, shopper, id_)


IDS = {
    "from the future": ("order_id_in_future", order_id(4_000_000_000_000)),
    "from long ago": ("order_id_too_old", order_id(1_000_000_000_000)),
    "of version 4": ("order_id_invalid", "1b671a64-40d5-491e-99b0-da01ff1f3341"),
    "in capitals": ("order_id_invalid", order_id().upper()),
    "of another item of the table": ("order_id_invalid", f"{order_id()}%23progress"),
}


@pytest.mark.parametrize(("rule", "id_"), IDS.values(), ids=IDS)
def test_a_bad_id_gets_its_named_refusal_and_leaves_nothing(
    stack: Stack, shopper: Customer, rule: str, id_: str
) -> None:
    _, body = shopper.order()
    answer = shopper.http.put(f"/orders/{id_}", json=body)
    assert answer.status_code == 422
    assert rule in [violation["rule"] for violation in answer.json()["violations"]]
    assert not stored(stack, shopper, id_.replace("%23", "#"))


def test_another_customers_id_is_that_customers_and_stays_untouched(
    stack: Stack, shopper: Customer, other: Customer
) -> None:
    """Ids are unique per customer: the same id sent by a stranger is the stranger's own order."""
    id_, body = shopper.order()
    assert shopper.put(id_, body).status_code == 201
    address = {**body["address"], "city": "York"}
    payment = {"reference": "pay_of_the_other", "amount": body["total"], "currency": "GBP"}
    theirs = order_body(id_, **other.keys, address=address, payment=payment)
    assert other.cancel(id_).status_code == 404
    assert other.put(id_, theirs).status_code == 201
    assert shopper.get(id_)["order"]["address"]["city"] == "Leeds"
    assert other.get(id_)["order"]["address"]["city"] == "York"
    assert other.cancel(id_).status_code == 202
    assert shopper.settled(id_)["status"] == "confirmed"
    # Beside the order is its progress, which is none.
    assert shopper.cancel(f"{id_}%23progress").status_code == 404
    assert shopper.get(id_)["cancellation"] is None


def stored(stack: Stack, customer: Customer, id_: str) -> list[Any]:
    """Whatever the table holds whose key begins with this id."""
    answer = stack.client("dynamodb").query(
        TableName=stack.tables["orders"],
        ConsistentRead=True,
        KeyConditionExpression="pk = :customer AND begins_with(sk, :id)",
        ExpressionAttributeValues={":customer": {"S": customer.id}, ":id": {"S": id_}},
    )
    items: list[Any] = answer["Items"]
    return items
