"""Orders go out concurrently, each under one id, and are followed to their final answer."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import httpx
import msgspec

from orders.domain.order import Order
from orders.domain.price_signature import verify
from orders.domain.units import Millis
from spillway.run.load.placing import UNANSWERED_MAX, Checkout, Placed
from spillway.run.stack import SigningKey
from spillway.run.workload import Draft, generate
from tests.spillway.run.load.fake_api import FakeApi

DRAFTS = tuple(generate(seed=1, count=20))


def placed(
    api: FakeApi,
    drafts: tuple[Draft, ...] = DRAFTS,
    per_second: float | None = None,
    **options: Any,
) -> list[Placed]:
    closed: list[Placed] = []
    checkout = Checkout(
        client=api.client(),
        receipt_key=SigningKey("v2.k1", b"a key for tests"),
        rng=random.Random(1),
        on_closed=closed.append,
        **({"clients": 4, "copies": 1, "price_key": None} | options),
    )
    orders: list[Placed] = []
    if per_second is None:
        asyncio.run(checkout.place(drafts, orders))
    else:
        asyncio.run(checkout.place_at(per_second, drafts, orders))
    assert len(closed) == len(orders), "each order is closed exactly once"
    return orders


def test_every_draft_becomes_one_acknowledged_order_under_its_own_id() -> None:
    orders = placed(FakeApi())

    assert {order.order.lines for order in orders} == {draft.order.lines for draft in DRAFTS}
    assert len({order.key.order_id for order in orders}) == len(DRAFTS)
    assert all(order.acknowledged and order.accept_seconds is not None for order in orders)
    assert all(order.key.customer_id == f"customer-{order.customer}" for order in orders)


def test_a_crowd_comes_at_its_own_pace_however_few_are_served_at_a_time() -> None:
    api = FakeApi()
    orders = placed(api, DRAFTS[:5], per_second=0.1, clients=1)

    assert all(order.acknowledged for order in orders)
    # The fake's sleep takes no time, so each arrival is as far off as from the beginning.
    assert [round(seconds, -1) for seconds in api.slept] == [0, 10, 20, 30, 40]


def test_a_crowd_cancels_as_planned() -> None:
    orders = placed(FakeApi(), DRAFTS[:3], per_second=1000.0, cancel_after={1: 0.0})

    assert [order.cancellation_taken for order in orders] == [False, True, False]


def test_what_is_in_no_price_book_is_signed_where_the_stage_takes_it() -> None:
    key = SigningKey("p1", b"a pricing engine's key for tests")
    drafts = (DRAFTS[0], replace(DRAFTS[1], engine_priced=True))
    for signer, signed in ((key, [False, True]), (None, [False, False])):
        orders = placed(FakeApi(), drafts, price_key=signer)
        bodies = [msgspec.json.decode(order.body) for order in orders]
        assert ["price_signature" in body for body in bodies] == signed
        assert [msgspec.convert(body, Order) for body in bodies] == [one.order for one in orders]
        for order in orders:
            if order.price_signature is not None:
                assert verdict(order, key) == "valid"


def verdict(order: Placed, key: SigningKey) -> str:
    now = Millis(order.sent_at)
    return verify(
        order.price_signature or "",
        order.order,
        order.key.customer_id,
        {key.key_id: key.key},
        priced_at=now,
        now=now,
    )


def test_copies_of_an_order_are_the_same_request_and_one_of_them_is_new() -> None:
    api = FakeApi()
    orders = placed(api, copies=3)

    assert len(api.requests) == 3 * len(DRAFTS)
    assert len({(request.url, request.content) for request in api.requests}) == len(DRAFTS)
    for order in orders:
        assert sorted(answer.status for answer in order.answers) == [200, 200, 201]


def test_what_was_sent_is_kept_to_be_compared() -> None:
    api = FakeApi()
    (order,) = placed(api, DRAFTS[:1])

    assert api.requests[0].content == msgspec.json.encode(order.order)


def test_an_order_is_cancelled_some_time_after_it_was_accepted() -> None:
    api = FakeApi()
    orders = placed(api, cancel_after={3: 2.5})

    (cancelled,) = [order for order in orders if order.cancellation_sent]
    assert cancelled.order.lines == DRAFTS[3].order.lines
    assert cancelled.cancellation_taken
    assert api.slept == [2.5]


def test_a_cancellation_that_is_refused_was_sent_and_not_taken() -> None:
    def before(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(409) if request.url.path.endswith("/cancellation") else None

    orders = placed(FakeApi(before=before), cancel_after={0: 0.0})

    (cancelled,) = [order for order in orders if order.cancellation_sent]
    assert not cancelled.cancellation_taken


def test_a_refused_order_keeps_the_problem_and_is_not_cancelled() -> None:
    problem = {"violations": [{"rule": "receipt_invalid"}]}
    api = FakeApi(before=lambda _: httpx.Response(422, json=problem))
    (order,) = placed(api, DRAFTS[:1], cancel_after={0: 0.0})

    assert order.refusal == {"status": 422, **problem}
    assert not order.acknowledged
    assert not order.cancellation_sent


def test_when_the_service_is_gone_the_rest_is_not_sent() -> None:
    api = FakeApi(before=lambda _: httpx.Response(503))
    orders = placed(api, clients=1)

    assert len(orders) == UNANSWERED_MAX
    assert all(order.unanswered for order in orders)
