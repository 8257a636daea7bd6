"""The whole story of a demo on a running stack: place, disturb, wait, look, judge."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Literal, Protocol

import httpx
from botocore.exceptions import BotoCoreError

from spillway.errors import SpillwayError
from spillway.prove.demo.inspection import Seen, come_to_rest, judge_run, probe, read_tables
from spillway.prove.demo.plan import Plan
from spillway.prove.demo.result import Run
from spillway.run.load.clients import Client, Tokens, Unanswered
from spillway.run.load.placing import Checkout, Placed
from spillway.run.load.records import Outage
from spillway.run.load.settling import SETTLED, Waiting, whole_histories
from spillway.run.stack import Stack
from spillway.run.workload import Draft
from spillway.target.reading import read_depths

REQUEST_TIMEOUT_SECONDS = 30.0

#: Accounting's outage lasts until the other two have dealt with every order placed in it.
#: A short one has more to it when accounting is asked in vain, so it lasts a while at least.
OUTAGE_MIN_SECONDS = 3.0
OUTAGE_MAX_SECONDS = 30.0
OUTAGE_POLL_SECONDS = 0.5

_STACK_GONE = (BotoCoreError, httpx.TransportError, Unanswered)

Stage = Literal["placing", "outage", "settling", "probing", "resting", "auditing"]


class Watcher(Protocol):
    """Who is told how a run goes."""

    def stage(self, stage: Stage) -> None: ...

    def placed(self, order: Placed) -> None:
        """One order is closed: nothing more will be sent for it."""

    def settled(self, order: Placed) -> None: ...


def run(stack: Stack, plan: Plan, watcher: Watcher, *, private: bool) -> Run:
    """Run a plan on a stack and judge it.

    `private`: nobody else uses the stack, so everything in its tables is judged, and that nothing
    runs at rest. On a shared one only this run's own orders are.

    SpillwayError: the stack went away meanwhile.
    """
    with told_when_gone():
        return _run(stack, plan, watcher, private=private)


@contextmanager
def told_when_gone() -> Iterator[None]:
    """SpillwayError, and nothing else, when the stack goes away during the block."""
    try:
        yield
    except (*_STACK_GONE, ExceptionGroup) as error:
        if isinstance(error, ExceptionGroup) and error.split(_STACK_GONE)[1] is not None:
            raise  # Something else went wrong too, and that is a bug.
        raise SpillwayError(
            "The stack stopped answering in the middle of the run: start the run again."
        ) from error


def _run(stack: Stack, plan: Plan, watcher: Watcher, *, private: bool) -> Run:
    done = Run(plan=plan, began_at=_now(), up_seconds=stack.up_seconds)
    seen = Seen(depths_before=read_depths(stack.client("sqs"), stack.queues))
    with faulty(stack, plan.fault_settings):
        asyncio.run(_drive(stack, done, seen, watcher))
    watcher.stage("resting")
    come_to_rest(stack, seen, private=private)
    watcher.stage("auditing")
    read_tables(stack, done, private=private)
    judge_run(done, seen)
    return done


async def _drive(stack: Stack, done: Run, seen: Seen, watcher: Watcher) -> None:
    plan, began = done.plan, time.monotonic()
    # The plain orders first; the last few are kept for the outage.
    first = plan.drafts[: len(plan.drafts) - plan.outage_orders]
    last = plan.drafts[len(first) :]
    async with customers(stack) as client:
        checkout = checkout_of(stack, client, done, watcher.placed)
        waiting = Waiting(client, done.placed, watcher.settled)
        watcher.stage("placing")
        await _place_and_wait(checkout, waiting, first, done, watcher)
        done.settling_seconds = time.monotonic() - began
        if last and all(order.status in SETTLED for order in done.placed if not order.refusal):
            watcher.stage("outage")
            await _outage(stack, checkout, last, done)
            watcher.stage("settling")
            await waiting.until_all_settled()
        watcher.stage("probing")
        seen.histories = await whole_histories(client)
        seen.probes = [tried async for tried in probe(client, done.placed)]


@asynccontextmanager
async def customers(
    stack: Stack, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Client]:
    """The customers of a stack, with their tokens; `transport` may listen to what they are told."""
    async with httpx.AsyncClient(
        transport=transport,
        base_url=stack.api,
        timeout=httpx.Timeout(REQUEST_TIMEOUT_SECONDS),
        trust_env=False,
    ) as http:
        yield Client(http, Tokens(stack.token))


def checkout_of(
    stack: Stack, client: Client, done: Run, on_closed: Callable[[Placed], None]
) -> Checkout:
    """Places orders as a run's plan has it."""
    plan = done.plan
    return Checkout(
        client=client,
        receipt_key=stack.receipt_key,
        clients=plan.clients,
        copies=plan.copies,
        rng=random.Random(f"ids {plan.seed} {done.began_at}"),  # noqa: S311 -- not secrets
        on_closed=on_closed,
        cancel_after=plan.cancel_after,
    )


async def _place_and_wait(
    checkout: Checkout, waiting: Waiting, drafts: Sequence[Draft], done: Run, watcher: Watcher
) -> None:
    """Place the orders while looking at what has settled of them."""
    async with asyncio.TaskGroup() as tasks:
        placing = tasks.create_task(checkout.place(drafts, done.placed))
        tasks.create_task(waiting.until_all_settled(more_to_come=lambda: not placing.done()))
        await placing
        watcher.stage("settling")


async def _outage(stack: Stack, checkout: Checkout, drafts: Sequence[Draft], done: Run) -> None:
    """Accounting is out while these orders are placed, until the other two have dealt with them."""
    checkout.during_outage = True
    checkout.cancel_after = {}
    placed: list[Placed] = []
    with faulty(stack, {"accounting": {"outage": True}}):
        began_at = _now()
        await checkout.place(drafts, placed)
        done.placed.extend(placed)
        deadline = time.monotonic() + OUTAGE_MAX_SECONDS
        await asyncio.sleep(OUTAGE_MIN_SECONDS)
        while time.monotonic() < deadline and not await _others_answered(checkout.client, placed):
            await asyncio.sleep(OUTAGE_POLL_SECONDS)
        ended_at = _now()
    keys = tuple(order.key for order in placed if order.acknowledged)
    done.outage = Outage("accounting", began_at, ended_at, keys)


async def _others_answered(client: Client, placed: Iterable[Placed]) -> bool:
    for order in placed:
        reply = await client.order(order.customer, order.key.order_id)
        if not reply.ok:
            return False
        outcomes = {row["step"]: row["outcome"] for row in reply.body["steps"]}
        if outcomes.get("reserve") != "refused" and not {"reserve", "ship"} <= outcomes.keys():
            return False
    return True


@contextmanager
def faulty(stack: Stack, fault_settings: Mapping[str, Mapping[str, object]]) -> Iterator[None]:
    """These downstream fault settings are set meanwhile, and put back as they were."""
    before = {
        downstream: {name: stack.fault_settings(downstream)[name] for name in changes}
        for downstream, changes in fault_settings.items()
    }
    try:
        for downstream, changes in fault_settings.items():
            stack.set_fault_settings(downstream, **changes)
        yield
    finally:
        for downstream, changes in before.items():
            stack.set_fault_settings(downstream, **changes)


def _now() -> int:
    return time.time_ns() // 1_000_000
