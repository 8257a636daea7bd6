"""All scenarios. In each, customers order while all is well, then during a disruption; then the
disruption ends, and the service must recover without help.

A disruption is paced by what has happened (orders answered, faults hit, orders settled), never by
the clock: a slow machine meets the same disruption, only later. Each must have hit something, or
the scenario proves nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS
from orders.domain.units import CustomerId, OrderId
from spillway.errors import SpillwayError, UsageError
from spillway.prove.audit.verdicts import Violation
from spillway.prove.chaos import disruptions
from spillway.prove.chaos.context import ScenarioContext, until
from spillway.prove.chaos.scenario import Control, Scenario
from spillway.prove.demo.faults import faulty
from spillway.prove.demo.result import now, shipped_after
from spillway.prove.mutants.catalogue import BY_NAME as MUTANTS
from spillway.run.load.placing import Placed
from spillway.run.load.records import Outage
from spillway.target.records import Record
from spillway.ui.statistics import percentile

#: Longer than deliver waits for a downstream (infra/stages/local.toml), and than its second try.
LATENCY_MS = 3_000
#: So that a worker that is killed is likely to be in the middle of a call.
WORKING_MS = 1_000

#: At most so many, and no more than settle: a backlog of its own would be measured too.
STEADY_PER_SECOND_MAX = 5.0
#: Functions that have to be started take many times as long as those that run.
WARM_UP_ORDERS = 6
#: Orders that go before accounting's outage, for each in it.
HEALTHY_SHARE = 0.5
ISOLATION_RATIO_MAX = 1.3
#: The median of fewer is chance.
ISOLATION_ORDERS_MIN = 30

SPIKE_FACTOR = 10.0
#: Twice as many as otherwise. A crowd without bounds would be one of functions that have to be
#: started, each a process here, and the machine itself would fail.
SPIKE_CLIENTS = 16

_WRITES_REFUSED = "ThrottlingException"
_LOSES_ANSWERS = {"lose_answer": True, "probability": 1 / 6}
_RELAY_SENDS = {"service": "sqs", "operation": "SendMessageBatch"}


Steps = Callable[[ScenarioContext], Awaitable[None]]

BY_NAME: dict[str, Scenario] = {}


def _scenario(done: str, **more: Any) -> Callable[[Steps], Steps]:
    """Adds a scenario of the function's name; takes the fields of `Scenario`."""

    def added(steps: Steps) -> Steps:
        name = steps.__name__.replace("_", "-")
        BY_NAME[name] = Scenario(name, done, steps, **more)
        return steps

    return added


@_scenario("Inventory answers 503 to everything while customers go on ordering.")
async def inventory_outage(context: ScenarioContext) -> None:
    await context.order(context.orders // 4)
    async with context.disruption(
        "inventory out", context.failing("inventory", outage=True)
    ) as hits:
        await context.order()
        await context.until_hit(hits, context.orders)


@_scenario(
    "Accounting is out for a whole run, after a healthy one to compare fulfilment with.",
    more_orders=HEALTHY_SHARE,
)
async def accounting_outage(context: ScenarioContext) -> None:
    """The same steady stream of orders twice: with accounting well, and with accounting out for all
    of it. The ratio of fulfilment's times is what its outage costs the others."""
    compared = context.orders - round(context.orders / (1 + HEALTHY_SHARE))
    warm_up = min(WARM_UP_ORDERS, compared // 3)
    await context.order(warm_up, cancelling=False)
    await context.until_settled()
    rate = min(STEADY_PER_SECOND_MAX, await _measure_rate(context, warm_up))
    context.watcher.stage("Customers order while all is well, for comparison")
    healthy = await context.order(compared - 2 * warm_up, per_second=rate, cancelling=False)
    await context.until_settled()
    async with context.disruption(
        "accounting out", context.failing("accounting", outage=True)
    ) as hits:
        began_at = now()
        during = await context.order(per_second=rate, cancelling=False)
        await _until_others_answered(context, during)
        await context.until_hit(hits, len(during))
        keys = tuple(order.key for order in during if order.acknowledged)
        context.run.outage = Outage("accounting", began_at, now(), keys)
    await _compare_shipping(context, healthy, during)


@_scenario(
    "Downstreams, table, queues and topic do what they are asked, and their answers are lost."
)
async def lost_answers(context: ScenarioContext) -> None:
    await context.order(context.orders // 4)
    async with context.disruption(
        "effects done, answers lost: downstreams half of them, table, queues and topic a sixth",
        context.failing(*DOWNSTREAMS, lose_answers_rate=0.5),
        context.inject(service="dynamodb", operation="PutItem", **_LOSES_ANSWERS),
        context.inject(service="dynamodb", operation="UpdateItem", **_LOSES_ANSWERS),
        context.inject(service="sqs", **_LOSES_ANSWERS),
        context.inject(service="sns", **_LOSES_ANSWERS),
    ):
        await context.order()
        await context.until_settled()
    # An event whose answer was lost twice in a row was published, which relay cannot know.
    await _redrive(context)


@_scenario("Every downstream answers later than deliver waits, so that no outcome is known.")
async def latency(context: ScenarioContext) -> None:
    await context.order(context.orders // 4)
    async with context.disruption(
        f"every downstream answers after {LATENCY_MS / 1000:g} s, later than deliver waits",
        context.failing(*DOWNSTREAMS, latency_ms=LATENCY_MS),
    ) as hits:
        await context.order()
        await context.until_hit(hits, context.orders)


@_scenario(
    "Customers send each order three times at once; messages come twice and out of order.", copies=3
)
async def duplicates(context: ScenarioContext) -> None:
    async with context.disruption(
        "messages sent twice, out of order, and whole batches of the stream again",
        context.inject(**_RELAY_SENDS, duplicate=True, probability=0.4),
        context.inject(**_RELAY_SENDS, postpone=4, probability=0.4),
        context.inject(**_RELAY_SENDS, refuse="ServiceUnavailable", probability=0.2),
    ):
        await context.order()
        await context.until_settled()


@_scenario(
    "In a spike, the orders table refuses all writes until half of the orders are answered.",
    control=Control(
        "an order is stored before it is answered",
        MUTANTS["answered-before-stored"],
        Promise.ACKNOWLEDGED_IS_DURABLE,
        like="answered 202, not in the table",
    ),
    statuses=frozenset({200, 201, 202, 503}),
)
async def table_throttled(context: ScenarioContext) -> None:
    """Customers order as fast as they are answered, more of them at a time than otherwise: before,
    while and after the table refuses."""
    before = len(await context.order(context.orders // 5))
    writes = {"service": "dynamodb", "resource": context.stack.tables["orders"]}
    async with (
        asyncio.TaskGroup() as customers,
        context.disruption(
            "the orders table refuses all writes, in a spike",
            context.inject(**writes, operation="PutItem", refuse=_WRITES_REFUSED),
            context.inject(**writes, operation="UpdateItem", refuse=_WRITES_REFUSED),
        ),
    ):
        customers.create_task(context.order(clients=SPIKE_CLIENTS))
        await context.until_answered(before + (context.orders - before) // 2)


@_scenario(
    "The processes that run the functions are killed at random, in the middle of their work."
)
async def workers_killed(context: ScenarioContext) -> None:
    """Each order that is answered pays for one kill: the service never does nothing but start."""
    killer = disruptions.Killer(context.stack, context.rng)
    async with context.disruption(
        "processes that run functions killed at random",
        faulty(context.stack, {name: {"latency_ms": WORKING_MS} for name in DOWNSTREAMS}),
        killer.killing(context.trial.recorder),
    ) as hits:
        await context.order()
        await until(hits, context.orders // 2, killer.has_tried_all)
    for function, times in sorted(killer.killed.items()):
        context.trial.measures[f"killed_{function}"] = times


@_scenario("Relay's sends are refused, or taken only in part; then the topic is down.")
async def relay_failing(context: ScenarioContext) -> None:
    """One after the other: relay announces a batch only once all of its commands are sent."""
    await context.order(context.orders // 4)
    async with context.disruption(
        "relay's sends refused or taken in part",
        context.inject(**_RELAY_SENDS, refuse="ServiceUnavailable", probability=0.25),
        context.inject(**_RELAY_SENDS, partial=0.5, probability=0.25),
    ):
        await context.order(context.orders // 2)
        await context.until_settled()
    async with context.disruption(
        "the topic down", context.inject(service="sns", refuse="ServiceUnavailable")
    ):
        await context.order()
        await context.until_settled()
    await _redrive(context)


@_scenario("Every queue has a message, and the table's stream a record, that no function can read.")
async def poison(context: ScenarioContext) -> None:
    key = OrderKey(CustomerId("nobody"), OrderId("00000000-0000-7000-8000-000000000000"))
    poison = disruptions.Poison(key)
    await context.order(context.orders // 4)
    async with context.disruption(
        "poison in every queue and in the table's stream",
        disruptions.poisoned(context.stack, poison),
    ):
        await context.order()
        missing = await asyncio.to_thread(disruptions.remove_poison, context.stack, poison)
    context.run.violations += missing
    context.trial.measures["dead_letters_expected"] = poison.fired()
    context.trial.measures["dead_letters_seen"] = poison.fired() - len(missing)


@_scenario("Ten times as many orders a second as the service can settle, which is measured first.")
async def spike(context: ScenarioContext) -> None:
    """First measures how many orders a second settle here, then sends ten times as many."""
    await context.order(min(WARM_UP_ORDERS, context.orders // 10), cancelling=False)
    await context.until_settled()
    sustainable = await _measure_rate(context, context.orders // 5)
    async with context.disruption(
        f"orders come at {SPIKE_FACTOR:g} times the rate at which they settle"
    ):
        began = time.monotonic()
        crowd = await context.order(per_second=SPIKE_FACTOR * sustainable)
        seconds = time.monotonic() - began
    context.trial.measures["sustainable_per_second"] = sustainable
    context.trial.measures["sent_per_second"] = SPIKE_FACTOR * sustainable
    context.trial.measures["answered_per_second"] = len(crowd) / seconds


def chosen(names: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names, or `all`: in the order of the catalogue, each once.

    Raises `SpillwayError` when there is no such scenario.
    """
    for name in names:
        if name not in {*BY_NAME, "all"}:
            known = ", ".join([*BY_NAME, "all"])
            raise UsageError(f"There is no scenario {name!r}: choose one of {known}.")
    return [scenario for name, scenario in BY_NAME.items() if {name, "all"} & {*names}]


async def _redrive(context: ScenarioContext) -> None:
    """Relay dead-letters what the topic does not take, because orders must not wait for it."""
    await context.until_settled()
    context.watcher.stage("Redriving the events that relay could not publish")
    redriven = await asyncio.to_thread(disruptions.redrive_relay, context.stack)
    context.trial.measures["announcements_redriven"] = redriven


async def _measure_rate(context: ScenarioContext, count: int) -> float:
    """How many orders a second this machine settles, of so many."""
    context.watcher.stage("Measuring how many orders a second settle")
    measured = await context.order(count, cancelling=False)
    await context.until_settled()
    return settled_per_second(await asyncio.to_thread(context.records), measured)


async def _until_others_answered(context: ScenarioContext, during: Sequence[Placed]) -> None:
    """Wait until fulfilment has handled every order that inventory had stock for."""
    wanted = {order.key for order in during if order.acknowledged}

    def handled() -> int:
        without_stock = {each.key for each in context.effects("inventory") if not each.done}
        return len(wanted & (without_stock | {each.key for each in context.effects("fulfilment")}))

    await until(handled, len(wanted))


async def _compare_shipping(
    context: ScenarioContext, healthy: Sequence[Placed], during: Sequence[Placed]
) -> None:
    """How long until an order was shipped (p50), while accounting was well and while it was out.

    Intake never calls accounting: if it was slower too, so was the machine, and that much is not
    held against the service.
    """
    shipped = await asyncio.to_thread(
        lambda: shipped_after(context.records(), context.effects("fulfilment"))
    )
    well, out = (
        [shipped[order.key] for order in orders if order.key in shipped]
        for orders in (healthy, during)
    )
    usual, meanwhile = percentile(well, 0.5), percentile(out, 0.5)
    accepted, accepted_meanwhile = (
        percentile([order.accept_seconds for order in orders if order.accept_seconds], 0.5)
        for orders in (healthy, during)
    )
    if not (usual and meanwhile and accepted and accepted_meanwhile):
        return
    ratio, machine = meanwhile / usual, accepted_meanwhile / accepted
    context.trial.measures["ship_p50_seconds_accounting_well"] = usual
    context.trial.measures["ship_p50_seconds_accounting_out"] = meanwhile
    context.trial.measures["ship_p50_ratio"] = ratio
    context.trial.measures["accept_p50_ratio"] = machine
    slower = ratio / max(1.0, machine)
    if slower > ISOLATION_RATIO_MAX and min(len(well), len(out)) >= ISOLATION_ORDERS_MIN:
        detail = (
            f"fulfilment took {slower:.2f} times as long while accounting was out,"
            f" more than {ISOLATION_RATIO_MAX}"
        )
        context.run.violations.append(Violation(Promise.FAILURE_STAYS_LOCAL, None, detail))


def settled_per_second(records: Mapping[OrderKey, Record], placed: Sequence[Placed]) -> float:
    """These orders, divided by the time from the first one's acceptance to the last fact of all.

    Raises `SpillwayError` when none of them has settled.
    """
    found = [records[order.key] for order in placed if order.key in records]
    accepted = [record.accepted_at for record in found if record.accepted_at is not None]
    facts = [outcome.at for record in found for outcome in record.facts.outcomes.values()]
    if not accepted or not facts or max(facts) <= min(accepted):
        raise SpillwayError("No order settled, so no rate can be measured: use more --orders.")
    return len(found) * 1000 / (max(facts) - min(accepted))
