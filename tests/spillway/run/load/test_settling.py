"""Waiting reads pages of each customer's history until all orders have settled."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from spillway.run.load.patience import STALL_SECONDS
from spillway.run.load.settling import PAGE, Waiting, whole_histories
from spillway.run.workload import generate
from tests.spillway.run.load.fake_api import FakeApi
from tests.spillway.run.load.test_placing import placed


@pytest.mark.parametrize("final", ["confirmed", "rejected", "cancelled"])
def test_it_waits_until_every_order_is_in_a_final_state(final: str) -> None:
    api = FakeApi(statuses=("accepted", "accepted", final))
    orders = placed(api)
    settled: list[str] = []
    waiting = Waiting(api.client(), orders, lambda order: settled.append(order.key.order_id))

    assert asyncio.run(waiting.until_all_settled())
    assert sorted(settled) == sorted(order.key.order_id for order in orders)
    assert {order.status for order in orders} == {final}
    assert set(api.looks.values()) == {3}


def test_it_asks_by_the_page_and_not_by_the_order() -> None:
    api = FakeApi()
    orders = placed(api, tuple(generate(seed=1, count=300)))
    sent = len(api.requests)

    asyncio.run(Waiting(api.client(), orders, lambda _: None).until_all_settled())

    assert len(api.requests) - sent <= 3 + 300 // PAGE


def test_it_gives_up_when_nothing_settles_for_long() -> None:
    api = FakeApi(statuses=("accepted",))
    clock = itertools.count(0, STALL_SECONDS / 4)
    waiting = Waiting(api.client(), placed(api), lambda _: None, now=lambda: next(clock))

    assert not asyncio.run(waiting.until_all_settled())


def test_it_gives_up_when_nothing_is_left_to_wait_for() -> None:
    api = FakeApi(statuses=("accepted",))
    orders = placed(api)
    asked: list[bool] = []

    def is_lost() -> bool:
        asked.append(len(asked) == 2)
        return asked[-1]

    waiting = Waiting(api.client(), orders, lambda _: None, is_lost=is_lost)

    assert not asyncio.run(waiting.until_all_settled())
    assert asked == [False, False, True]


def test_orders_that_were_never_accepted_are_not_waited_for() -> None:
    api = FakeApi()
    orders = placed(api)
    for order in orders:
        order.answers.clear()

    assert asyncio.run(Waiting(api.client(), orders, lambda _: None).until_all_settled())
    assert {order.status for order in orders} == {None}


def test_whole_histories_follow_every_page() -> None:
    api = FakeApi()
    orders = placed(api, tuple(generate(seed=1, count=350)))

    listed = asyncio.run(whole_histories(api.client()))

    assert sum(len(order_ids) for order_ids in listed.values()) == 350
    for order in orders:
        assert order.key.order_id in listed[order.key.customer_id]


def test_an_empty_history_is_a_history() -> None:
    listed = asyncio.run(whole_histories(FakeApi().client()))

    assert listed == {f"customer-{name}": [] for name in ("shopper", "other", "wholesale")}
