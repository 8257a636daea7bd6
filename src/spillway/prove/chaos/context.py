"""What a scenario can do: have customers order, disrupt the stack meanwhile, wait, measure."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from orders.domain.order import OrderKey
from orders.domain.saga import Downstream
from spillway.prove.chaos.disruptions import IdleDetector
from spillway.prove.chaos.scenario import Disruption, Trial
from spillway.prove.demo.faults import failing
from spillway.prove.demo.result import Run, now
from spillway.prove.demo.run import SETTLING
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Checkout, Placed
from spillway.run.load.settling import Waiting
from spillway.run.stack import Stack
from spillway.target.reading import read_depths, read_effects
from spillway.target.records import Effect, Record
from spillway.target.service import of_stack
from spillway.ui.progress import Stages

_POLL_SECONDS = 0.5

#: How often the faults in force have hit something.
Hits = Callable[[], int]


@runtime_checkable
class Fault(Protocol):
    """Counts how often it has hit something, as a fault of the proxy does."""

    def fired(self) -> int: ...


@dataclass(slots=True)
class ScenarioContext:
    """What a scenario acts with. Orders are taken from the run's plan, in its order."""

    stack: Stack
    trial: Trial
    checkout: Checkout
    waiting: Waiting
    watcher: Stages
    rng: random.Random
    _taken: int = 0

    @property
    def run(self) -> Run:
        return self.trial.run

    @property
    def orders(self) -> int:
        """How many orders the whole scenario has."""
        return len(self.run.plan.drafts)

    async def order(
        self,
        count: int | None = None,
        *,
        clients: int | None = None,
        per_second: float | None = None,
        cancelling: bool | Mapping[int, float] = True,
    ) -> list[Placed]:
        """Place the next `count` orders, or all that are left; returns when all are answered.

        `clients` customers order at a time (default: as many as the plan has); with `per_second`,
        orders go out at that rate instead. `cancelling`: cancel those that the plan cancels, or
        these: place among them to seconds after acceptance.
        """
        first, drafts = self._taken, self.run.plan.drafts[self._taken :][:count]
        self._taken += len(drafts)
        self.checkout.clients = clients or self.run.plan.clients
        planned = {
            place - first: wait
            for place, wait in self.run.plan.cancel_after.items()
            if cancelling and place >= first
        }
        self.checkout.cancel_after = planned if isinstance(cancelling, bool) else cancelling
        before = len(self.run.placed)
        if per_second is None:
            await self.checkout.place(drafts, self.run.placed)
        else:
            await self.checkout.place_at(per_second, drafts, self.run.placed)
        return self.run.placed[before:]

    async def until_settled(self) -> None:
        """Wait until every order acknowledged so far has settled, or never will."""
        self.watcher.stage(SETTLING)
        self.waiting.is_lost = IdleDetector(self.stack)
        await self.waiting.until_all_settled()

    @asynccontextmanager
    async def disruption(
        self, what: str, *parts: AbstractContextManager[object]
    ) -> AsyncIterator[Hits]:
        """All these at once, during the block. Yields the count of what they have hit so far."""
        began_at = now()
        self.watcher.stage(f"{what[0].upper()}{what[1:]}")
        with ExitStack() as until_the_end:
            entered = [until_the_end.enter_context(part) for part in parts]
            faults = [part for part in entered if isinstance(part, Fault)]

            def hits() -> int:
                return sum(fault.fired() for fault in faults)

            yield hits
            ended_at, hit = now(), hits() if faults else None
        self.trial.disruptions.append(Disruption(what, began_at, ended_at, hit))

    async def until_hit(self, hits: Hits, times: int) -> None:
        """Wait until the faults have hit so often, or until nothing is left for them to hit."""
        await until(hits, times, IdleDetector(self.stack))

    async def until_answered(self, count: int) -> None:
        """Wait until so many orders of the whole run have been answered."""
        placed = self.run.placed
        await until(lambda: sum(o.closed or o.acknowledged for o in placed), count)

    def failing(self, *downstreams: Downstream, **faults: Any) -> AbstractContextManager[Fault]:
        """These downstreams misbehave by these fault settings."""
        return failing(self.stack, *downstreams, **faults)

    def inject(self, **rule: Any) -> AbstractContextManager[Fault]:
        """A fault between functions and AWS; takes the fields of `run.proxy.rules.Rule`."""
        return self.stack.proxy.inject(**rule, seed=self.rng.getrandbits(32))

    def effects(self, downstream: Downstream) -> list[Effect]:
        """What a downstream has done so far, by its own table."""
        return read_effects(
            self.stack.client("dynamodb"), self.stack.tables[downstream], downstream
        )

    def dead_letters(self, queue: str) -> int:
        """How many messages are in this queue's dead-letter queue."""
        depths = read_depths(self.stack.client("sqs"), self.stack.queues)
        return sum(depth.messages for depth in depths if depth.queue == f"{queue}_dead_letter")

    def records(self) -> dict[OrderKey, Record]:
        """What the orders table has so far."""
        records = of_stack(self.stack).orders.orders()
        return {record.key: record for record in records}


async def until(
    count: Callable[[], int], goal: int, given_up: Callable[[], bool] = lambda: False
) -> None:
    """Wait until the count reaches the goal, has not changed for long, or is given up."""
    patience = Patience()
    while (counted := await asyncio.to_thread(count)) < goal:
        if patience.is_over(counted) or await asyncio.to_thread(given_up):
            return
        await asyncio.sleep(_POLL_SECONDS)
