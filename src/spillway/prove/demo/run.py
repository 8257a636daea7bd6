"""A whole run on a running stack: place orders, disrupt, wait, inspect, judge."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError

from orders.domain.status import SETTLED
from spillway.errors import SpillwayError
from spillway.prove.demo.faults import failing, faulty
from spillway.prove.demo.inspection import judge_run, probe, quiesce, read_tables
from spillway.prove.demo.payments import reconcile
from spillway.prove.demo.plan import Plan
from spillway.prove.demo.result import Run, now
from spillway.run.load.clients import ATTEMPTS_MAX, Client, Tokens, Unanswered
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Checkout, Placed
from spillway.run.load.records import Outage
from spillway.run.load.settling import Waiting, whole_histories
from spillway.run.stack import Stack
from spillway.target.reading import read_depths
from spillway.ui.progress import Stages

REQUEST_TIMEOUT_SECONDS = 30.0
OUTAGE_POLL_SECONDS = 0.5

#: A crowd must never wait for a free connection.
CONNECTIONS_MAX = 1_000

SETTLING = "Waiting until every order has settled"

_STACK_GONE = (BotoCoreError, httpx.TransportError, Unanswered)

#: What customers do in a run, from the first order until all have settled.
Steps = Callable[[Checkout, Waiting], Awaitable[None]]
#: What httpx calls with each request and each answer.
Hooks = Mapping[str, list[Callable[..., Any]]]


def run(stack: Stack, plan: Plan, watcher: Stages, *, private: bool) -> Run:
    """Run a plan on a stack and judge it.

    `private`: only this run uses the stack, so everything in its tables is judged, and that nothing
    runs at rest. On a shared stack only this run's own orders are judged.

    Raises `SpillwayError` when the stack stops answering.
    """
    done = Run(plan, now(), up_seconds=stack.up_seconds)
    carry_out(done, partial(_steps, stack, done, watcher), stack, watcher, private=private)
    return done


def carry_out(
    done: Run,
    steps: Steps,
    stack: Stack,
    watcher: Stages,
    *,
    private: bool,
    hooks: Hooks | None = None,
    attempts_max: int = ATTEMPTS_MAX,
) -> None:
    """Customers go through these steps; then the run is inspected and judged.

    `hooks` see every request and answer. Raises `SpillwayError` when the stack stops answering.
    """
    watcher.restart(len(done.plan.drafts))
    with _stack_must_answer():
        done.depths_before = read_depths(stack.client("sqs"), stack.queues)
        with faulty(stack, done.plan.fault_settings):
            asyncio.run(_customers_order(done, steps, stack, watcher, hooks, attempts_max))
        watcher.stage("Watching that nothing runs when there is nothing to do")
        quiesce(stack, done, private=private)
        watcher.stage("Holding payments against the orders")
        reconcile(stack, done)
        watcher.stage("Comparing the orders with the three downstreams")
        read_tables(stack, done, private=private)
        judge_run(done)


@contextmanager
def _stack_must_answer() -> Iterator[None]:
    """Reports in one sentence that the stack stops answering during the block."""
    try:
        yield
    except (*_STACK_GONE, ExceptionGroup) as error:
        if isinstance(error, ExceptionGroup) and error.split(_STACK_GONE)[1] is not None:
            raise  # Something else went wrong too, and that is a bug.
        raise SpillwayError(
            "The stack stopped answering in the middle of the run: start the run again."
        ) from error


async def _customers_order(
    done: Run, steps: Steps, stack: Stack, watcher: Stages, hooks: Hooks | None, attempts_max: int
) -> None:
    plan = done.plan
    async with httpx.AsyncClient(
        base_url=stack.api,
        timeout=REQUEST_TIMEOUT_SECONDS,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        event_hooks=hooks or {},
        trust_env=False,
    ) as http:
        client = Client(http, Tokens(stack.token), attempts_max)
        checkout = Checkout(
            client=client,
            receipt_key=stack.receipt_key,
            price_key=stack.price_key,
            clients=plan.clients,
            copies=plan.copies,
            rng=random.Random(f"ids {plan.seed} {done.began_at}"),  # noqa: S311 -- not secrets
            on_closed=lambda _: watcher.advance("placed"),
            cancel_after=plan.cancel_after,
        )
        waiting = Waiting(client, done.placed, lambda _: watcher.advance("settled"))
        watcher.stage("Customers are ordering")
        await steps(checkout, waiting)
        watcher.stage("Customers try to read and cancel other customers' orders")
        done.histories = await whole_histories(client)
        done.probes = [tried async for tried in probe(client, done.placed)]


async def _steps(
    stack: Stack, done: Run, watcher: Stages, checkout: Checkout, waiting: Waiting
) -> None:
    """The plain orders first; the last few are kept for the outage."""
    plan, began = done.plan, time.monotonic()
    first = len(plan.drafts) - plan.outage_orders
    async with asyncio.TaskGroup() as tasks:
        placing = tasks.create_task(checkout.place(plan.drafts[:first], done.placed))
        tasks.create_task(waiting.until_all_settled(more_to_come=lambda: not placing.done()))
        await placing
        watcher.stage(SETTLING)
    done.settling_seconds = time.monotonic() - began
    settled = all(order.status in SETTLED for order in done.placed if not order.refusal)
    if plan.outage_orders and settled:
        watcher.stage("Accounting is out, customers go on ordering")
        await _outage(stack, checkout, done)
        watcher.stage(SETTLING)
        await waiting.until_all_settled()


async def _outage(stack: Stack, checkout: Checkout, done: Run) -> None:
    """Accounting is out while the last orders are placed, until the other two have handled them
    and accounting has been asked in vain."""
    checkout.during_outage = True
    checkout.cancel_after = {}
    before = len(done.placed)
    with failing(stack, "accounting", outage=True) as retries:
        began_at, patience = now(), Patience()
        await checkout.place(done.plan.drafts[-done.plan.outage_orders :], done.placed)
        placed = done.placed[before:]
        while True:
            handled = await _handled_by_others(checkout.client, placed)
            in_vain = await asyncio.to_thread(retries.fired)
            if (handled == len(placed) and in_vain) or patience.is_over((handled, in_vain)):
                break
            await asyncio.sleep(OUTAGE_POLL_SECONDS)
        ended_at = now()
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
