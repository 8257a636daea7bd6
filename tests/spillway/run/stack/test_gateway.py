"""The fake payment gateway: it charges the store's price, and two requests are one payment."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from orders.domain.order import Payment
from orders.domain.receipt import verify
from orders.domain.void import proofs
from spillway.run.stack.gateway import gateway
from spillway.run.stack.keys import SigningKey
from tests.builders import CUSTOMER, OTHER_CUSTOMER, order_id, order_key
from tests.hosting import Host

_KEY = SigningKey("v2.k1", b"0" * 32)
_KEYS = {_KEY.key_id: _KEY.key}
_BOTH = (CUSTOMER, OTHER_CUSTOMER)
_ORDER = {
    "channel": "retail",
    "currency": "GBP",
    "lines": [{"sku": "MUG", "quantity": 1, "unit_price": 1380}],
    "discounts": [{"coupon": "SPRING", "amount": 1}],
    "address": {"name": "Ada Fletcher", "country": "GB"},
}
#: What the service answers to the gateway's question, and what it was asked.
_QUOTED = httpx.Response(200, json={"total": 1775, "violations": []})


def _token(customer: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": customer}).encode()).decode()
    return f"Bearer e30.{claims.rstrip('=')}.c2lnbmF0dXJl"


class Service:
    def __init__(self) -> None:
        self.answer = _QUOTED
        self.asked: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/quotes"
        assert request.headers["authorization"] in map(_token, _BOTH)
        self.asked.append(json.loads(request.content))
        return self.answer


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def client(service: Service, host: Host) -> Iterator[httpx.Client]:
    api = httpx.AsyncClient(transport=httpx.MockTransport(service), base_url="http://store/api")
    host.application = Starlette(routes=gateway(_KEY, api))
    with host.client() as client:
        yield client


def pay(
    client: httpx.Client, id_: str, amount: Any = 1775, customer: str = CUSTOMER, **fields: Any
) -> Any:
    order = {**_ORDER, **fields.pop("order", {})}
    body = {"order": order, "amount": amount, "method": "approved", **fields}
    headers = {"authorization": _token(customer)}
    return client.put(f"/_local/payments/{id_}", json=body, headers=headers)


def give_back(client: httpx.Client, id_: str, customer: str = CUSTOMER, given: Any = None) -> int:
    """`given`: in place of the proofs that the service gives."""
    body = {"proofs": proofs(order_key(customer, id_), _KEYS)} if given is None else given
    headers = {"authorization": _token(customer)}
    url = f"/_local/payments/{id_}/refund"
    return client.post(url, json=body, headers=headers).status_code


def test_the_store_is_asked_what_the_order_costs(client: httpx.Client, service: Service) -> None:
    id_ = order_id()
    assert pay(client, id_, order={"address": {"country": "US", "state": "CA"}}).is_success
    assert service.asked == [
        {
            "channel": "retail",
            "currency": "GBP",
            "lines": [{"sku": "MUG", "quantity": 1}],
            "country": "US",
            "state": "CA",
            "coupons": ["SPRING"],
            "order_id": id_,
        }
    ]


@pytest.mark.parametrize(
    ("status", "rule"),
    [
        (422, "currency_not_accepted"),
        (403, "wholesale_not_allowed"),
        (413, "body_too_large"),
    ],
)
def test_what_the_store_does_not_even_price_is_refused_for_good(
    client: httpx.Client, service: Service, status: int, rule: str
) -> None:
    """Else the page would ask again for a day, and its customer wait."""
    violations = [{"rule": rule, "pointer": "/currency", "detail": "No."}]
    service.answer = httpx.Response(status, json={"status": status, "violations": violations})
    answer = pay(client, order_id())
    assert (answer.status_code, answer.json()["violations"]) == (422, violations)


@pytest.mark.parametrize(
    "quote",
    [
        {"total": 1776, "violations": []},
        {"total": 1775, "violations": [{"rule": "coupon_expired", "pointer": "/coupons/0"}]},
    ],
)
def test_a_page_that_is_wrong_about_the_sum_is_told_the_right_one_and_charged_nothing(
    client: httpx.Client, service: Service, quote: dict[str, Any]
) -> None:
    service.answer = httpx.Response(200, json=quote)
    id_ = order_id()
    answer = pay(client, id_)
    assert (answer.status_code, answer.json()) == (422, quote)
    service.answer = _QUOTED
    assert pay(client, id_).is_success, "nothing was taken before"


def test_where_the_store_has_no_prices_the_page_says_the_sum(
    client: httpx.Client, service: Service
) -> None:
    violations = [{"rule": "quotes_not_offered", "pointer": "", "detail": "None here."}]
    service.answer = httpx.Response(404, json={"violations": violations})
    assert pay(client, order_id(), amount=1).json()["amount"] == 1


@pytest.mark.parametrize("status", [401, 429, 503])
def test_without_a_quote_nothing_is_taken(
    client: httpx.Client, service: Service, status: int
) -> None:
    service.answer = httpx.Response(status, json={"message": "no"})
    assert pay(client, order_id()).status_code == status


def test_a_payment_s_receipt_is_genuine_for_its_customer_and_order_and_no_other(
    client: httpx.Client,
) -> None:
    id_ = order_id()
    payment = Payment(**pay(client, id_).json())
    assert verify(payment, order_key(CUSTOMER, id_), _KEYS) == "valid"
    assert verify(payment, order_key(CUSTOMER, order_id()), _KEYS) == "invalid"
    assert verify(payment, order_key(OTHER_CUSTOMER, id_), _KEYS) == "invalid"


def test_two_customers_with_the_same_id_each_pay_and_get_back_their_own(
    client: httpx.Client,
) -> None:
    id_ = order_id()
    ada, bob = (Payment(**pay(client, id_, customer=one).json()) for one in _BOTH)
    assert ada.reference != bob.reference
    assert verify(bob, order_key(OTHER_CUSTOMER, id_), _KEYS) == "valid"
    assert give_back(client, id_) == 204
    assert pay(client, id_).json()["reference"] != ada.reference
    assert pay(client, id_, customer=OTHER_CUSTOMER).json()["reference"] == bob.reference


@pytest.mark.parametrize(
    "token", ["", "Bearer t", "Bearer e30.e30.e30", "Bearer e30.!.e30", "Bearer e30.W10.e30"]
)
def test_without_a_customer_nothing_is_taken_or_given_back(
    client: httpx.Client, token: str
) -> None:
    url, headers = f"/_local/payments/{order_id()}", {"authorization": token}
    assert client.put(url, json={"order": _ORDER, "amount": 1}, headers=headers).status_code == 401
    assert client.post(f"{url}/refund", json={"proofs": []}, headers=headers).status_code == 401


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
        assert give_back(client, id_) == 204
    assert pay(client, id_).json()["reference"] != first["reference"]


def test_nothing_is_given_back_at_a_customers_word(client: httpx.Client) -> None:
    """Not without a proof, nor with that of another order, another customer, or another key."""
    id_ = order_id()
    first = pay(client, id_).json()
    of_others = [
        proofs(order_key(CUSTOMER, order_id()), _KEYS),
        proofs(order_key(OTHER_CUSTOMER, id_), _KEYS),
        proofs(order_key(CUSTOMER, id_), {_KEY.key_id: b"1" * 32}),
        proofs(order_key(CUSTOMER, id_), {"v2.k2": _KEY.key}),
        [first["receipt"]],
        [],
    ]
    for given in (*({"proofs": some} for some in of_others), {}, [], {"proofs": "v2.k1.0"}):
        assert give_back(client, id_, given=given) == 403
    assert pay(client, id_).json() == first


@pytest.mark.parametrize(
    "fields",
    [{"amount": 0}, {"amount": "1"}, {"amount": True}, {"order": {"currency": "gbp"}}],
)
def test_nonsense_is_refused(client: httpx.Client, fields: dict[str, Any]) -> None:
    assert pay(client, order_id(), **fields).status_code == 400


def test_no_json_and_no_order_are_refused(client: httpx.Client) -> None:
    assert client.put(f"/_local/payments/{order_id()}", content=b"{").status_code == 400
    assert pay(client, "1").status_code == 400
