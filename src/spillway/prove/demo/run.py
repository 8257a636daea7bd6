"""A whole run on a running stack: place orders, disrupt, wait, inspect, judge."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import httpx
from botocore.exceptions import BotoCoreError

from spillway.errors import SpillwayError
from spillway.prove.demo.faults import failing, faulty
from spillway.prove.demo.inspection import Seen, judge_run, probe, quiesce, read_tables
from spillway.prove.demo.plan import Plan
from spillway.prove.demo.result import Run
from spillway.run.load.clients import ATTEMPTS_MAX, Client, Tokens, Unanswered
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Checkout, Placed
from spillway.run.load.records import Outage
from spillway.run.load.settling import SETTLED, Waiting, whole_histories
from spillway.run.stack import Stack
from spillway.run.workload import Draft
from spillway.target.reading import read_depths

REQUEST_TIMEOUT_SECONDS = 30.0

OUTAGE_POLL_SECONDS = 0.5

#: What a watcher is called with.
ORDERING = "Customers are ordering"
SETTLING = "Waiting until every order has settled"
PROBING = "Customers try to read and cancel other customers' orders"
QUIESCING = "Watching that nothing runs when there is nothing to do"
AUDITING = "Comparing the orders with the three downstreams"

_STACK_GONE = (BotoCoreError, httpx.TransportError, Unanswered)


class Watcher(Protocol):
    """Is called as a run goes on."""

    def stage(self, what: str) -> None: ...

    def placed(self, order: Placed) -> None:
        """One order is closed: nothing more will be sent for it."""

    def settled(self, order: Placed) -> None: ...


def run(stack: Stack, plan: Plan, watcher: Watcher, *, private: bool) -> Run:
    """Run a plan on a stack and judge it.

    `private`: only this run uses the stack, so everything in its tables is judged, and that nothing
    runs at rest. On a shared stack only this run's own orders are judged.

    Raises SpillwayError: when the stack stops answering.
    """
    with stack_must_answer():
        return _run(stack, plan, watcher, private=private)


@contextmanager
def stack_must_answer() -> Iterator[None]:
    """Raises SpillwayError, and nothing else: when the stack stops answering during the block."""
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
    watcher.stage(QUIESCING)
    quiesce(stack, seen, private=private)
    watcher.stage(AUDITING)
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
        watcher.stage(ORDERING)
        await _place_and_wait(checkout, waiting, first, done, watcher)
        done.settling_seconds = time.monotonic() - began
        if last and all(order.status in SETTLED for order in done.placed if not order.refusal):
            watcher.stage("Accounting is out, customers go on ordering")
            await _outage(stack, checkout, last, done)
            watcher.stage(SETTLING)
            await waiting.until_all_settled()
        watcher.stage(PROBING)
        seen.histories = await whole_histories(client)
        seen.probes = [tried async for tried in probe(client, done.placed)]


@asynccontextmanager
async def customers(
    stack: Stack,
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    attempts_max: int = ATTEMPTS_MAX,
) -> AsyncIterator[Client]:
    """The customers of a stack, with their tokens; `transport` may record their answers."""
    async with httpx.AsyncClient(
        transport=transport,
        base_url=stack.api,
        timeout=httpx.Timeout(REQUEST_TIMEOUT_SECONDS),
        trust_env=False,
    ) as http:
        yield Client(http, Tokens(stack.token), attempts_max)


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
        watcher.stage(SETTLING)


async def _outage(stack: Stack, checkout: Checkout, drafts: Sequence[Draft], done: Run) -> None:
    """Accounting is out while these orders are placed, until the other two have handled them and
    accounting has been asked in vain."""
    checkout.during_outage = True
    checkout.cancel_after = {}
    placed: list[Placed] = []
    with failing(stack, "accounting", outage=True) as retries:
        began_at = _now()
        await checkout.place(drafts, placed)
        done.placed.extend(placed)
        patience = Patience()
        while True:
            handled = await _handled_by_others(checkout.client, placed)
            in_vain = await asyncio.to_thread(retries.fired)
            if (handled == len(placed) and in_vain) or patience.is_over((handled, in_vain)):
                break
            await asyncio.sleep(OUTAGE_POLL_SECONDS)
        ended_at = _now()
    keys = tuple(order.key for order in placed if order.acknowledged)
    done.outage = Outage("accounting", began_at, ended_at, keys)


async def _handled_by_others(client: Client, placed: Iterable[Placed]) -> int:
    """How many of these orders inventory and fulfilment have handled, as far as they can be."""
    handled = 0
    for order in placed:
        reply = await client.order(order.customer, order.key.order_id)
        if reply.ok:
            outcomes = {row["step"]: row["outcome"] for row in reply.body["steps"]}
            refused = outcomes.get("reserve") == "refused"
            handled += refused or {"reserve", "ship"} <= outcomes.keys()
    return handled


def _now() -> int:
    return time.time_ns() // 1_000_000
