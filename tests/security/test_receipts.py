"""Receipts: one buys one order of one customer at one price, and the key that signs them can be
changed while customers order."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from orders.domain.receipt import sign
from orders.domain.void import is_proven
from spillway.prove.chaos.disruptions import running_functions
from spillway.run.stack import Stack
from tests.builders import order_body, order_key
from tests.e2e.shop import Customer

MUG = {"sku": "MUG-SAGE", "quantity": 1}
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


def test_a_payment_buys_the_order_of_one_customer(shopper: Customer, other: Customer) -> None:
    """Two accounts of one person: the same id and order, paid once."""
    id_, body = shopper.order_by_the_book(MUG)
    assert shopper.put(id_, body).status_code == 201
    assert refused(other, id_, body) == {"receipt_invalid"}
    # Nor when the other account comes first.
    id_, body = shopper.order_by_the_book(MUG)
    assert refused(other, id_, body) == {"receipt_invalid"}
    assert shopper.put(id_, body).status_code == 201


def test_a_payment_that_went_back_buys_nothing(stack: Stack, shopper: Customer) -> None:
    """Pay, have an order refused, have the money back, and send a right one with the receipt."""
    id_, body = shopper.order_by_the_book(MUG)
    assert refused(shopper, id_, body, amount=1)
    proof = shopper.cancel(id_, void=True).json()["proofs"][0]
    key = stack.receipt_key
    assert is_proven(proof, order_key(shopper.id, id_), {key.key_id: key.key})
    answer = shopper.put(id_, body)
    assert (answer.status_code, answer.json()["violations"][0]["rule"]) == (409, "order_id_void")
    assert shopper.http.get(f"/orders/{id_}").status_code == 404
    assert id_ not in shopper.http.get("/orders").text
    # Who has an order there gets no proof: it is cancelled, and refunded when it is undone.
    id_, body = shopper.order_by_the_book(MUG)
    assert shopper.put(id_, body).status_code == 201
    answer = shopper.cancel(id_, void=True)
    assert (answer.status_code, "proofs" in answer.json()) == (202, False)


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
        (lambda receipt: receipt[: receipt.rindex(".") + 1], "receipt_invalid"),
        (lambda receipt: receipt + "0", "receipt_invalid"),
        (lambda receipt: receipt.upper().replace("V2.K1.", "v2.k1."), "receipt_invalid"),
        (lambda receipt: receipt.rpartition(".")[2], "receipt_key_unknown"),
        (lambda receipt: "v2.k2." + receipt.rpartition(".")[2], "receipt_key_unknown"),
        (lambda receipt: receipt.removeprefix("v2."), "receipt_key_unknown"),
        (lambda _: "", "text_invalid"),
    ],
    ids=["cut", "key alone", "longer", "other case", "no key", "unknown key", "other form", "none"],
)
def test_a_receipt_that_was_changed_buys_nothing(shopper: Customer, change: Any, rule: str) -> None:
    id_, body = shopper.order()
    found = refused(shopper, id_, body, receipt=change(body["payment"]["receipt"]))
    assert rule in found


def test_a_receipt_of_another_key_buys_nothing(shopper: Customer) -> None:
    id_, body = shopper.order()
    forged = signed(shopper, id_, body, secrets.token_bytes(32), "v2.k1")
    assert refused(shopper, id_, body, receipt=forged) == {"receipt_invalid"}


def test_the_gateway_changes_over_while_customers_order(stack: Stack, shopper: Customer) -> None:
    """From a key whose receipts name no customer, as before 0.3.0, to one whose do: both are in
    force while the gateway changes over; then the old one is taken out. So is any key replaced."""
    new, old = stack.receipt_key.key, secrets.token_bytes(32)
    with keys_in_force(stack, {"k0": old}):
        bought, body = order_signed(shopper, old, "k0")
        assert send_until_answered(shopper, bought, body).status_code == 201
    with keys_in_force(stack, {"k0": old, "v2.k1": new}):
        assert send_until_answered(shopper, *order_signed(shopper, new, "v2.k1")).status_code == 201
        assert send_until_answered(shopper, *order_signed(shopper, old, "k0")).status_code == 201
    # As everybody else here expects it: the old key is gone.
    assert send_until_answered(shopper, *order_signed(shopper, new, "v2.k1")).status_code == 201
    # What was bought stays bought: its retry is answered as one.
    assert send_until_answered(shopper, bought, body).status_code == 200
    late, unsold = order_signed(shopper, old, "k0")
    assert refused(shopper, late, unsold) == {"receipt_key_unknown"}


def order_signed(shopper: Customer, key: bytes, key_id: str) -> tuple[str, dict[str, Any]]:
    id_, body = shopper.order()
    body["payment"]["receipt"] = signed(shopper, id_, body, key, key_id)
    return id_, body


def signed(payer: Customer, id_: str, body: dict[str, Any], key: bytes, key_id: str) -> str:
    terms = {name: body["payment"][name] for name in ("reference", "amount", "currency")}
    return sign(key, key_id, order_key=order_key(payer.id, id_), **terms)


@contextmanager
def keys_in_force(stack: Stack, keys: Mapping[str, bytes]) -> Iterator[None]:
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
