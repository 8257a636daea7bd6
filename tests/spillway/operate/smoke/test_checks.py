"""The smoke test notices what a deployment can get wrong, and a sound service passes it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import msgspec
import pytest

from orders.domain.pricing import price
from orders.domain.quote import QuoteRequest
from spillway.operate.smoke.checks import NO_ARTICLE, NOT_THE_SERVICE, run
from spillway.price_book import encoded_catalogue, example
from tests.builders import NOW

Answering = Callable[[httpx.Request], httpx.Response]
NAMES = (
    "no_token",
    "unsigned_token",
    "history",
    "unknown_order",
    "refused_order",
    "refused_price",
    "unknown_cancellation",
    "nothing_stored",
)


def refused(*rules: str) -> httpx.Response:
    return httpx.Response(422, json={"violations": [{"rule": rule} for rule in rules]})


def sound(request: httpx.Request) -> httpx.Response:
    if request.headers.get("authorization") != "Bearer good":
        return httpx.Response(401, json={"message": "Unauthorized"})
    if request.method == "PUT" and not request.url.path.endswith("/cancellation"):
        sold = NO_ARTICLE not in request.content.decode()
        return refused("receipt_key_unknown", *(() if sold else ("article_unknown",)))
    if request.url.path == "/api/orders":
        return httpx.Response(200, json={"orders": [], "cursor": None})
    return httpx.Response(404, json={"violations": [{"rule": "order_not_found"}]})


GOOD = "good"


def faults(answer: Answering, token: str | None = GOOD) -> dict[str, str]:
    transport = httpx.MockTransport(answer)
    with httpx.Client(base_url="https://orders.test/api", transport=transport) as api:
        return {
            finding.name: finding.fault
            for finding in run(api, token=token, now=NOW)
            if finding.fault is not None
        }


def but(path: str, answer: Answering, method: str = "GET") -> Answering:
    """A sound service but for one route."""

    def answering(request: httpx.Request) -> httpx.Response:
        known = request.headers.get("authorization") == "Bearer good"
        if known and request.method == method and request.url.path.startswith(path):
            return answer(request)
        return sound(request)

    return answering


def test_a_sound_service_passes() -> None:
    assert faults(sound) == {}


def test_without_a_token_only_the_gateway_is_asked() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return sound(request)

    assert faults(answer, token=None) == {}
    assert asked == ["/api/orders", "/api/orders"]


def test_a_gateway_that_lets_everybody_in_is_noticed() -> None:
    page = httpx.Response(200, json={"orders": [], "cursor": None})
    assert set(faults(lambda _: page)) >= {"no_token", "unsigned_token"}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_function_that_does_not_start_is_noticed(status: int) -> None:
    found = faults(but("/api/orders", lambda _: httpx.Response(status)))
    assert set(found) == {"history", "unknown_order", "nothing_stored"}
    assert found["history"] == f"answered {status}, not 200"


def test_receipt_keys_that_cannot_be_read_are_noticed() -> None:
    found = faults(but("/api/orders", lambda _: httpx.Response(503), "PUT"))
    assert set(found) == {"refused_order", "refused_price", "unknown_cancellation"}


def test_an_order_that_is_refused_for_more_than_its_receipt_is_noticed() -> None:
    answer = but("/api/orders/", lambda _: refused("field_unknown", "receipt_key_unknown"), "PUT")
    assert faults(answer)["refused_order"] == "refused for field_unknown, receipt_key_unknown"


def test_a_store_need_not_take_the_currency() -> None:
    both = refused("currency_not_accepted", "receipt_key_unknown")
    found = faults(but("/api/orders/", lambda _: both, "PUT"))
    assert "refused_order" not in found


def test_an_order_that_was_stored_after_all_is_noticed() -> None:
    there = httpx.Response(200, json={})
    assert "nothing_stored" in faults(but("/api/orders/", lambda _: there))


def test_a_service_that_does_not_answer_is_reported_check_by_check() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert faults(gone) == dict.fromkeys(NAMES, "no answer (nothing listens at its address)")


def test_what_is_not_the_service_proves_nothing() -> None:
    """A page for every path, as at the storefront's address, and a gateway without these routes."""

    def page(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<!doctype html>")

    def gateway(request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") != "Bearer good":
            return sound(request)
        return httpx.Response(404, json={"message": "Not Found"})

    assert set(faults(but("/", page))) == {
        "history",
        "unknown_order",
        "nothing_stored",
    }
    assert faults(but("/", page))["history"] == NOT_THE_SERVICE
    assert set(faults(gateway)) == set(NAMES) - {"no_token", "unsigned_token"}


def test_a_stage_where_anyone_may_name_a_price_is_noticed() -> None:
    assert faults(but("/api/orders/", lambda _: refused("receipt_key_unknown"), "PUT"))[
        "refused_price"
    ].startswith("anyone may name a price")


STORE = "https://store.test"


@pytest.mark.parametrize(("status", "fault"), [(401, None), (502, "answered 502, not 401")])
def test_a_storefront_in_front_of_an_api_that_is_gone_is_noticed_without_a_token(
    status: int, fault: str | None
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status) if request.url.host == "store.test" else sound(request)

    transport = httpx.MockTransport(answer)
    with httpx.Client(base_url="https://orders.test/api", transport=transport) as api:
        found = {one.name: one.fault for one in run(api, token=None, now=NOW, store=STORE)}
    assert found == {"no_token": None, "unsigned_token": None, "store_reaches_api": fault}


BEGUN = {"begins": NOW - 1, "catalogue": "/catalogues/now.json"}
PLANNED = {"begins": NOW + 1, "catalogue": "/catalogues/planned.json"}


def shown_and_charged(
    listed: object,
    charged: dict[str, int] | None,
    shipping: int = 0,
    tax: int = 0,
    currency: str = "GBP",
) -> str | None:
    """What is found where the storefront shows the example store's catalogue, and intake charges it
    but for some skus; None: it gives no quotes. It takes orders in this `currency`."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/prices.json":
            return httpx.Response(200 if listed else 404, json=listed)
        if request.url.path == BEGUN["catalogue"]:
            return httpx.Response(200, content=encoded_catalogue(example()))
        if request.url.path != "/api/quotes":
            return sound(request)
        if charged is None:
            return httpx.Response(404, json={"violations": [{"rule": "quotes_not_offered"}]})
        asked = msgspec.json.decode(request.content, type=QuoteRequest)
        if asked.currency != currency:
            return httpx.Response(422, json={"violations": [{"rule": "currency_not_accepted"}]})
        priced = price(asked.basket, example().book(""), NOW)
        lines = [
            {"sku": line.sku, "unit_price": charged.get(line.sku, unit_price)}
            for line, unit_price in zip(asked.lines, priced.unit_prices, strict=True)
        ]
        sums = {"shipping": priced.shipping + shipping, "tax": priced.tax + tax}
        return httpx.Response(200, json={"lines": lines, **sums})

    transport = httpx.MockTransport(answer)
    with httpx.Client(base_url="https://orders.test/api", transport=transport) as api:
        [found] = [
            finding
            for finding in run(api, token=GOOD, now=NOW, store=STORE)
            if finding.name == "storefront_prices"
        ]
    return found.fault


BOOKS = {"books": [BEGUN, PLANNED]}


def test_a_storefront_that_shows_what_is_charged_passes() -> None:
    assert shown_and_charged(BOOKS, {}) is None


@pytest.mark.parametrize(
    ("charged", "shipping", "tax", "fact"),
    [
        ({"MUG-SAGE": 1_500}, 0, 0, "MUG-SAGE is shown as 1400 and charged as 1500"),
        ({}, 1, 0, "shipping"),
        ({}, 0, 1, "tax"),
    ],
)
def test_a_storefront_that_shows_another_price_is_noticed(
    charged: dict[str, int], shipping: int, tax: int, fact: str
) -> None:
    fault = shown_and_charged(BOOKS, charged, shipping, tax)
    assert fault is not None
    assert fact in fault
    assert "spillway publish" in fault


@pytest.mark.parametrize("listed", [None, {"books": []}, {"books": [PLANNED]}])
def test_a_storefront_without_prices_is_noticed_where_there_are_quotes(listed: object) -> None:
    assert "shows no prices" in (shown_and_charged(listed, {}) or "")
    assert "shows no prices" in (shown_and_charged(listed, {}, currency="EUR") or "")
    assert shown_and_charged(listed, None) is None


def test_a_list_of_prices_that_cannot_be_read_is_noticed() -> None:
    assert "can be read" in (shown_and_charged({"no": "books"}, {}) or "")


def test_a_stage_without_a_book_that_it_can_read_is_noticed() -> None:
    found = faults(but("/api/orders/", lambda _: httpx.Response(503), "PUT"))
    assert found["refused_price"] == "answered 503, not 422"
