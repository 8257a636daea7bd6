"""The tests that every system is put through. Each begins with a new, empty system."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.peers import audit
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.system import System
from benchmarks.peers.usage import Usage
from orders.domain.order import OrderKey
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.ledger import Entry
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Checkout, Placed
from spillway.run.workload import Draft
from spillway.ui.statistics import percentile

#: A trial is over when nothing has been done for so long, whole or not. Temporal waits up to 100 s
#: between two attempts, Spillway's watchdog up to 3 min for a message of a function that died.
STALL_SECONDS = 240.0
REST_SECONDS = 10.0
REQUEST_SECONDS_MAX = 30.0
_POLL_SECONDS = 0.25

#: So many orders are refused by each downstream, so that every step is done and undone.
REFUSALS = FaultSettings(refuse_rate=0.05)


@dataclass(frozen=True, slots=True)
class Load:
    """What is placed: `drafts`, by so many `clients`, each one order after the other; and then
    `paced` orders more at a steady rate that none of the systems finds hard."""

    drafts: Sequence[Draft]
    clients: int = 8
    paced: int = 60
    paced_per_second: float = 4.0
    seed: int = 1


@dataclass(slots=True)
class Watch:
    """Follows the ledgers until every order is whole, or nothing moves any more."""

    fakes: Fakes
    patience: Patience = field(default_factory=lambda: Patience(STALL_SECONDS))

    async def until_whole(self, placed: Sequence[Placed]) -> None:
        while True:
            of_order = audit.by_order(self.fakes.entries())
            open_ = [
                order.key
                for order in placed
                if order.acknowledged and not audit.is_whole(of_order.get(order.key, ()))
            ]
            done = sum(map(len, of_order.values()))
            if not open_ or self.patience.is_over((done, len(open_))):
                return
            await asyncio.sleep(_POLL_SECONDS)


def healthy(system: System, fakes: Fakes, load: Load) -> dict[str, Any]:
    """Throughput, latency and cost, where nothing goes wrong but a refusal."""
    _refusing(fakes)
    time.sleep(REST_SECONDS)
    began = system.usage()
    time.sleep(REST_SECONDS)
    rest, stored = system.usage(), system.stored_bytes()
    crowd, count = load.drafts[: -load.paced], len(load.drafts) - load.paced
    placed = asyncio.run(_placing(system, fakes, load, crowd))
    busy, kept = system.usage(), system.stored_bytes()
    steady = asyncio.run(_placing(system, fakes, load, load.drafts[-load.paced :], paced=True))
    return {
        "orders": len(load.drafts),
        "clients": load.clients,
        "at_rest": _at_rest(began, rest),
        "crowd": {
            **_times(placed, fakes.entries()),
            "an_order": {part: _each(rest[part], busy[part], count) for part in rest},
            "stored_bytes_an_order": (
                None if stored is None or kept is None else round((kept - stored) / count)
            ),
        },
        "memory_after_bytes": {part: usage.memory_bytes for part, usage in busy.items()},
        "paced": {"per_second": load.paced_per_second, **_times(steady, fakes.entries())},
        "audit": _audit(system, fakes, [*placed, *steady]),
    }


def killed(system: System, fakes: Fakes, load: Load, victim: str, kills: int) -> dict[str, Any]:
    """`victim` dies after a side effect and before its answer arrives: `kills` times after each
    step, or as often as the orders have that step."""
    _refusing(fakes)
    killer = Killer(system, victim, kills)
    fakes.on_entry = killer
    placed = asyncio.run(_placing(system, fakes, load, load.drafts, killer=killer))
    killer.wait()
    last = killer.killed_at[-1] if killer.killed_at else None
    whole = max((entry.at for entry in fakes.entries()), default=0)
    return {
        "victim": system.victims[victim],
        "kills": dict(killer.after),
        "seconds_until_whole": None if last is None else max(0.0, round(whole / 1000 - last, 1)),
        **_times(placed, fakes.entries()),
        "audit": _audit(system, fakes, placed),
    }


@dataclass(eq=False)
class Killer:
    """Kills the victim in the thread that answers the command, and starts it again on another. As
    long as it is not up again, nothing more is killed."""

    system: System
    victim: str
    each: int
    after: Counter[str] = field(default_factory=Counter)
    killed_at: list[float] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _revival: threading.Thread | None = None

    def __call__(self, entry: Entry) -> None:
        if not entry.done or not self._lock.acquire(blocking=False):
            return
        try:
            up = self._revival is None or not self._revival.is_alive()
            if not up or self.failures or self.after[entry.step] >= self.each:
                return
            self.after[entry.step] += 1
            self.system.kill(self.victim)
            self.killed_at.append(time.time())
            self._revival = threading.Thread(target=self._revive)
            self._revival.start()
        finally:
            self._lock.release()

    def wait(self) -> None:
        """Until the last victim is up again. Raises what went wrong with one."""
        if self._revival is not None:
            self._revival.join()
        for failure in self.failures:
            raise failure

    def _revive(self) -> None:
        try:
            self.system.revive(self.victim)
        except Exception as failure:  # noqa: BLE001 -- raised in the thread that waits
            self.failures.append(failure)


async def _placing(
    system: System,
    fakes: Fakes,
    load: Load,
    drafts: Iterable[Draft],
    *,
    paced: bool = False,
    killer: Killer | None = None,
) -> list[Placed]:
    """Place the orders, and wait until all that were acknowledged are whole."""
    placed: list[Placed] = []
    async with httpx.AsyncClient(
        base_url=system.url, timeout=REQUEST_SECONDS_MAX, trust_env=False
    ) as http:
        checkout = Checkout(
            client=system.client(http),
            receipt_key=system.receipt_key,
            price_key=system.price_key,
            clients=load.clients,
            copies=1,
            rng=random.Random(f"ids {load.seed} {time.time_ns()}"),  # noqa: S311 -- not secrets
            on_closed=lambda _: None,
        )
        if paced:
            await checkout.place_at(load.paced_per_second, drafts, placed)
        else:
            await checkout.place(drafts, placed)
    if killer is not None:
        await asyncio.to_thread(killer.wait)
    await Watch(fakes).until_whole(placed)
    return placed


def _refusing(fakes: Fakes) -> None:
    fakes.misbehave(dict.fromkeys(("inventory", "fulfilment", "accounting"), REFUSALS))


def _audit(system: System, fakes: Fakes, placed: Sequence[Placed]) -> dict[str, Any]:
    return audit.judge(placed, fakes.entries(), system.unfinished()).document()


def _times(placed: Sequence[Placed], entries: Iterable[Entry]) -> dict[str, Any]:
    """How long customers waited for their answer, and orders for their last step, in seconds; and
    how many orders a second were done with, from the first sending to the last effect."""
    accepted = [order.accept_seconds for order in placed if order.accept_seconds is not None]
    settled = _settled(placed, entries)
    ends = [order.sent_at / 1000 + settled[order.key] for order in placed if order.key in settled]
    took = max(ends) - min(order.sent_at for order in placed) / 1000 if ends else 0.0
    return {
        "accept_seconds": _spread(accepted),
        "settle_seconds": _spread([*settled.values()]),
        "settled_per_second": round(len(ends) / took, 2) if took else None,
    }


def _settled(placed: Sequence[Placed], entries: Iterable[Entry]) -> dict[OrderKey, float]:
    """Of each whole order: from its first sending to its last effect, in seconds."""
    of_order = audit.by_order(entries)
    return {
        order.key: (of_order[order.key][-1].at - order.sent_at) / 1000
        for order in placed
        if audit.is_whole(of_order.get(order.key, ()))
    }


def _spread(seconds: Sequence[float]) -> Mapping[str, float | None]:
    return {"p50": percentile(seconds, 0.5), "p99": percentile(seconds, 0.99)}


def _at_rest(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, Any]:
    return {
        part: {
            "processor_seconds_a_second": round(
                (after[part].processor_seconds - before[part].processor_seconds) / REST_SECONDS, 4
            ),
            "memory_bytes": after[part].memory_bytes,
        }
        for part in after
    }


def _each(before: Usage, after: Usage, orders: int) -> dict[str, float]:
    seconds = after.processor_seconds - before.processor_seconds
    written = after.written_bytes - before.written_bytes
    return {
        "processor_seconds": round(seconds / orders, 5),
        "written_bytes": round(written / orders),
    }
