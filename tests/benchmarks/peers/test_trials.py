"""The trials tell a system that keeps its word from systems that don't."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from benchmarks.peers import tables, trials
from benchmarks.peers.commands import Order, Refused, send
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.system import PeerClient, System, unsigned_token
from benchmarks.peers.trials import Load
from benchmarks.peers.usage import Usage
from spillway.run.load.clients import Client, Tokens
from spillway.run.workload import generate
from tests.benchmarks.peers.builders import client_of

LOAD = Load(
    tuple(generate(seed=1, count=24)),
    first=4,
    paced=4,
    paced_per_second=100,
    refused_share=0.3,
    rest_seconds=0.01,
    stall_seconds=0.0,
)


class Inline(System):
    """Does the whole saga before it answers, with no server and nothing that is durable."""

    name: ClassVar[str] = "inline"
    title: ClassVar[str] = "A saga in the request"
    victims: ClassVar[Mapping[str, str]] = {"program": "itself, which does not notice"}
    upgrades: ClassVar[Mapping[str, str]] = {}
    url = "http://inline"

    def __init__(self, folder: Path, fakes: Fakes) -> None:
        self.fakes = fakes
        self.killed = 0

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None: ...

    def client(self, http: httpx.AsyncClient) -> Client:
        transport = httpx.MockTransport(self.place)
        own = httpx.AsyncClient(transport=transport, base_url=self.url)
        return PeerClient(own, Tokens(unsigned_token))

    async def place(self, request: httpx.Request) -> httpx.Response:
        async with client_of(self.fakes) as downstreams:
            await self.fulfil(downstreams, json.loads(request.content))
        return httpx.Response(201, json={})

    async def fulfil(self, downstreams: httpx.AsyncClient, order: Order) -> None:
        undo = ["refund"]
        try:
            for step, undoing in (("reserve", "release"), ("ship", "recall"), ("post", None)):
                await self.do(downstreams, step, order)
                undo += [undoing] if undoing else []
        except Refused:
            for step in reversed(undo):
                await self.do(downstreams, step, order)

    async def do(self, downstreams: httpx.AsyncClient, step: str, order: Order) -> None:
        await send(downstreams, step, order)

    def usage(self) -> dict[str, Usage]:
        return {"program": Usage(1.0, 3)}

    def stored_bytes(self) -> int | None:
        return 0

    def unfinished(self) -> set[str]:
        return set()

    def deploy(self, upgrade: str) -> None: ...

    def kill(self, victim: str) -> None:
        self.killed += 1

    def revive(self, victim: str) -> None: ...


class Forgets(Inline):
    """Acknowledges, and does nothing."""

    async def fulfil(self, downstreams: httpx.AsyncClient, order: Order) -> None: ...


class Abandons(Inline):
    """Lets a refused order rest as it is."""

    async def do(self, downstreams: httpx.AsyncClient, step: str, order: Order) -> None:
        if step in {"reserve", "ship", "post"}:
            await super().do(downstreams, step, order)


class Repeats(Inline):
    """Does each step again, under another key."""

    async def do(self, downstreams: httpx.AsyncClient, step: str, order: Order) -> None:
        await super().do(downstreams, step, order)
        downstreams.event_hooks = {"request": [_another_key]}
        await super().do(downstreams, step, order)
        downstreams.event_hooks = {}


async def _another_key(request: httpx.Request) -> None:
    request.headers["idempotency-key"] += "/again"


def _wrong(found: Mapping[str, Any]) -> dict[str, int]:
    kinds = ("lost", "half_done", "stuck", "doubled", "wrong")
    return {kind: found["audit"][kind] for kind in kinds if found["audit"][kind]}


def test_a_system_that_keeps_its_word_passes_every_trial() -> None:
    fakes = Fakes("http://fakes")
    healthy = trials.healthy(Inline(Path(), fakes), fakes, LOAD)

    assert _wrong(healthy) == {}
    assert healthy["audit"]["fulfilled"] + healthy["audit"]["undone"] == 24
    assert healthy["crowd"]["an_order"]["program"]["processor_seconds"] == 0
    assert healthy["crowd"]["settled_per_second"] > 0

    fakes = Fakes("http://fakes")
    system = Inline(Path(), fakes)
    killed = trials.killed(system, fakes, LOAD, "program", kills=2)

    assert _wrong(killed) == {}
    _are_shown(healthy, killed)
    assert killed["kills"] | {"reserve": 2, "ship": 2, "post": 2} == killed["kills"]
    assert system.killed == sum(killed["kills"].values())


def _are_shown(healthy: Mapping[str, Any], killed: Mapping[str, Any]) -> None:
    """Each test has its row, also one that did not run."""
    tests = {"healthy": healthy, "killed": killed, "outage": {"not_run": "no time"}}
    system = {"title": "A saga in the request", "notes": ["It forgets."], "tests": tests}
    results = {"machine": {"processors": 2}, "systems": {"inline": system}}
    shown = {table.title: [*table.rows] for table in tables.tables(results)}

    assert [len(rows) for rows in shown.values()] == [1, 1, 2, 1]
    assert shown["What is missing"] == [["A saga in the request", "outage", "no time"]]
    kills = sum(killed["kills"].values())
    verdict = shown["What became of the orders"][1]
    assert verdict[1:9] == [f"killed ({kills} times)", "24", *"000000"]
    assert "It forgets." in tables.markdown(results)


@pytest.mark.parametrize(
    ("kind", "found"), [(Forgets, "lost"), (Abandons, "half_done"), (Repeats, "doubled")]
)
def test_one_that_does_not_is_found_out(kind: type[Inline], found: str) -> None:
    fakes = Fakes("http://fakes")

    assert set(_wrong(trials.healthy(kind(Path(), fakes), fakes, LOAD))) == {found}
