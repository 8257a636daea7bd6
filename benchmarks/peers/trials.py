"""The tests that every system is put through. Each begins with a new, empty system."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import httpx

from benchmarks.peers import audit
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.system import System
from benchmarks.peers.usage import Usage
from orders.domain.order import OrderKey
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.ledger import Entry
from spillway.run.load.clients import Client
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Checkout, Placed
from spillway.run.stack import SigningKey
from spillway.run.workload import Draft
from spillway.ui.statistics import percentile

#: A trial is over when nothing has been done for so long, whole or not. Spillway waits up to 3 min
#: between two attempts, the others as `commands` has it.
STALL_SECONDS = 240.0
#: What does not move for so long after a careless deployment waits for a person.
CHANGED_STALL_SECONDS = 120.0
REQUEST_SECONDS_MAX = 30.0
KILLED_ROUNDS = 3
_POLL_SECONDS = 0.25

#: So many answers never arrive, though what they tell of is done.
LOST = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """What is placed: `drafts`, by so many `clients`, each one order after the other; the last
    `paced` of them at a steady rate that none of the systems finds hard. The system is left alone
    for `rest_seconds`, twice, before the `first`, which find all cold and are measured apart.
    """

    drafts: Sequence[Draft]
    clients: int = 8
    first: int = 16
    paced: int = 60
    paced_per_second: float = 4.0
    #: By each downstream, so that every step is done and undone.
    refused_share: float = 0.05
    rest_seconds: float = 10.0
    #: Between the return of a victim and its next end.
    up_seconds: float = 1.0
    #: So long an engine has to record what fulfilment answered, before changed code is deployed.
    recording_seconds: float = 3.0
    #: From the first end of a victim to the last.
    kill_seconds_max: float = 240.0
    stall_seconds: float = STALL_SECONDS


@dataclass(slots=True)
class Watch:
    """Follows the ledgers until every order is whole, or nothing moves any more."""

    fakes: Fakes
    patience: Patience

    async def until_whole(self, placed: Sequence[Placed]) -> bool:
        """Whether they are."""
        while True:
            of_order = audit.by_order(self.fakes.entries())
            open_ = [
                order.key
                for order in placed
                if order.acknowledged and not audit.is_whole(of_order.get(order.key, ()))
            ]
            done = sum(map(len, of_order.values()))
            if not open_:
                return True
            if self.patience.is_over((done, len(open_))):
                return False
            await asyncio.sleep(_POLL_SECONDS)


def healthy(system: System, fakes: Fakes, load: Load) -> dict[str, Any]:
    """Throughput, latency and cost, where nothing goes wrong but a refusal."""
    refusing(fakes, load)
    warm, crowd, steady = (
        load.drafts[: load.first],
        load.drafts[load.first : -load.paced],
        load.drafts[-load.paced :],
    )
    time.sleep(load.rest_seconds)
    began = system.usage()
    time.sleep(load.rest_seconds)
    rest = system.usage()
    first = asyncio.run(_placing(system, fakes, load, warm))
    warmed, stored, logged = system.usage(), system.stored_bytes(), system.logged_bytes()
    history = system.history_bytes()
    placed = asyncio.run(_placing(system, fakes, load, crowd))
    busy, kept, written = system.usage(), system.stored_bytes(), system.logged_bytes()
    histories = system.history_bytes()
    paced = asyncio.run(_placing(system, fakes, load, steady, paced=True))
    return {
        "orders": len(load.drafts),
        "clients": load.clients,
        "at_rest": _at_rest(began, rest, load.rest_seconds),
        "first": _times(first, fakes.entries()),
        "crowd": {
            **_times(placed, fakes.entries()),
            "an_order": {part: _each(warmed[part], busy[part], len(crowd)) for part in busy},
            "stored_bytes_an_order": _grown(stored, kept, len(crowd)),
            "logged_bytes_an_order": _grown(logged, written, len(crowd)),
            "history_bytes_an_order": _grown(history, histories, len(crowd)),
        },
        "memory_after_bytes": {part: usage.memory_bytes for part, usage in busy.items()},
        "paced": {"per_second": load.paced_per_second, **_times(paced, fakes.entries())},
        "audit": _audit(system, fakes, [*first, *placed, *paced], load.stall_seconds),
    }


def killed(system: System, fakes: Fakes, load: Load, victim: str, rounds: int) -> dict[str, Any]:
    """`victim` dies after a side effect and before its answer arrives: in each round once after
    each step, or after those that the orders have in the time. They come at a steady rate, and no
    more of them once a round's last kill is done, until all is well: the slowest round counts.
    """
    refusing(fakes, load)
    drafts = iter(load.drafts)
    placed: list[Placed] = []
    kills: Counter[str] = Counter()
    slowest: float | None = None
    for _ in range(rounds):
        killer = Killer(system, victim, load.up_seconds, load.kill_seconds_max)
        fakes.on_entry = killer
        placed += asyncio.run(_until_killed(system, fakes, load, drafts, killer))
        kills.update(killer.after)
        if killer.killed_at:
            slowest = max(slowest or 0.0, _last_effect(fakes) - killer.killed_at[-1])
    return {
        "victim": system.victims[victim],
        "kills": dict(kills),
        **_times(placed, fakes.entries()),
        **_verdict(system, _audit(system, fakes, placed, load.stall_seconds), slowest),
    }


async def _until_killed(
    system: System, fakes: Fakes, load: Load, drafts: Iterator[Draft], killer: Killer
) -> list[Placed]:
    async def up_again() -> None:
        await asyncio.to_thread(killer.wait)

    until = takewhile(lambda _: not killer.is_done, drafts)
    return await _placing(system, fakes, load, until, paced=True, meanwhile=up_again)


def answers_lost(system: System, fakes: Fakes, load: Load) -> dict[str, Any]:
    """What a downstream did is done, and its answer is lost on the way: all three, all the time."""
    refusing(fakes, load, lose_answers_rate=LOST)
    placed = asyncio.run(_placing(system, fakes, load, load.drafts))
    return {
        "lost_share": LOST,
        **_times(placed, fakes.entries()),
        **_judged(system, fakes, placed, load, None),
    }


def outage(system: System, fakes: Fakes, load: Load, seconds: float) -> dict[str, Any]:
    """Accounting is out while the orders are placed, and for so long in all."""
    refusing(fakes, load)
    accounting = fakes.by_downstream["accounting"]
    accounting.fault_settings = FaultSettings(refuse_rate=load.refused_share, outage=True)
    ends_at = time.time() + seconds

    async def over() -> None:
        await asyncio.sleep(ends_at - time.time())
        refusing(fakes, load)

    placed = asyncio.run(_placing(system, fakes, load, load.drafts, meanwhile=over))
    of_order = audit.by_order(fakes.entries())
    unharmed = [
        key
        for key, entries in of_order.items()
        if any(entry.step == "ship" and entry.at < 1000 * ends_at for entry in entries)
    ]
    reserved = [
        key
        for key, entries in of_order.items()
        if any(entry.step == "reserve" and entry.done for entry in entries)
    ]
    return {
        "seconds": seconds,
        "reserved": len(reserved),
        "answered_by_fulfilment_meanwhile": len(unharmed),
        **_times(placed, fakes.entries()),
        **_judged(system, fakes, placed, load, ends_at),
    }


def changed_code(system: System, fakes: Fakes, load: Load, upgrade: str) -> dict[str, Any]:
    """Changed code is deployed while accounting is out, so that each order that inventory and
    fulfilment did not refuse waits for its posting; then as many more are placed, and accounting
    comes back. Where orders rest unfinished after that, a person puts the old code back until those
    that had begun with it are done, and then the new code again.

    `by_new_code`: so many of the later orders that were fulfilled were booked before they left, as
    only the new code does it.
    """
    system.prepare(upgrade)
    refusing(fakes, load)
    accounting = fakes.by_downstream["accounting"]
    accounting.fault_settings = FaultSettings(refuse_rate=load.refused_share, outage=True)
    half = len(load.drafts) // 2

    async def place(drafts: Sequence[Draft]) -> list[Placed]:
        return await _placing(system, fakes, load, drafts, until_whole=False)

    before = asyncio.run(place(load.drafts[:half]))
    _until_shipped(fakes, before, load)
    time.sleep(load.recording_seconds)
    system.deploy(upgrade)
    deployed_at = time.time()
    after = asyncio.run(place(load.drafts[half:]))
    refusing(fakes, load)
    found: dict[str, Any] = {}
    if not _ended(system, fakes, load, [*before, *after]):
        found = {"before_a_person_came": _audit(system, fakes, [*before, *after])}
        _rescue(system, fakes, load, before, upgrade)
        _ended(system, fakes, load, [*before, *after])
    ended_at = time.time()
    of_order = audit.by_order(fakes.entries())
    later = [
        own for order in after if audit.world(own := of_order.get(order.key, [])) == "fulfilled"
    ]
    return {
        "upgrade": system.upgrades[upgrade],
        "in_flight": len(before),
        "later_fulfilled": len(later),
        "by_new_code": sum(_at("post", own) <= _at("ship", own) for own in later),
        **found,
        **_verdict(system, _audit(system, fakes, [*before, *after]), ended_at - deployed_at),
    }


def _rescue(
    system: System, fakes: Fakes, load: Load, before: Sequence[Placed], upgrade: str
) -> None:
    system.restore()
    _ended(system, fakes, load, before)
    system.deploy(upgrade)
    system.by_hand += [
        "put the old code back until the orders that had begun with it were done",
        "deployed the new code again",
    ]


def _ended(system: System, fakes: Fakes, load: Load, placed: Sequence[Placed]) -> bool:
    """Whether all were whole, and their system had ended them, before nothing moved any more."""
    whole = asyncio.run(Watch(fakes, Patience(load.stall_seconds)).until_whole(placed))
    return whole and not _unfinished(system, placed, load.stall_seconds)


def _unfinished(system: System, placed: Sequence[Placed], stall_seconds: float) -> set[str]:
    """The orders among `placed` that the system does not end."""
    patience = Patience(stall_seconds)
    ids: set[str] = {order.key.order_id for order in placed}
    while True:
        left = ids & system.unfinished()
        if not left or patience.is_over(left):
            return left
        time.sleep(_POLL_SECONDS)


def _until_shipped(fakes: Fakes, placed: Sequence[Placed], load: Load) -> None:
    """Until fulfilment has answered each order whose stock is reserved."""
    patience = Patience(load.stall_seconds)
    while True:
        of_order = audit.by_order(fakes.entries())
        waiting = sum(not _answered(of_order.get(order.key, ())) for order in placed)
        if not waiting or patience.is_over(waiting):
            return
        time.sleep(_POLL_SECONDS)


def _answered(entries: Iterable[Entry]) -> bool:
    """By fulfilment, or by inventory, which refused the order."""
    return any(
        entry.step == "ship" or (entry.step == "reserve" and not entry.done) for entry in entries
    )


def _at(step: str, entries: Iterable[Entry]) -> int:
    return next(entry.at for entry in entries if entry.step == step)


@dataclass(eq=False)
class Killer:
    """Kills the victim once after each step, in the thread that answers the command, and starts it
    again on another. Until it has been up again for `up_seconds` nothing more is killed: whether it
    starts quickly or not, it has the same time to work and to take orders."""

    system: System
    victim: str
    up_seconds: float
    seconds_max: float
    after: set[str] = field(default_factory=set)
    killed_at: list[float] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _revival: threading.Thread | None = None

    def __call__(self, entry: Entry) -> None:
        if not entry.done or not self._lock.acquire(blocking=False):
            return
        try:
            up = self._revival is None or not self._revival.is_alive()
            if not up or self.is_done or entry.step in self.after:
                return
            self.after.add(entry.step)
            self.system.kill(self.victim)
            self.killed_at.append(time.time())
            self._revival = threading.Thread(target=self._revive)
            self._revival.start()
        finally:
            self._lock.release()

    @property
    def is_done(self) -> bool:
        over = bool(self.killed_at) and time.time() - self.killed_at[0] > self.seconds_max
        return over or self.after.issuperset(audit.STEPS) or bool(self.failures)

    def wait(self) -> None:
        """Until the last victim is up again. Raises what went wrong with one."""
        if self._revival is not None:
            self._revival.join()
        for failure in self.failures:
            raise failure

    def _revive(self) -> None:
        try:
            self.system.revive(self.victim)
            time.sleep(self.up_seconds)
        except Exception as failure:  # noqa: BLE001 -- raised in the thread that waits
            self.failures.append(failure)


async def _placing(
    system: System,
    fakes: Fakes,
    load: Load,
    drafts: Iterable[Draft],
    *,
    paced: bool = False,
    meanwhile: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0),
    until_whole: bool = True,
) -> list[Placed]:
    """Place the orders, wait for what happens meanwhile, and until all acknowledged are whole."""
    placed: list[Placed] = []
    async with httpx.AsyncClient(
        base_url=system.url, timeout=REQUEST_SECONDS_MAX, trust_env=False
    ) as http:
        placing = checkout(system.client(http), load, system.receipt_key, system.price_key)
        if paced:
            await placing.place_at(load.paced_per_second, drafts, placed)
        else:
            await placing.place(drafts, placed)
    await meanwhile()
    if until_whole:
        await Watch(fakes, Patience(load.stall_seconds)).until_whole(placed)
    return placed


def checkout(
    client: Client, load: Load, receipt_key: SigningKey, price_key: SigningKey | None
) -> Checkout:
    return Checkout(
        client=client,
        receipt_key=receipt_key,
        price_key=price_key,
        clients=load.clients,
        copies=1,
        rng=random.Random(f"ids {time.time_ns()}"),  # noqa: S311 -- not secrets
        on_closed=lambda _: None,
    )


def refusing(fakes: Fakes, load: Load, **faults: Any) -> None:
    settings = FaultSettings(refuse_rate=load.refused_share, **faults)
    fakes.misbehave(dict.fromkeys(fakes.by_downstream, settings))


def _judged(
    system: System, fakes: Fakes, placed: Sequence[Placed], load: Load, since: float | None
) -> dict[str, Any]:
    """The verdict, and how long after `since` (Unix seconds) the last effect was."""
    found = _audit(system, fakes, placed, load.stall_seconds)
    return _verdict(system, found, None if since is None else _last_effect(fakes) - since)


def _last_effect(fakes: Fakes) -> float:
    """When it was, in Unix seconds."""
    return max((entry.at for entry in fakes.entries()), default=0) / 1000


def _verdict(system: System, found: Mapping[str, Any], took: float | None) -> dict[str, Any]:
    """The audit, what a person had to do, and how many seconds it took until all was well: None if
    it never was."""
    well = not any(found[kind] for kind in ("lost", "half_done", "stuck", "unfinished"))
    until = max(0.0, round(took, 1)) if well and took is not None else None
    return {"seconds_until_whole": until, "by_hand": [*system.by_hand], "audit": found}


def _audit(
    system: System, fakes: Fakes, placed: Sequence[Placed], stall_seconds: float = 0.0
) -> dict[str, Any]:
    """Once the system has ended all of them, or has ended none for `stall_seconds`: it may learn of
    the last effect long after that."""
    unfinished = _unfinished(system, placed, stall_seconds)
    return audit.judge(placed, fakes.entries(), unfinished).document()


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


def _at_rest(
    before: Mapping[str, Usage], after: Mapping[str, Usage], seconds: float
) -> dict[str, Any]:
    return {
        part: {
            "processor_seconds_a_second": round(
                (after[part].processor_seconds - before[part].processor_seconds) / seconds, 4
            ),
            "memory_bytes": after[part].memory_bytes,
        }
        for part in after
    }


def _each(before: Usage, after: Usage, orders: int) -> dict[str, float]:
    seconds = after.processor_seconds - before.processor_seconds
    return {"processor_seconds": round(seconds / orders, 5)}


def _grown(before: int | None, after: int | None, orders: int) -> int | None:
    return None if before is None or after is None else round((after - before) / orders)
