"""A client sends again until it has a final answer, and never sends anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest

from spillway.run.load.clients import (
    ATTEMPTS_MAX,
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MAX_SECONDS,
    Reply,
    Tokens,
    Unanswered,
    backoff_seconds,
)
from spillway.run.workload import Customer
from tests.spillway.run.load.fake_api import ACCEPTED_AT, NOW, FakeApi, token

ORDER_ID = "019ab000-0000-7000-8000-000000000001"


def place(api: FakeApi) -> Reply:
    return asyncio.run(api.client().place("shopper", ORDER_ID, b'{"total":1}'))


def first_answers(
    *answers: httpx.Response | Exception,
) -> Callable[[httpx.Request], httpx.Response | None]:
    """These answers first, one a request; then the API's own."""
    left: Iterator[httpx.Response | Exception] = iter(answers)

    def before(_: httpx.Request) -> httpx.Response | None:
        answer = next(left, None)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return before


def test_an_order_is_put_under_its_id_with_its_customers_token() -> None:
    api = FakeApi()

    assert place(api) == Reply(201, {"accepted_at": ACCEPTED_AT})
    (request,) = api.requests
    assert (request.method, request.url.path) == ("PUT", f"/orders/{ORDER_ID}")
    assert request.headers["authorization"] == f"Bearer {token('shopper')}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(429),
        httpx.Response(500),
        httpx.Response(502, text="<html>"),
        httpx.Response(503),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("closed without an answer"),
    ],
)
def test_without_a_final_answer_the_very_same_is_sent_again(
    answer: httpx.Response | Exception,
) -> None:
    api = FakeApi(before=first_answers(answer, answer))

    reply = place(api)

    assert reply.status == 201
    assert len({(request.url, request.content) for request in api.requests}) == 1
    assert len(api.requests) == 3
    assert len(api.slept) == 2


@pytest.mark.parametrize("status", [200, 202, 400, 401, 403, 404, 409, 413, 422])
def test_a_final_answer_is_not_asked_for_again(status: int) -> None:
    api = FakeApi(before=first_answers(httpx.Response(status, json={"title": "final"})))

    assert place(api) == Reply(status, {"title": "final"})
    assert api.slept == []


def test_a_client_gives_up_after_many_attempts_without_guessing() -> None:
    api = FakeApi(before=lambda _: httpx.Response(503))

    with pytest.raises(Unanswered, match="got no answer in 12 attempts: status 503"):
        place(api)
    assert len(api.requests) == ATTEMPTS_MAX


def test_retry_after_is_waited_for() -> None:
    api = FakeApi(before=first_answers(httpx.Response(503, headers={"retry-after": "7"})))

    place(api)

    assert api.slept == [7.0]


def test_an_answer_that_is_no_json_object_is_an_empty_one() -> None:
    for content in (b"", b"<html>", b"[1]"):
        api = FakeApi(before=first_answers(httpx.Response(403, content=content)))
        assert place(api) == Reply(403, {})


def test_backoff_doubles_up_to_a_limit_and_jitter_spreads_its_upper_half() -> None:
    assert backoff_seconds(0, 0.0) == BACKOFF_FIRST_SECONDS / 2
    assert backoff_seconds(3, 0.0) == 8 * BACKOFF_FIRST_SECONDS / 2
    assert backoff_seconds(50, 0.999) == pytest.approx(BACKOFF_MAX_SECONDS, rel=0.01)


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    issued: list[Customer] = []
    clock = [NOW]

    def issue(customer: Customer) -> str:
        issued.append(customer)
        return token(customer, expires_at=clock[0] + 3600)

    tokens = Tokens(issue, now=lambda: clock[0])
    for clock[0] in (NOW, NOW + 3000, NOW + 3500, NOW + 3600):
        tokens.get("shopper")

    assert issued == ["shopper", "shopper"]


def test_each_customer_has_their_own_token() -> None:
    tokens = Tokens(token, now=lambda: NOW)

    assert tokens.customer_id("shopper") == "customer-shopper"
    assert tokens.customer_id("wholesale") == "customer-wholesale"
