"""Receipts: one buys one order at one price, and the key that signs them can be changed while
customers order."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from orders.domain.receipt import sign
from spillway.prove.chaos.disruptions import running_functions
from spillway.run.stack import Stack
from tests.builders import order_body, order_id
from tests.e2e.shop import Customer

PARAMETER = "/spillway/local/receipt-keys"


def rules(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {violation["rule"] for violation in answer.json()["violations"]}


def refused(shopper: Customer, id_: str, body: dict[str, Any], **payment: Any) -> set[str]:
    """The rules that an order with this payment breaks; it is not stored."""
    found = rules(shopper.put(id_, {**body, "payment": {**body["payment"], **payment}}))
    assert shopper.http.get(f"/orders/{id_}").status_code == 404
    return found


def test_a_receipt_buys_no_other_order(shopper: Customer) -> None:
    _, paid = shopper.order()
    id_, body = shopper.order()
    assert refused(shopper, id_, body, receipt=paid["payment"]["receipt"]) == {"receipt_invalid"}


def test_a_receipt_buys_no_dearer_order(shopper: Customer) -> None:
    id_, cheap = shopper.order()
    receipt = cheap["payment"]["receipt"]
    more = {name: cheap[name] + 100 for name in ("shipping", "total")}
    dear = order_body(id_, **shopper.keys, **more)
    amount = cheap["payment"]["amount"] + 100
    assert refused(shopper, id_, dear, amount=amount, receipt=receipt) == {"receipt_invalid"}
    # Nor with the payment left at what was paid.
    assert "payment_amount_differs" in refused(shopper, id_, dear)


def test_a_receipt_holds_for_its_currency_and_its_reference(shopper: Customer) -> None:
    id_, body = shopper.order()
    assert "receipt_invalid" in refused(shopper, id_, body, currency="EUR")
    assert refused(shopper, id_, body, reference="pay_02") == {"receipt_invalid"}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda receipt: receipt[:-1], "receipt_invalid"),
        (lambda receipt: receipt[: receipt.index(".") + 1], "receipt_invalid"),
        (lambda receipt: receipt + "0", "receipt_invalid"),
        (lambda receipt: receipt.upper().replace("K1.", "k1."), "receipt_invalid"),
        (lambda receipt: receipt.partition(".")[2], "receipt_key_unknown"),
        (lambda receipt: "k2." + receipt.partition(".")[2], "receipt_key_unknown"),
        (lambda _: "", "text_invalid"),
    ],
    ids=["cut", "key alone", "longer", "other case", "no key", "unknown key", "none"],
)
def test_a_receipt_that_was_changed_buys_nothing(shopper: Customer, change: Any, rule: str) -> None:
    id_, body = shopper.order()
    found = refused(shopper, id_, body, receipt=change(body["payment"]["receipt"]))
    assert rule in found


def test_a_receipt_of_another_key_buys_nothing(shopper: Customer) -> None:
    id_, body = shopper.order()
    payment = body["payment"]
    terms = {name: payment[name] for name in ("reference", "amount", "currency")}
    forged = sign(secrets.token_bytes(32), "k1", order_id=id_, **terms)
    assert refused(shopper, id_, body, receipt=forged) == {"receipt_invalid"}


def test_the_key_is_changed_while_customers_order(stack: Stack, shopper: Customer) -> None:
    """Both keys are in force while the gateway changes over; then the old one is taken out."""
    old, new = stack.receipt_key.key, secrets.token_bytes(32)
    bought, body = shopper.order()
    assert shopper.put(bought, body).status_code == 201
    with keys_in_force(stack, k1=old, k2=new):
        assert send_until_answered(shopper, *order_signed(shopper, new, "k2")).status_code == 201
        assert send_until_answered(shopper, *order_signed(shopper, old, "k1")).status_code == 201
    with keys_in_force(stack, k2=new):
        assert send_until_answered(shopper, *order_signed(shopper, new, "k2")).status_code == 201
        # What was bought stays bought: its retry is answered as one.
        assert send_until_answered(shopper, bought, body).status_code == 200
        assert rules(send_until_answered(shopper, *order_signed(shopper, old, "k1"))) == {
            "receipt_key_unknown"
        }
    # As everybody else here expects it.
    assert send_until_answered(shopper, *order_signed(shopper, old, "k1")).status_code == 201


def order_signed(shopper: Customer, key: bytes, key_id: str) -> tuple[str, dict[str, Any]]:
    id_ = order_id(time.time_ns() // 1_000_000)
    body = order_body(id_, **{**shopper.keys, "key": key})
    payment = body["payment"]
    terms = {name: payment[name] for name in ("reference", "amount", "currency")}
    payment["receipt"] = sign(key, key_id, order_id=id_, **terms)
    return id_, body


@contextmanager
def keys_in_force(stack: Stack, **keys: bytes) -> Iterator[None]:
    """The parameter changes; intake has it five minutes later, or when it starts anew."""
    ssm = stack.client("ssm")
    before = ssm.get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"]
    value = json.dumps({name: key.hex() for name, key in keys.items()})
    try:
        put(stack, value)
        yield
    finally:
        put(stack, before)


def put(stack: Stack, value: str) -> None:
    stack.client("ssm").put_parameter(
        Name=PARAMETER, Value=value, Type="SecureString", Overwrite=True
    )
    for pid, function in running_functions(stack).items():
        if function == "intake":
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def send_until_answered(shopper: Customer, id_: str, body: dict[str, Any]) -> httpx.Response:
    """As a client does: again until it is answered."""
    for _ in range(60):
        answer = shopper.put(id_, body)
        if answer.status_code < 500:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{id_} was never answered: {answer.text}")
