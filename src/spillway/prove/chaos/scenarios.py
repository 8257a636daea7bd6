"""All scenarios, each a short story: calm first, then trouble while customers go on ordering, then
the outside is well again and nobody touches anything.

A trouble lasts for some seconds at least, so that it meets every part of an order's path, and each
must have struck: one that hits nothing proves nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS
from spillway.errors import SpillwayError
from spillway.prove.audit.verdicts import Violation
from spillway.prove.chaos import disruptions
from spillway.prove.chaos.context import ScenarioContext, now
from spillway.prove.chaos.expected_violations import Broken, TurnedAway
from spillway.prove.chaos.scenario import Control, Scenario
from spillway.prove.mutants import catalogue as mutants
from spillway.run.load.placing import Placed
from spillway.run.load.records import Outage
from spillway.target.records import Record
from spillway.ui.statistics import percentile

#: Long enough for an order to meet the trouble at each of its steps and for a second and third try.
TROUBLE_SECONDS = 10.0

#: Longer than deliver waits for a downstream (infra/stages/local.toml), and than its second try.
LATENCY_MS = 3_000
#: So that a worker that is killed is likely to be in the middle of a call.
WORKING_MS = 1_000

#: What a laptop settles as fast as it comes in, so that what is measured is no backlog of its own.
STEADY_PER_SECOND = 5.0
#: Functions that have to be started take many times as long as those that run.
WARM_UP_ORDERS = 6
#: Orders that go before accounting's outage, for each in it.
HEALTHY_SHARE = 0.5
ISOLATION_RATIO_MAX = 1.3
#: The median of fewer is chance.
ISOLATION_ORDERS_MIN = 30
OTHERS_WITHIN_SECONDS = 20.0

SPIKE_FACTOR = 10.0
#: Twice as many as else. A crowd without bounds would be one of functions that have to be started,
#: each a process here, and what fails then is the laptop.
SPIKE_CLIENTS = 16

_WRITES_REFUSED = "ThrottlingException"
_RELAY_SENDS = {"service": "sqs", "operation": "SendMessageBatch"}
_NO_KEYS = {"idempotency_keys": False}
_KEYLESS = dict.fromkeys(map(str, DOWNSTREAMS), _NO_KEYS)


async def inventory_outage(context: ScenarioContext) -> None:
    await context.order(context.orders // 4)
    async with context.disruption(
        "inventory out",
        context.faulty("inventory", outage=True),
        seconds_min=TROUBLE_SECONDS,
    ):
        await context.order()


async def accounting_outage(context: ScenarioContext) -> None:
    """The same steady stream of orders twice: with accounting well, and with accounting out for all
    of it. The ratio of fulfilment's times is what its outage costs the others."""
    compared = context.orders - round(context.orders / (1 + HEALTHY_SHARE))
    warm_up = min(WARM_UP_ORDERS, compared // 2)
    await context.order(warm_up, cancelling=False)
    await context.until_settled()
    context.watcher.stage("Customers order while all is well, for comparison")
    healthy = await context.order(
        compared - warm_up, per_second=STEADY_PER_SECOND, cancelling=False
    )
    await context.until_settled()
    async with context.disruption(
        "accounting out",
        context.faulty("accounting", outage=True),
        seconds_min=TROUBLE_SECONDS,
    ):
        began_at = now()
        hit = await context.order(per_second=STEADY_PER_SECOND, cancelling=False)
        await _until_others_answered(context, hit)
        keys = tuple(order.key for order in hit if order.acknowledged)
        context.run.outage = Outage("accounting", began_at, now(), keys)
    await _compare_shipping(context, healthy, hit)


async def lost_answers(context: ScenarioContext) -> None:
    await context.order(context.orders // 4)
    async with context.disruption(
        "effects done, answers lost: downstreams half of them, table, queues and topic a sixth",
        context.faulty(*DOWNSTREAMS, lose_answers_rate=0.5),
        context.inject(
            service="dynamodb", operation="PutItem", lose_answer=True, probability=1 / 6
        ),
        context.inject(
            service="dynamodb", operation="UpdateItem", lose_answer=True, probability=1 / 6
        ),
        context.inject(service="sqs", lose_answer=True, probability=1 / 6),
        context.inject(service="sns", lose_answer=True, probability=1 / 6),
        seconds_min=TROUBLE_SECONDS,
    ):
        await context.order()
    # An announcement whose answer was lost twice running was made, which relay cannot know.
    await _redrive(context)


async def latency(context: ScenarioContext) -> None:
    await context.order(context.orders // 4)
    async with context.disruption(
        f"every downstream answers after {LATENCY_MS / 1000:g} s, later than anybody waits",
        context.faulty(*DOWNSTREAMS, latency_ms=LATENCY_MS),
        seconds_min=TROUBLE_SECONDS,
    ):
        await context.order()


async def duplicates(context: ScenarioContext) -> None:
    async with context.disruption(
        "messages sent twice, out of order, and whole batches of the stream again",
        context.inject(**_RELAY_SENDS, duplicate=True, probability=0.4),
        context.inject(**_RELAY_SENDS, postpone=4, probability=0.4),
        context.inject(**_RELAY_SENDS, refuse="ServiceUnavailable", probability=0.2),
        seconds_min=TROUBLE_SECONDS,
    ):
        await context.order()


async def table_throttled(context: ScenarioContext) -> None:
    """Customers order as fast as they are answered, more of them at a time than else: before, while
    and, if there are enough of them, after the table refuses."""
    await context.order(context.orders // 5)
    writes = {"service": "dynamodb", "resource": context.stack.tables["orders"]}
    async with (
        asyncio.TaskGroup() as customers,
        context.disruption(
            f"the orders table refuses all writes for {TROUBLE_SECONDS:g} s, in a spike",
            context.inject(**writes, operation="PutItem", refuse=_WRITES_REFUSED),
            context.inject(**writes, operation="UpdateItem", refuse=_WRITES_REFUSED),
            seconds_min=TROUBLE_SECONDS,
        ),
    ):
        customers.create_task(context.order(clients=SPIKE_CLIENTS))


async def workers_killed(context: ScenarioContext) -> None:
    killer = disruptions.Killer(context.stack, context.rng)
    async with context.disruption(
        "processes that run functions killed at random",
        context.faulty(*DOWNSTREAMS, latency_ms=WORKING_MS),
        disruptions.killing(killer),
        seconds_min=TROUBLE_SECONDS,
    ):
        await context.order()
    for function, times in sorted(killer.killed.items()):
        context.measures[f"killed_{function}"] = times


async def relay_failing(context: ScenarioContext) -> None:
    """One after the other: a batch whose commands are not all taken never comes to be announced."""
    await context.order(context.orders // 4)
    async with context.disruption(
        "relay's sends refused or taken in part",
        context.inject(**_RELAY_SENDS, refuse="ServiceUnavailable", probability=0.25),
        context.inject(**_RELAY_SENDS, partial=0.5, probability=0.25),
        seconds_min=TROUBLE_SECONDS,
    ):
        await context.order(context.orders // 2)
    async with context.disruption(
        "the topic down",
        context.inject(service="sns", refuse="ServiceUnavailable"),
        seconds_min=TROUBLE_SECONDS,
    ):
        await context.order()
    await _redrive(context)


async def poison(context: ScenarioContext) -> None:
    planted = disruptions.poison(OrderKey("nobody", "00000000-0000-7000-8000-000000000000"))
    await context.order(context.orders // 4)
    async with context.disruption(
        "poison in every queue and in the table's stream",
        disruptions.poisoned(context.stack, planted),
    ):
        await context.order()
        missing = await asyncio.to_thread(disruptions.taken_by_a_person, context.stack, planted)
    context.violations += missing
    context.measures["dead_letters_planted"] = planted.fired()
    context.measures["dead_letters_seen"] = planted.fired() - len(missing)


async def spike(context: ScenarioContext) -> None:
    """What is sustainable is measured first: how fast orders settle that come as fast as a few
    customers can send them.

    It has no control. What guards an order in a spike are the client's own id, the write before the
    answer and the overflow queue, which `duplicates` and `table-throttled` take away."""
    await context.order(min(WARM_UP_ORDERS, context.orders // 10), cancelling=False)
    await context.until_settled()
    context.watcher.stage("Measuring how many orders a second settle")
    measured = await context.order(context.orders // 5, cancelling=False)
    await context.until_settled()
    sustainable = settled_per_second(await context.records(), measured)
    async with context.disruption(
        f"orders come at {SPIKE_FACTOR:g} times the rate at which they settle"
    ):
        began = time.monotonic()
        crowd = await context.order(per_second=SPIKE_FACTOR * sustainable)
        seconds = time.monotonic() - began
    context.measures["sustainable_per_second"] = sustainable
    context.measures["sent_per_second"] = SPIKE_FACTOR * sustainable
    context.measures["answered_per_second"] = len(crowd) / seconds


SCENARIOS = (
    Scenario(
        "inventory-outage",
        "Inventory answers 503 to everything while customers go on ordering.",
        inventory_outage,
        (
            Control(
                "messages that failed stay in their queue",
                Broken(Promise.ALWAYS_SETTLES, like="waits for reserve"),
                mutants=(mutants.FAILURES_UNNAMED, mutants.NEVER_CHECKED),
            ),
        ),
    ),
    Scenario(
        "accounting-outage",
        "Accounting is out for a whole run, after a healthy one to compare fulfilment with.",
        accounting_outage,
        (
            Control(
                "shipping does not wait for accounting",
                Broken(Promise.FAILURE_STAYS_LOCAL, like="ship waited"),
                mutants=(mutants.SHIPPED_AFTER_POSTED,),
            ),
        ),
        more_orders=HEALTHY_SHARE,
        control_orders=12,
    ),
    Scenario(
        "lost-answers",
        "Downstreams, table, queues and topic do what they are asked, and their answers are lost.",
        lost_answers,
        (
            Control(
                "downstreams know idempotency keys",
                Broken(Promise.ONE_EFFECT_PER_STEP),
                fault_settings=_KEYLESS,
            ),
        ),
    ),
    Scenario(
        "latency",
        "Every downstream answers later than deliver waits, so that no outcome is known.",
        latency,
        (
            Control(
                "downstreams know idempotency keys",
                Broken(Promise.ONE_EFFECT_PER_STEP),
                fault_settings=_KEYLESS,
            ),
        ),
    ),
    Scenario(
        "duplicates",
        "Customers send each order three times at once; messages come twice and out of order.",
        duplicates,
        (
            Control(
                "downstreams know idempotency keys",
                Broken(Promise.ONE_EFFECT_PER_STEP),
                fault_settings=_KEYLESS,
            ),
            Control(
                "intake's write has a condition",
                Broken(Promise.ONE_ORDER_PER_ID, like="answers called it new"),
                mutants=(mutants.ORDER_OVERWRITTEN,),
            ),
        ),
        copies=3,
    ),
    Scenario(
        "table-throttled",
        "The orders table refuses all writes for 10 s in the middle of a spike.",
        table_throttled,
        (
            Control(
                "the overflow queue takes orders",
                TurnedAway(),
                faults=({"service": "sqs", "operation": "SendMessage", "refuse": "Overloaded"},),
            ),
            Control(
                "an order is stored before it is answered",
                Broken(Promise.ACKNOWLEDGED_IS_DURABLE, like="answered 202, not in the table"),
                mutants=(mutants.ANSWERED_BEFORE_STORED,),
            ),
        ),
        statuses=frozenset({200, 201, 202, 503}),
    ),
    Scenario(
        "workers-killed",
        "The processes that run the functions are killed at random, in the middle of their work.",
        workers_killed,
        (
            Control(
                "a message is deleted only when it is done",
                Broken(Promise.ALWAYS_SETTLES, like="waits for"),
                mutants=(mutants.DELETED_BEFORE_DONE, mutants.NEVER_CHECKED),
            ),
        ),
        control_orders=40,
    ),
    Scenario(
        "relay-failing",
        "Relay's sends are refused, or taken only in part, and the topic is down.",
        relay_failing,
        (
            Control(
                "relay reads what was not taken",
                Broken(Promise.ALWAYS_SETTLES, like="waits for"),
                mutants=(mutants.PARTIAL_FAILURES_UNREAD, mutants.NEVER_CHECKED),
            ),
        ),
    ),
    Scenario(
        "poison",
        "A message that nobody can read in every queue, and such a record in the table's stream.",
        poison,
        (
            Control(
                "relay sets aside what it cannot read",
                Broken(Promise.ALWAYS_SETTLES, like="waits for reserve"),
                mutants=(mutants.POISON_NOT_DEAD_LETTERED,),
            ),
        ),
    ),
    Scenario(
        "spike",
        "Ten times as many orders a second as the service can settle, which is measured first.",
        spike,
    ),
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


async def _redrive(context: ScenarioContext) -> None:
    """Relay sets aside what the topic does not take, for orders must not wait for it."""
    await context.until_settled()
    context.watcher.stage("A person redrives what relay could not announce")
    redriven = await asyncio.to_thread(disruptions.redriven, context.stack)
    context.measures["announcements_redriven"] = redriven


async def _until_others_answered(context: ScenarioContext, hit: Sequence[Placed]) -> None:
    """Wait until fulfilment has dealt with every order that inventory had stock for."""
    deadline = time.monotonic() + OTHERS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        reserved = await context.effects("inventory")
        shipped = await context.effects("fulfilment")
        dealt_with = {effect.key for effect in shipped}
        dealt_with |= {effect.key for effect in reserved if not effect.done}
        if all(order.key in dealt_with for order in hit if order.acknowledged):
            return
        await asyncio.sleep(0.5)


async def _compare_shipping(
    context: ScenarioContext, healthy: Sequence[Placed], hit: Sequence[Placed]
) -> None:
    """How long until an order was shipped (p50), while accounting was well and while it was out."""
    records, effects = await context.records(), await context.effects("fulfilment")
    shipped_at = {effect.key: effect.at for effect in effects if effect.step == "ship"}
    well, out = (ship_seconds(records, shipped_at, orders) for orders in (healthy, hit))
    usual, meanwhile = percentile(well, 0.5), percentile(out, 0.5)
    if usual is None or meanwhile is None:
        return
    ratio = meanwhile / usual
    context.measures["ship_p50_seconds_accounting_well"] = usual
    context.measures["ship_p50_seconds_accounting_out"] = meanwhile
    context.measures["ship_p50_ratio"] = ratio
    if ratio > ISOLATION_RATIO_MAX and min(len(well), len(out)) >= ISOLATION_ORDERS_MIN:
        detail = (
            f"fulfilment took {ratio:.2f} times as long while accounting was out,"
            f" more than {ISOLATION_RATIO_MAX}"
        )
        context.violations.append(Violation(Promise.FAILURE_STAYS_LOCAL, None, detail))


def ship_seconds(
    records: Mapping[OrderKey, Record],
    shipped_at: Mapping[OrderKey, int],
    placed: Sequence[Placed],
) -> list[float]:
    """From acceptance to shipment, of those of these orders that were shipped."""
    return [
        (shipped_at[order.key] - record.accepted_at) / 1000
        for order in placed
        if (record := records.get(order.key)) is not None
        and record.accepted_at is not None
        and order.key in shipped_at
    ]


def settled_per_second(records: Mapping[OrderKey, Record], placed: Sequence[Placed]) -> float:
    """These orders, by the time from the first one's acceptance to the last fact of all.

    SpillwayError: none of them has settled, so there is nothing to measure.
    """
    found = [records[order.key] for order in placed if order.key in records]
    accepted = [record.accepted_at for record in found if record.accepted_at is not None]
    facts = [outcome.at for record in found for outcome in record.facts.outcomes.values()]
    if not accepted or not facts or max(facts) <= min(accepted):
        raise SpillwayError("No order settled, so that no rate could be measured: use more orders.")
    return len(found) * 1000 / (max(facts) - min(accepted))
