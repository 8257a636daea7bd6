"""One scenario on a running stack, judged; and its control."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from orders.domain.promises import Promise
from spillway.prove.audit.verdicts import Verdict
from spillway.prove.chaos.announcements import listening
from spillway.prove.chaos.context import Disruption, ScenarioContext, now
from spillway.prove.chaos.mutant import deployed
from spillway.prove.chaos.recorder import Answered, ResponseRecorder, by_status
from spillway.prove.chaos.scenario import Control, Scenario
from spillway.prove.demo.faults import faulty
from spillway.prove.demo.inspection import Seen, judge_run, probe, quiesce, read_tables
from spillway.prove.demo.plan import Options, Plan, plan
from spillway.prove.demo.result import Run
from spillway.prove.demo.run import (
    AUDITING,
    ORDERING,
    PROBING,
    QUIESCING,
    Watcher,
    checkout_of,
    customers,
    stack_must_answer,
)
from spillway.run.load.settling import Waiting, whole_histories
from spillway.run.stack import Stack
from spillway.target.reading import read_depths

CLIENTS = 8

#: A client of ours sends an order until it is answered (docs/client.md). A run must end all the
#: same when the service never answers: after some six minutes.
ATTEMPTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Controlled:
    """A control that has run. `evidence`: None when the expected violation was not found."""

    control: Control
    orders: int
    evidence: str | None

    @property
    def found(self) -> bool:
        return self.evidence is not None


@dataclass(slots=True)
class Trial:
    """The result of a scenario. `control` is added once it has run."""

    scenario: Scenario
    run: Run
    disruptions: list[Disruption]
    answers: list[Answered]
    measures: dict[str, float]
    seen_beside: list[str] = field(default_factory=list)
    control: Controlled | None = None

    @property
    def promises(self) -> Mapping[Promise, Verdict]:
        return self.run.promises

    @property
    def statuses(self) -> Mapping[str, int]:
        return by_status(self.answers)

    @property
    def shortcomings(self) -> list[str]:
        """Why the scenario proves nothing, and what was wrong beside the promises."""
        found = []
        if not self.run.accepted_any:
            found.append("no order was accepted")
        if not self.run.all_answered:
            found.append("some orders were never answered")
        found += self.seen_beside
        found += [f"hit nothing: {one.what}" for one in self.disruptions if one.hits == 0]
        allowed = self.scenario.statuses
        if allowed is not None:
            unexpected = self.statuses.keys() - {str(status) for status in allowed}
            found += [f"customers were answered {status}" for status in sorted(unexpected)]
        return found

    @property
    def held(self) -> bool:
        """Every promise was kept, and the scenario did what it says."""
        return all(verdict.held for verdict in self.promises.values()) and not self.shortcomings

    @property
    def proven(self) -> bool:
        """It held, and its control found the expected violation."""
        return self.held and (self.control is None or self.control.found)


def try_out(
    stack: Stack, scenario: Scenario, planned: Plan, watcher: Watcher, *, private: bool = True
) -> Trial:
    """Run a scenario on a stack and judge it.

    `private`: this run alone uses the stack, so all of its tables and functions are judged. No
    other run may use a shared one at the same time either.

    Raises SpillwayError: when the stack stops answering.
    """
    done = Run(plan=planned, began_at=now(), up_seconds=stack.up_seconds)
    seen = Seen(depths_before=read_depths(stack.client("sqs"), stack.queues))
    with stack_must_answer():
        with faulty(stack, planned.fault_settings):
            context = asyncio.run(_run(stack, scenario, done, seen, watcher))
        watcher.stage(QUIESCING)
        quiesce(stack, seen, private=private)
        watcher.stage(AUDITING)
        read_tables(stack, done, private=private)
        judge_run(done, seen, context.violations)
    return Trial(
        scenario=scenario,
        run=done,
        disruptions=context.disruptions,
        answers=context.recorder.answers,
        measures=context.measures,
        seen_beside=context.shortcomings,
    )


def try_control(
    stack: Stack, scenario: Scenario, control: Control, planned: Plan, watcher: Watcher
) -> Controlled:
    """Run a scenario on the mutant of a control, and look for the expected violation.

    Raises SpillwayError: when the stack stops answering, or the mutant cannot be made.
    """
    with deployed(stack, control.mutant):
        trial = try_out(stack, scenario, planned, watcher, private=False)
    return Controlled(control, len(trial.run.placed), control.evidence(trial.promises))


def planned_for(scenario: Scenario, *, orders: int, seed: int) -> Plan:
    """The demo's plan: a few orders are cancelled, and each downstream refuses a few."""
    asked = round(orders * (1 + scenario.more_orders))
    options = Options(
        orders=asked, clients=CLIENTS, copies=scenario.copies, seed=seed, outage=False
    )
    return plan(options)


async def _run(
    stack: Stack, scenario: Scenario, done: Run, seen: Seen, watcher: Watcher
) -> ScenarioContext:
    """Go through the scenario, wait until all orders have settled, and probe others' orders."""
    recorder = ResponseRecorder()
    with listening(stack) as announcements:
        async with customers(stack, recorder, attempts_max=ATTEMPTS_MAX) as client:
            context = ScenarioContext(
                stack=stack,
                run=done,
                checkout=checkout_of(stack, client, done, watcher.placed),
                waiting=Waiting(client, done.placed, watcher.settled),
                recorder=recorder,
                watcher=watcher,
                rng=random.Random(f"{scenario.name} {done.plan.seed}"),  # noqa: S311
            )
            watcher.stage(ORDERING)
            await scenario.steps(context)
            await context.until_settled()
            done.settling_seconds = (now() - done.began_at) / 1000
            context.shortcomings += await asyncio.to_thread(announcements.missing, done.placed)
            watcher.stage(PROBING)
            seen.histories = await whole_histories(client)
            seen.probes = [tried async for tried in probe(client, done.placed)]
    return context
