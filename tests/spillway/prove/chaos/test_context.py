"""What a scenario can do, with an API that only answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from spillway.prove.chaos import context as context_module
from spillway.prove.chaos.context import ScenarioContext
from spillway.prove.chaos.scenario import Trial
from spillway.prove.demo.result import Run
from spillway.run.load.placing import Checkout
from spillway.run.load.settling import Waiting
from spillway.run.stack import SigningKey
from tests.spillway.prove.chaos.builders import a_scenario
from tests.spillway.prove.demo.builders import Silent, a_plan
from tests.spillway.run.load.fake_api import FakeApi

if TYPE_CHECKING:
    from spillway.run.stack import Stack


class Lightning:
    def __init__(self) -> None:
        self.there = False

    def fired(self) -> int:
        return 4

    @contextmanager
    def in_force(self) -> Iterator[Lightning]:
        self.there = True
        try:
            yield self
        finally:
            self.there = False


def a_context(orders: int = 10, cancelled: int = 7) -> ScenarioContext:
    client = FakeApi().client()
    run = Run(plan=replace(a_plan(orders), cancel_after={cancelled: 0.0}), began_at=0)
    checkout = Checkout(
        client=client,
        receipt_key=SigningKey("v2.k1", b"a key for tests"),
        price_key=None,
        clients=run.plan.clients,
        copies=1,
        rng=random.Random(1),
        on_closed=lambda _: None,
    )
    return ScenarioContext(
        stack=cast("Stack", None),
        trial=Trial(a_scenario(), run),
        checkout=checkout,
        waiting=Waiting(client, run.placed, lambda _: None),
        watcher=Silent(),
        rng=random.Random(1),
    )


def test_orders_are_taken_from_the_plan_in_its_order() -> None:
    context = a_context(orders=10)

    async def steps() -> tuple[list[object], list[object]]:
        first = await context.order(4, clients=1)
        rest = await context.order(clients=1)
        return [o.order.lines for o in first], [o.order.lines for o in rest]

    first, rest = asyncio.run(steps())

    assert [*first, *rest] == [draft.order.lines for draft in context.run.plan.drafts]
    assert len(first) == 4


def test_the_plans_cancellations_are_for_the_same_orders_however_they_are_divided() -> None:
    context = a_context(orders=10, cancelled=7)

    async def steps() -> None:
        await context.order(4, clients=1)
        await context.order(clients=1)

    asyncio.run(steps())

    assert [order.cancellation_sent for order in context.run.placed] == [n == 7 for n in range(10)]


def test_no_order_is_cancelled_where_that_would_disturb_a_measurement() -> None:
    context = a_context()

    asyncio.run(context.order(cancelling=False))

    assert not any(order.cancellation_sent for order in context.run.placed)


def test_other_orders_are_cancelled_where_a_scenario_says_which() -> None:
    context = a_context(orders=10, cancelled=7)

    async def steps() -> None:
        await context.order(4, clients=1)
        await context.order(clients=1, cancelling={0: 0.0, 2: 0.0})

    asyncio.run(steps())

    cancelled = [n for n, order in enumerate(context.run.placed) if order.cancellation_sent]
    assert cancelled == [4, 6]


def test_a_disruption_is_kept_with_its_time_and_how_often_it_hit() -> None:
    context, lightning = a_context(), Lightning()

    async def steps() -> None:
        async with context.disruption("lightning", lightning.in_force()) as hits:
            assert lightning.there
            assert hits() == 4

    asyncio.run(steps())

    (disruption,) = context.trial.disruptions
    assert (disruption.what, disruption.hits) == ("lightning", 4)
    assert disruption.began_at <= disruption.ended_at
    assert not lightning.there


def test_hits_are_waited_for_and_not_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "IdleDetector", lambda _: lambda: False)
    monkeypatch.setattr(context_module, "_POLL_SECONDS", 0.0)
    counts = iter([0, 1, 1, 3])

    asyncio.run(a_context().until_hit(lambda: next(counts), 3))

    assert [*counts] == []


def test_where_nothing_is_left_to_hit_hits_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    idle = iter([False, True])
    monkeypatch.setattr(context_module, "IdleDetector", lambda _: lambda: next(idle))
    monkeypatch.setattr(context_module, "_POLL_SECONDS", 0.0)

    asyncio.run(a_context().until_hit(lambda: 0, 3))

    assert [*idle] == []


def test_answers_are_waited_for_while_customers_order() -> None:
    context = a_context(orders=10)

    async def steps() -> int:
        async with asyncio.TaskGroup() as customers:
            customers.create_task(context.order(clients=1))
            await context.until_answered(6)
            return len(context.run.placed)

    assert asyncio.run(steps()) >= 6


def test_a_disruption_ends_also_when_its_scenario_fails() -> None:
    context, lightning = a_context(), Lightning()

    async def steps() -> None:
        async with context.disruption("lightning", lightning.in_force()):
            raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        asyncio.run(steps())

    assert not lightning.there
    assert context.trial.disruptions == []
