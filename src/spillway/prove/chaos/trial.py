"""One scenario on a running stack, judged; and its control."""

from __future__ import annotations

import asyncio
import random

from spillway.prove.chaos.announcements import listening
from spillway.prove.chaos.context import ScenarioContext
from spillway.prove.chaos.mutant import deployed
from spillway.prove.chaos.scenario import Scenario, Trial
from spillway.prove.demo.plan import Plan, plan
from spillway.prove.demo.result import Run, now
from spillway.prove.demo.run import carry_out
from spillway.run.load.placing import Checkout
from spillway.run.load.settling import Waiting
from spillway.run.stack import Stack, running
from spillway.run.stack.fakes import Fakes
from spillway.ui.progress import Stages

CLIENTS = 8
#: As many as a control needs for its violation.
CONTROL_ORDERS = 24

#: A client of ours sends an order until it is answered (docs/client.md). A run must end all the
#: same when the service never answers: after some six minutes.
ATTEMPTS_MAX = 100


def try_on_private_stack(
    scenario: Scenario, orders: int, seed: int, controls: bool, fakes: Fakes, watcher: Stages
) -> Trial:
    """Run a scenario, and its control if it has one, on a stack that is started for them."""
    planned = planned_for(scenario, orders=orders, seed=seed)
    watcher.title(scenario.name)
    with running(fakes=fakes, on_phase=lambda title, _: watcher.stage(title)) as stack:
        trial = try_out(stack, scenario, planned, watcher)
        if controls and scenario.control:
            planned = planned_for(scenario, orders=min(orders, CONTROL_ORDERS), seed=seed)
            watcher.title(f"{scenario.name}, control")
            with deployed(stack, scenario.control.mutant):
                trial.control = try_out(stack, scenario, planned, watcher, private=False)
    return trial


def try_out(
    stack: Stack, scenario: Scenario, planned: Plan, watcher: Stages, *, private: bool = True
) -> Trial:
    """Run a scenario on a stack and judge it.

    `private`: this run alone uses the stack, so all of its tables and functions are judged. No
    other run may use a shared one at the same time either.

    Raises `SpillwayError` when the stack stops answering.
    """
    done = Run(planned, now(), up_seconds=stack.up_seconds)
    trial = Trial(scenario, done, has_express=stack.fakes is Fakes.CONTRACTS)
    rng = random.Random(f"{scenario.name} {planned.seed}")  # noqa: S311

    async def steps(checkout: Checkout, waiting: Waiting) -> None:
        with listening(stack) as announcements:
            context = ScenarioContext(stack, trial, checkout, waiting, watcher, rng)
            await scenario.steps(context)
            await context.until_settled()
            done.settling_seconds = (now() - done.began_at) / 1000
            trial.seen_beside += await asyncio.to_thread(announcements.missing, done.placed)

    carry_out(
        done,
        steps,
        stack,
        watcher,
        private=private,
        hooks=trial.recorder.hooks,
        attempts_max=ATTEMPTS_MAX,
    )
    return trial


def planned_for(scenario: Scenario, *, orders: int, seed: int) -> Plan:
    """The demo's plan: a few orders are cancelled, and each downstream refuses a few."""
    return plan(
        orders=round(orders * (1 + scenario.more_orders)),
        clients=CLIENTS,
        copies=scenario.copies,
        seed=seed,
        outage=False,
        # Such an order does not overflow: while a table is down it would keep its customer busy.
        limited_coupons=False,
    )
