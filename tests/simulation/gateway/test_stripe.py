"""The fake answers as Stripe documents it, whatever our own adapter asks."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from simulation.gateway.stripe import DAY_MS, Answer, FakeStripe, Fault
from simulation.world.runtime import SetClock
from tests.builders import NOW


class Client:
    def __init__(self) -> None:
        self.clock = SetClock(NOW)
        self.fault: Fault | None = None
        self.fake = FakeStripe(self.clock.now, next_fault=lambda *_: self.fault)

    def get(self, path: str, **query: object) -> Answer:
        return self._ask("GET", f"{path}?{urlencode(query)}", {})

    def refund(self, key: str | None = None, **given: object) -> Answer:
        headers = {} if key is None else {"idempotency-key": key}
        return self._ask("POST", "/v1/refunds", headers, urlencode(given).encode())

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        authorised = {"authorization": "Bearer rk_test_fake", **headers}
        return self.fake.answer(method, f"https://api.stripe.com{url}", authorised, body)


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_list_is_ten_of_the_newest_and_goes_on_after_one(client: Client) -> None:
    names = []
    for number in range(12):
        client.clock.milliseconds = NOW + 1000 * number
        names.append(client.fake.pay(100, "GBP", {}))
    first = client.get("/v1/payment_intents").document
    assert ([each["id"] for each in first["data"]], first["has_more"]) == (names[:1:-1], True)
    rest = client.get("/v1/payment_intents", starting_after=names[2]).document
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (names[1::-1], False)
    assert client.get("/v1/payment_intents", limit=101).status == 400


def test_a_charge_is_an_id_unless_it_is_expanded(client: Client) -> None:
    one = client.fake.pay(100, "GBP", {})
    listed = client.get("/v1/payment_intents", **{"expand[]": "data.latest_charge"})
    assert listed.document["data"][0]["latest_charge"]["amount_refunded"] == 0
    assert client.get(f"/v1/payment_intents/{one}").document["latest_charge"].startswith("ch_")


def test_no_more_than_is_left_is_refunded(client: Client) -> None:
    one = client.fake.pay(100, "GBP", {})
    assert client.refund(payment_intent=one, amount=60).document["amount"] == 60
    assert client.refund(payment_intent=one, amount=60).status == 400
    assert client.refund(payment_intent=one).document["amount"] == 40
    assert client.refund(payment_intent=one).document["error"]["code"] == "charge_already_refunded"


def test_a_key_is_kept_for_a_day_with_the_first_answer(client: Client) -> None:
    one, other = (client.fake.pay(100, "GBP", {}) for _ in range(2))
    first = client.refund("k", payment_intent=one)
    again = client.refund("k", payment_intent=one)
    assert (again.document, dict(again.headers)) == (
        first.document,
        {"idempotent-replayed": "true"},
    )
    different = client.refund("k", payment_intent=other)
    assert (different.status, different.document["error"]["type"]) == (400, "idempotency_error")
    client.clock.milliseconds += DAY_MS
    assert client.refund("k", payment_intent=other).status == 200


def test_an_error_500_is_kept_too_and_a_conflict_is_not(client: Client) -> None:
    one = client.fake.pay(100, "GBP", {})
    client.fault = "key_in_use"
    assert client.refund("k", payment_intent=one).status == 409
    client.fault = "fails_after"
    assert client.refund("k", payment_intent=one).status == 500
    client.fault = None
    assert client.refund("k", payment_intent=one).status == 500
    assert client.fake.refunded(one) == 100


def test_a_wrong_key_learns_nothing(client: Client) -> None:
    answer = client.fake.answer("GET", "/v1/payment_intents", {"authorization": "Bearer other"})
    assert answer.status == 401
