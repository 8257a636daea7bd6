"""All scenarios. In each, customers order while all is well, then during a disruption; then the
disruption ends, and the service must recover without help.

A disruption is paced by what has happened (orders answered, faults hit, orders settled), never by
the clock: a slow machine meets the same disruption, only later. Each must have hit something, or
the scenario proves nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

from orders.aws.parameters import RENEW_AGAIN_MS
from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS, ONCE_RESERVED, Downstream, Step
from orders.domain.units import CustomerId, OrderId
from orders.settings import EXPRESS_CALLS
from spillway.errors import SpillwayError, UsageError
from spillway.operate.status.alarms import read_alarms
from spillway.prove.audit.verdicts import Violation
from spillway.prove.chaos import disruptions
from spillway.prove.chaos.context import ScenarioContext, until
from spillway.prove.chaos.scenario import Control, Scenario
from spillway.prove.demo.faults import faulty
from spillway.prove.demo.result import now, shipped_after
from spillway.prove.mutants.catalogue import BY_NAME as MUTANTS
from spillway.run.load.placing import Placed
from spillway.run.load.records import Outage
from spillway.run.stack.fakes import Fakes
from spillway.target.records import Effect, Record
from spillway.target.service import of_stack
from spillway.ui.statistics import percentile

#: Longer than deliver waits for a downstream, and the express path (infra/stages/local.toml).
LATENCY_MS = 3_000
#: Longer than the express path waits, and shorter than a downstream's own delivery.
LATE_MS = 1_500
#: The same of an accounting that is slow for hours: nobody's patience meets it.
SLOW_MS = 4_000
#: So that a worker that is killed is likely to be in the middle of a call, and the express path
#: has time left after it.
WORKING_MS = 400
#: The express path's calls, one after the other's, and its write: a third of a second for each part
#: in which it can be interrupted.
EXPRESS_MS = {"fulfilment": 300, "accounting": 600}
EXPRESS_WRITE_SECONDS = 0.3
#: So many orders for each kill: a killed delivery's orders come back after a minute.
ORDERS_PER_KILL = 8
#: How often it is looked what has been done.
LOOK_SECONDS = 0.1
#: A share of calls that both take away from the express path: about half of the orders then go by
#: the queues.
SOME_ERRORS = 0.3

#: At most so many, and no more than settle: a backlog of its own would be measured too.
STEADY_PER_SECOND_MAX = 5.0
#: Functions that have to be started take many times as long as those that run.
WARM_UP_ORDERS = 6
#: Orders that go before accounting's trouble, for each in it.
HEALTHY_SHARE = 0.5
ISOLATION_RATIO_MAX = 1.3
#: The median of fewer is chance.
ISOLATION_ORDERS_MIN = 30

SPIKE_FACTOR = 10.0
#: Twice as many as otherwise. A crowd without bounds would be one of functions that have to be
#: started, each a process here, and the machine itself would fail.
SPIKE_CLIENTS = 16

#: The alarm that a key rings which is refused.
NEEDS_A_FIX = "needs-a-fix"

#: Whose processes go on from a reservation.
EXPRESS_FUNCTION = "deliver-inventory"

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
    await _without_accounting(context, "accounting out", outage=True)


@_scenario(
    "Accounting answers too late for a whole run, after a healthy one to compare fulfilment with.",
    more_orders=HEALTHY_SHARE,
)
async def accounting_slow(context: ScenarioContext) -> None:
    """Slow is worse than down: whoever calls it waits."""
    what = f"accounting answers after {SLOW_MS / 1000:g} s"
    await _without_accounting(context, what, latency_ms=SLOW_MS)


async def _without_accounting(context: ScenarioContext, what: str, **faults: Any) -> None:
    """The same steady stream of orders twice: with accounting well, and with these faults for all
    of it. The ratio of fulfilment's times is what accounting's trouble costs the others."""
    compared = context.orders - round(context.orders / (1 + HEALTHY_SHARE))
    warm_up = min(WARM_UP_ORDERS, compared // 3)
    await context.order(warm_up, cancelling=False)
    await context.until_settled()
    rate = min(STEADY_PER_SECOND_MAX, await _measure_rate(context, warm_up))
    context.watcher.stage("Customers order while all is well, for comparison")
    healthy = await context.order(compared - 2 * warm_up, per_second=rate, cancelling=False)
    await context.until_settled()
    async with context.disruption(what, context.failing("accounting", **faults)) as hits:
        began_at = now()
        during = await context.order(per_second=rate, cancelling=False)
        await _until_others_answered(context, during)
        await context.until_hit(hits, len(during))
        keys = tuple(order.key for order in during if order.acknowledged)
        slow = "latency_ms" in faults
        context.run.outage = Outage("accounting", began_at, now(), keys, slow)
    await _compare_shipping(context, healthy, during)


@_scenario(
    "Accounting refuses our API key while customers go on ordering, until somebody mends it.",
    control=Control(
        "an answer that is not about the order waits",
        MUTANTS["dead-letters-a-401"],
        Promise.ALWAYS_SETTLES,
        like="dead-lettered while accounting",
    ),
)
async def wrong_key(context: ScenarioContext) -> None:
    await context.order(context.orders // 4)
    await refuse_our_key(context, "accounting")


async def refuse_our_key(
    context: ScenarioContext, downstream: Downstream, for_seconds: float = 0.0
) -> None:
    """While customers order what is left, and for so long at the least. Functions that read the key
    anew meanwhile get another wrong one, so they must do that once more when it is mended.

    It must ring, put nothing into a dead-letter queue, and go on without a hand. What is there all
    the same is moved back in the end: the run would wait for it in vain."""

    def is_broken() -> bool:
        return context.dead_letters(downstream) > 0

    began_at = now()
    async with context.disruption(
        f"{downstream} refuses our API key",
        disruptions.wrong_key_stored(context.stack, downstream),
        context.failing(downstream, misconfigured="wrong_key"),
    ) as hits:
        during = await context.order()
        await until(hits, len(during), is_broken)
        context.watcher.stage(f"Waiting for the alarm {NEEDS_A_FIX}")
        await until(lambda: int(_rang_at(context) is not None), 1, is_broken)
        await asyncio.sleep(for_seconds - (now() - began_at) / 1000)
    rang_at = await asyncio.to_thread(_rang_at, context)
    if rang_at is None:
        context.trial.seen_beside.append(f"the alarm {NEEDS_A_FIX} did not ring")
    else:
        context.trial.measures["rang_after_seconds"] = (rang_at - began_at) / 1000
    if await asyncio.to_thread(is_broken):
        # By then functions look for the right key.
        await asyncio.sleep(RENEW_AGAIN_MS / 1000)
        moved = await asyncio.to_thread(disruptions.redrive, context.stack, downstream)
        detail = f"{moved} commands were dead-lettered while {downstream} refused our key"
        context.run.violations.append(Violation(Promise.ALWAYS_SETTLES, None, detail))


def _rang_at(context: ScenarioContext) -> int | None:
    """Since when the alarm rings, in Unix ms; None while it does not."""
    alarms = read_alarms(of_stack(context.stack))
    return next((one.since for one in alarms if one.name == NEEDS_A_FIX and one.rings), None)


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


@_scenario(
    "Fulfilment and accounting, then all three answer later than anybody waits, so that no outcome"
    " is known.",
    both_ways=True,
)
async def latency(context: ScenarioContext) -> None:
    """First without inventory: behind a late reservation nothing is tried on the express path."""
    later = f"after {LATENCY_MS / 1000:g} s, later than deliver waits"
    await context.order(context.orders // 4)
    async with context.disruption(
        f"fulfilment and accounting answer {later}",
        context.failing(*EXPRESS_CALLS, latency_ms=LATENCY_MS),
    ) as hits:
        placed = await context.order(context.orders // 3)
        await context.until_hit(hits, len(placed))
    await context.until_settled()  # or the next part's hits would be those of this one's retries
    async with context.disruption(
        f"every downstream answers {later}", context.failing(*DOWNSTREAMS, latency_ms=LATENCY_MS)
    ) as hits:
        placed = await context.order()
        await context.until_hit(hits, len(placed))


@_scenario(
    "Customers send each order three times at once; messages come twice and out of order.",
    copies=3,
    both_ways=True,
)
async def duplicates(context: ScenarioContext) -> None:
    async with context.disruption(
        "messages sent twice, out of order, and whole batches of the stream again",
        _some_by_queues(context),
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
        _some_by_queues(context),
        killer.killing(context.trial.recorder),
    ) as hits:
        await context.order()
        await until(hits, context.orders // 2, killer.has_tried_all)
    for function, times in sorted(killer.killed.items()):
        context.trial.measures[f"killed_{function}"] = times


@_scenario(
    "The processes that reserve, ship and post an order at once are killed in the middle, and"
    " answers are lost or late, while customers cancel.",
    control=Control(
        "no cancellation counts as before the reservation of an order that may have shipped",
        MUTANTS["cancellation-overtakes-express"],
        Promise.NEVER_HALF_DONE,
        like="the table says undone",
    ),
    both_ways=True,
    only=Fakes.CONTRACTS,
)
async def express_interrupted(context: ScenarioContext) -> None:
    """The first half of the orders meets kills: after the reservation, between shipment and
    posting, and before the write. What counts is not the kill but what it left behind: a shipment
    or posting older than the reservation on record, which therefore is of a later try."""
    killer = disruptions.Killer(context.stack, context.rng, only=EXPRESS_FUNCTION)
    slow_write = {"service": "dynamodb", "operation": "UpdateItem", "function": EXPRESS_FUNCTION}
    half = context.orders // 2
    async with context.disruption(
        "killed in the middle of express calls, a quarter of the answers lost",
        nullcontext(Interrupted(context)),
        faulty(
            context.stack,
            {
                name: {"latency_ms": wait, "lose_answers_rate": 0.25}
                for name, wait in EXPRESS_MS.items()
            },
        ),
        _uncounted(context.inject(**slow_write, delay=EXPRESS_WRITE_SECONDS)),
    ):
        cancelling = _cancelling(context, half)
        async with asyncio.TaskGroup() as at_once:
            kills = at_once.create_task(_kill_soon_after_effects(context, killer, half))
            await context.order(half, per_second=STEADY_PER_SECOND_MAX, cancelling=cancelling)
            await context.until_settled()
            kills.cancel()
    context.trial.measures["killed"] = killer.fired()
    cancelling = _cancelling(context, context.orders - half)
    before = await asyncio.to_thread(LeftOut(context, Step.SHIP).fired)
    async with context.disruption(
        "fulfilment answers later than the express path waits",
        nullcontext(LeftOut(context, Step.SHIP, before)),
        faulty(context.stack, {"fulfilment": {"latency_ms": LATE_MS}}),
    ):
        await context.order(per_second=STEADY_PER_SECOND_MAX, cancelling=cancelling)
        await context.until_settled()


async def _kill_soon_after_effects(
    context: ScenarioContext, killer: disruptions.Killer, orders: int
) -> None:
    """Each kill soon after an order was reserved or shipped: on a slow machine too, the service
    goes on between two kills."""
    before = 0
    while killer.fired() < orders // ORDERS_PER_KILL:
        await asyncio.sleep(LOOK_SECONDS)
        done = 0
        for downstream in ("inventory", "fulfilment"):
            done += len(await asyncio.to_thread(context.effects, downstream))
        if done > before:
            await asyncio.sleep(context.rng.uniform(0.0, max(EXPRESS_MS.values()) / 1000))
            killer.kill_one()
        before = done


@_scenario(
    "Relay's sends are refused, or taken only in part; then the topic is down.", both_ways=True
)
async def relay_failing(context: ScenarioContext) -> None:
    """One after the other: relay announces a batch only once all of its commands are sent."""
    await context.order(context.orders // 4)
    async with context.disruption(
        "relay's sends refused or taken in part",
        _some_by_queues(context),
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
    poison = disruptions.Poison.of(context.stack.queues, key)
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


@_scenario(
    "The ERP calls nobody back, and half of the warehouse's outcomes are lost: what is not told is"
    " asked for.",
    only=Fakes.EXAMPLES,
)
async def lost_outcomes(context: ScenarioContext) -> None:
    """It ends once the warehouse has handled all: what is asked for then must be told."""
    await context.order(context.orders // 2)
    async with context.disruption(
        "no callbacks, half of the outcomes lost",
        faulty(
            context.stack,
            {"inventory": {"lose_callbacks_rate": 1}, "fulfilment": {"lose_answers_rate": 0.5}},
        ),
    ):
        await _until_others_answered(context, await context.order(cancelling=False))


def chosen(names: Sequence[str], fakes: Fakes = Fakes.CONTRACTS) -> list[Scenario]:
    """The scenarios of these names, or `all` that go with these downstreams: in the order of the
    catalogue, each once.

    Raises `SpillwayError` when there is no such scenario, or it goes with others alone.
    """
    fitting = {name: one for name, one in BY_NAME.items() if one.only in (None, fakes)}
    for name in names:
        if name not in {*BY_NAME, "all"}:
            known = ", ".join([*BY_NAME, "all"])
            raise UsageError(f"There is no scenario {name!r}: choose one of {known}.")
        if name not in {*fitting, "all"}:
            raise UsageError(f"{name} goes with --downstreams {BY_NAME[name].only} alone.")
    return [scenario for name, scenario in fitting.items() if {name, "all"} & {*names}]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Counts the orders that were shipped or posted before the reservation that is on record."""

    context: ScenarioContext

    def fired(self) -> int:
        records = self.context.records()
        effects = chain.from_iterable(map(self.context.effects, EXPRESS_CALLS))
        return len({one.key for one in effects if _is_older_than_reservation(one, records)})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Counts the orders for which the express path's write has other steps, and not this one.
    `before`: so many had been there already."""

    context: ScenarioContext
    step: Step
    before: int = 0

    def fired(self) -> int:
        noted = (record.express for record in self.context.records().values())
        return sum(bool(steps) and self.step not in steps for steps in noted) - self.before


def _is_older_than_reservation(effect: Effect, records: Mapping[OrderKey, Record]) -> bool:
    record = records.get(effect.key)
    reserved = None if record is None else record.facts.outcomes.get(Step.RESERVE)
    return reserved is not None and effect.step in ONCE_RESERVED and effect.at < reserved.at


def _cancelling(context: ScenarioContext, count: int) -> dict[int, float]:
    """Half of so many customers cancel, most while the express path is at their order."""
    rng = context.rng
    return {place: rng.uniform(0.0, 1.5) for place in range(count) if rng.random() < 0.5}


def _some_by_queues(context: ScenarioContext) -> AbstractContextManager[None]:
    """Fulfilment and accounting fail some calls: an order that goes by the express path alone
    comes by one queue only. Where there is no express path, all go by the queues anyway, and a step
    that takes two calls would wait a quarter of an hour for luck."""
    if not context.trial.has_express:
        return nullcontext()
    return faulty(context.stack, {name: {"error_rate": SOME_ERRORS} for name in EXPRESS_CALLS})


@contextmanager
def _uncounted(fault: AbstractContextManager[object]) -> Iterator[None]:
    """A fault that helps another one to hit, and proves nothing by its own hits."""
    with fault:
        yield


async def _redrive(context: ScenarioContext) -> None:
    """Relay dead-letters what the topic does not take, because orders must not wait for it."""
    await context.until_settled()
    context.watcher.stage("Redriving the events that relay could not publish")
    redriven = await asyncio.to_thread(disruptions.redrive, context.stack, "relay")
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
    """How long until an order was shipped (p50), while accounting was well and while it was ill.

    By fulfilment's own table, whichever way it got the command: also an order that waits for a
    delivery which waits for accounting is shipped later. Intake never calls accounting: if it was
    slower too, so was the machine, and that much is not held against the service.
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
    context.trial.measures["ship_p50_seconds_accounting_ill"] = meanwhile
    context.trial.measures["ship_p50_ratio"] = ratio
    context.trial.measures["accept_p50_ratio"] = machine
    slower = ratio / max(1.0, machine)
    if slower > ISOLATION_RATIO_MAX and min(len(well), len(out)) >= ISOLATION_ORDERS_MIN:
        detail = (
            f"fulfilment took {slower:.2f} times as long while accounting was ill,"
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
