"""What a story can do: have customers order, do something to the stack meanwhile, wait, measure."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from orders.domain.order import OrderKey
from orders.domain.saga import Downstream
from spillway.prove.audit.verdicts import Violation
from spillway.prove.chaos.disruptions import IdleDetector
from spillway.prove.chaos.recorder import ResponseRecorder
from spillway.prove.demo.result import Run
from spillway.prove.demo.run import faulty
from spillway.run.load.placing import Checkout, Placed
from spillway.run.load.settling import Waiting
from spillway.run.stack import Stack
from spillway.target.reading import read_effects, read_orders
from spillway.target.records import Effect, Record


@dataclass(frozen=True, slots=True)
class Disruption:
    """Something was done to the system for a while. Times are Unix milliseconds.

    `struck`: how often it hit something, None where that cannot be counted.
    """

    what: str
    began_at: int
    ended_at: int
    struck: int | None


@runtime_checkable
class Injection(Protocol):
    """What can say how often it has struck, as a fault of the proxy can."""

    def fired(self) -> int: ...


class Watcher(Protocol):
    """Who is told how a scenario goes."""

    def stage(self, what: str) -> None: ...

    def placed(self, order: Placed) -> None:
        """One order is closed: nothing more will be sent for it."""

    def settled(self, order: Placed) -> None: ...


@dataclass(slots=True)
class ScenarioContext:
    """One scenario's means. Orders are taken from the run's plan, in its order.

    What it leaves behind: `disruptions`, `measures` (figure by name), `violations` that only it
    could see, and `shortcomings`: what else is not as it should be, in words.
    """

    stack: Stack
    run: Run
    checkout: Checkout
    waiting: Waiting
    recorder: ResponseRecorder
    watcher: Watcher
    rng: random.Random
    disruptions: list[Disruption] = field(default_factory=list)
    measures: dict[str, float] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    shortcomings: list[str] = field(default_factory=list)
    _taken: int = 0

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
        cancelling: bool = True,
    ) -> list[Placed]:
        """Have the next `count` orders placed, or all that are left; returns when all are answered.

        By so many customers at a time, or as many as the plan has; or at a rate, whoever still
        waits. Those that the plan has cancelled are, unless not `cancelling`.
        """
        first, drafts = self._taken, self.run.plan.drafts[self._taken :][:count]
        self._taken += len(drafts)
        self.checkout.clients = clients or self.run.plan.clients
        self.checkout.cancel_after = {
            place - first: wait
            for place, wait in self.run.plan.cancel_after.items()
            if cancelling and place >= first
        }
        before = len(self.run.placed)
        if per_second is None:
            await self.checkout.place(drafts, self.run.placed)
        else:
            await self.checkout.place_at(per_second, drafts, self.run.placed)
        return self.run.placed[before:]

    async def until_settled(self) -> bool:
        """True when every order acknowledged so far has settled; False when that is not to be."""
        self.watcher.stage("Waiting until every order has settled")
        self.waiting.is_lost = IdleDetector(self.stack)
        return await self.waiting.until_all_settled()

    @asynccontextmanager
    async def disruption(
        self, what: str, *parts: AbstractContextManager[object], seconds_min: float = 0.0
    ) -> AsyncIterator[None]:
        """All these at once, during the block and for `seconds_min` at least."""
        began_at = now()
        self.watcher.stage(f"{what[0].upper()}{what[1:]}")
        with ExitStack() as until_the_end:
            entered = [until_the_end.enter_context(part) for part in parts]
            yield
            await asyncio.sleep(max(0.0, seconds_min - (now() - began_at) / 1000))
            ended_at = now()
        counting = [part for part in entered if isinstance(part, Injection)]
        struck = sum(part.fired() for part in counting) if counting else None
        self.disruptions.append(Disruption(what, began_at, ended_at, struck))

    def faulty(
        self, *downstreams: Downstream, **fault_settings: Any
    ) -> AbstractContextManager[None]:
        """These downstreams misbehave by these fault settings."""
        return faulty(self.stack, dict.fromkeys(downstreams, fault_settings))

    def inject(self, **rule: Any) -> AbstractContextManager[Injection]:
        """A fault between the functions and AWS, by the fields of `run.proxy.rules.Rule`."""
        return self.stack.proxy.inject(**rule, seed=self.rng.getrandbits(32))

    async def effects(self, downstream: Downstream) -> list[Effect]:
        """What a downstream has done so far, by its own table."""
        dynamodb, table = self.stack.client("dynamodb"), self.stack.tables[downstream]
        return await asyncio.to_thread(read_effects, dynamodb, table, downstream)

    async def records(self) -> dict[OrderKey, Record]:
        """What the orders table holds so far."""
        dynamodb, table = self.stack.client("dynamodb"), self.stack.tables["orders"]
        return {
            record.key: record for record in await asyncio.to_thread(read_orders, dynamodb, table)
        }


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
