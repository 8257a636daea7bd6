"""The fake payment gateway: two requests are one payment, and its receipt is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from orders.domain.order import Payment
from orders.domain.receipt import verify
from spillway.run.stack.gateway import gateway
from spillway.run.stack.keys import SigningKey
from spillway.run.stack.ports import listen, port_of
from spillway.run.stack.serving import serving, uvicorn_config
from tests.builders import order_id

_KEY = SigningKey("k1", b"0" * 32)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    listener = listen(0)
    url = f"http://127.0.0.1:{port_of(listener)}"
    application = Starlette(routes=gateway(_KEY))
    with (
        serving(uvicorn_config(application), listener),
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield client


def pay(client: httpx.Client, id_: str, **fields: Any) -> Any:
    body = {"amount": 1775, "currency": "GBP", "method": "approved", **fields}
    return client.put(f"/_local/payments/{id_}", json=body)


def test_a_payment_s_receipt_is_genuine_for_its_order_and_no_other(client: httpx.Client) -> None:
    id_ = order_id()
    payment = Payment(**pay(client, id_).json())
    keys = {_KEY.key_id: _KEY.key}
    assert verify(payment, id_, keys) == "valid"
    assert verify(payment, order_id(), keys) == "invalid"


def test_asked_twice_it_is_the_same_payment(client: httpx.Client) -> None:
    id_ = order_id()
    assert pay(client, id_).json() == pay(client, id_).json()
    assert pay(client, id_).json() != pay(client, order_id()).json()


def test_something_else_for_the_same_order_is_refused(client: httpx.Client) -> None:
    id_ = order_id()
    pay(client, id_)
    assert pay(client, id_, amount=1).status_code == 409


def test_it_declines(client: httpx.Client) -> None:
    assert pay(client, order_id(), method="declined").status_code == 402


def test_what_was_given_back_was_not_paid(client: httpx.Client) -> None:
    id_ = order_id()
    first = pay(client, id_).json()
    for _ in range(2):
        assert client.delete(f"/_local/payments/{id_}").status_code == 204
    assert pay(client, id_).json()["reference"] != first["reference"]


@pytest.mark.parametrize(
    "fields", [{"amount": 0}, {"amount": "1"}, {"amount": True}, {"currency": "gbp"}]
)
def test_nonsense_is_refused(client: httpx.Client, fields: dict[str, Any]) -> None:
    assert pay(client, order_id(), **fields).status_code == 400


def test_no_json_and_no_order_are_refused(client: httpx.Client) -> None:
    assert client.put(f"/_local/payments/{order_id()}", content=b"{").status_code == 400
    assert pay(client, "1").status_code == 400
