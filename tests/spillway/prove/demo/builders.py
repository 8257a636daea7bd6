"""A run after everything was read and judged, without a stack."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from orders.domain.order import OrderKey
from orders.domain.promises import Promise
from spillway.prove.audit.judging import judge
from spillway.prove.audit.verdicts import Verdict, Violation, verdicts
from spillway.prove.demo.plan import Plan, plan
from spillway.prove.demo.result import Run
from spillway.run.load.placing import Placed
from spillway.run.load.records import Answer
from spillway.run.workload import generate
from spillway.target.records import Effect
from spillway.ui.progress import Stages
from tests.builders import order_key
from tests.spillway.prove.audit.builders import ACCEPTED_AT, NEVER_HELD, Scene, scene


class Silent(Stages):
    """Stages that show nothing."""

    def __init__(self) -> None: ...

    def restart(self, total: int | None) -> None: ...

    def stage(self, text: str) -> None: ...

    def advance(self, name: str) -> None: ...


@cache
def a_plan(orders: int) -> Plan:
    return replace(plan(), drafts=tuple(generate(seed=1, count=orders)))


def an_order(number: int = 1, scene_: Scene | None = None, **changes: Any) -> Placed:
    """One whose customer got every answer, as the scene has it."""
    seen = scene_ or scene("reserve", "ship", "post", status="confirmed", key=key(number))
    order = Placed(
        key=seen.record.key,
        customer="shopper",
        order=seen.acknowledgement.order,
        sent_at=ACCEPTED_AT - 50,
        answers=[Answer(201, None)],
        accept_seconds=0.05 * number,
        cancellation_sent=seen.acknowledgement.cancellation_sent,
        cancellation_taken=seen.acknowledgement.cancellation_taken,
        closed=True,
        status=seen.acknowledgement.status,
    )
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def key(number: int) -> OrderKey:
    return order_key("customer-ada", f"019ab000-0000-7000-8000-{number:012d}")


def a_run() -> Run:
    """One order of every kind of end that is not held for approval; every promise held."""
    return run_of(
        [scene(*_steps(s), **_rest(s), key=key(n)) for n, (_, s) in enumerate(NEVER_HELD)]
    )


def run_of(scenes: list[Scene], *more: Placed) -> Run:
    placed = [an_order(number, seen) for number, seen in enumerate(scenes, start=1)]
    effects: list[Effect] = [effect for seen in scenes for effect in seen.effects]
    records = {seen.record.key: seen.record for seen in scenes}
    run = Run(
        plan=a_plan(len(placed) + len(more)),
        began_at=ACCEPTED_AT - 1000,
        placed=[*placed, *more],
        settling_seconds=5.0,
        up_seconds=3.0,
        records=records,
        effects=effects,
    )
    run.promises = judged(judge(records.values(), effects, placed))
    return run


def judged(violations: list[Violation]) -> dict[Promise, Verdict]:
    return verdicts(violations, dict.fromkeys(Promise, "looked at"))


def _steps(scene_: Scene) -> list[str]:
    return [e.step if e.done else f"{e.step} refused" for e in scene_.effects]


def _rest(scene_: Scene) -> dict[str, Any]:
    cancellation = scene_.record.facts.cancellation
    when = cancellation and ("before" if cancellation.before_reservation else "after")
    return {"status": scene_.acknowledgement.status, "cancelled": when}
