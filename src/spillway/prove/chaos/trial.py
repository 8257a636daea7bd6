"""One scenario on a stack of its own, judged; then once more without each of its guards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from orders.domain.promises import Promise
from spillway.prove.audit.verdicts import Verdict
from spillway.prove.chaos.announcements import listening
from spillway.prove.chaos.context import Disruption, ScenarioContext, Watcher, now
from spillway.prove.chaos.planting import plant
from spillway.prove.chaos.recorder import Answered, ResponseRecorder, by_status
from spillway.prove.chaos.scenario import Control, Scenario
from spillway.prove.demo.inspection import (
    Seen,
    come_to_rest,
    judge_run,
    probe,
    read_tables,
)
from spillway.prove.demo.plan import Options, Plan, plan
from spillway.prove.demo.result import Run
from spillway.prove.demo.run import checkout_of, customers, faulty, told_when_gone
from spillway.run.load.settling import Waiting, whole_histories
from spillway.run.stack import Stack

CLIENTS = 8

#: A watch whose worker was killed comes again after 3 min, six times what the watchdog may take.
REST_SECONDS = 200.0
#: A stack without one of its guards may never rest, and nothing more is to be learnt from it.
CONTROL_REST_SECONDS = 15.0


@dataclass(slots=True)
class Trial:
    """What a scenario came to. `controls` are added once they have run."""

    scenario: Scenario
    run: Run
    disruptions: list[Disruption]
    answers: list[Answered]
    measures: dict[str, float]
    seen_beside: list[str] = field(default_factory=list)
    controls: list[Controlled] = field(default_factory=list)

    @property
    def promises(self) -> Mapping[Promise, Verdict]:
        return self.run.promises

    @property
    def statuses(self) -> Mapping[str, int]:
        return by_status(self.answers)

    @property
    def shortcomings(self) -> list[str]:
        """What keeps the scenario from proving anything, or was found beside the promises."""
        found = []
        if not self.run.accepted_any:
            found.append("no order was accepted")
        if not self.run.all_answered:
            found.append("some orders were never answered")
        found += self.seen_beside
        found += [
            f"never struck: {disruption.what}"
            for disruption in self.disruptions
            if disruption.struck == 0
        ]
        allowed = self.scenario.statuses
        if allowed is not None:
            strange = self.statuses.keys() - {str(status) for status in allowed}
            found += [f"customers were answered {status}" for status in sorted(strange)]
        return found

    @property
    def held(self) -> bool:
        """Every promise was kept, and the scenario was what it claims to be."""
        return all(verdict.held for verdict in self.promises.values()) and not self.shortcomings

    @property
    def proven(self) -> bool:
        """It held, and each control came to its accident."""
        return self.held and all(control.evidence is not None for control in self.controls)


@dataclass(frozen=True, slots=True)
class Controlled:
    """A control that has run: what it `found`, None when the accident did not happen."""

    control: Control
    orders: int
    evidence: str | None


def try_out(stack: Stack, scenario: Scenario, planned: Plan, watcher: Watcher) -> Trial:
    """Put a stack through a scenario and judge it. Nobody else may use the stack.

    SpillwayError: the stack went away meanwhile.
    """
    return _tried(stack, scenario, planned, watcher, rest_seconds=REST_SECONDS)


def try_control(
    stack: Stack, scenario: Scenario, control: Control, planned: Plan, watcher: Watcher
) -> Controlled:
    """Put a stack through a scenario without a guard, and see whether the accident happens.

    SpillwayError: the stack went away meanwhile, or the guard is not where it was.
    """
    planned = replace(
        planned, fault_settings=_merged(planned.fault_settings, control.fault_settings)
    )
    plant(stack, control.mutants)
    with ExitStack() as faults:
        for rule in control.faults:
            faults.enter_context(stack.proxy.inject(**rule))
        trial = _tried(stack, scenario, planned, watcher, rest_seconds=CONTROL_REST_SECONDS)
    return Controlled(control, len(trial.run.placed), control.expected_violation.found(trial))


def planned_for(scenario: Scenario, *, orders: int, seed: int) -> Plan:
    """The demo's plan: a few orders are cancelled, and each downstream refuses a few."""
    asked = round(orders * (1 + scenario.more_orders))
    options = Options(
        orders=asked, clients=CLIENTS, copies=scenario.copies, seed=seed, outage=False
    )
    return plan(options)


def _tried(
    stack: Stack, scenario: Scenario, planned: Plan, watcher: Watcher, *, rest_seconds: float
) -> Trial:
    done = Run(plan=planned, began_at=now(), up_seconds=stack.up_seconds)
    seen = Seen()
    with told_when_gone():
        with faulty(stack, planned.fault_settings):
            context = asyncio.run(_told(stack, scenario, done, seen, watcher))
        watcher.stage("Watching that nothing runs when nothing is to be done")
        come_to_rest(stack, seen, private=True, seconds_max=rest_seconds)
        watcher.stage("Holding the orders against the three downstreams")
        read_tables(stack, done, private=True)
        judge_run(done, seen, context.violations)
    return Trial(
        scenario=scenario,
        run=done,
        disruptions=context.disruptions,
        answers=context.recorder.answers,
        measures=context.measures,
        seen_beside=context.shortcomings,
    )


async def _told(
    stack: Stack, scenario: Scenario, done: Run, seen: Seen, watcher: Watcher
) -> ScenarioContext:
    """Tell the story, then wait until all has settled, and try other people's orders."""
    recorder, announcements = ResponseRecorder(), listening(stack)
    async with customers(stack, recorder) as client:
        context = ScenarioContext(
            stack=stack,
            run=done,
            checkout=checkout_of(stack, client, done, watcher.placed),
            waiting=Waiting(client, done.placed, watcher.settled),
            recorder=recorder,
            watcher=watcher,
            rng=random.Random(f"{scenario.name} {done.plan.seed}"),  # noqa: S311
        )
        watcher.stage("Customers are ordering")
        await scenario.steps(context)
        await context.until_settled()
        done.settling_seconds = (now() - done.began_at) / 1000
        context.shortcomings += await asyncio.to_thread(announcements.missing, done.placed)
        watcher.stage("Strangers try to read and cancel other people's orders")
        seen.histories = await whole_histories(client)
        seen.probes = [tried async for tried in probe(client, done.placed)]
    return context


def _merged(
    planned: Mapping[str, Mapping[str, object]], more: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, object]]:
    return {
        downstream: {**planned.get(downstream, {}), **more.get(downstream, {})}
        for downstream in planned.keys() | more.keys()
    }
