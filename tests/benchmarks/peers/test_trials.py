"""The trials tell a system that keeps its word from systems that don't."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.peers import tables, trials
from benchmarks.peers.commands import Order
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.trials import Load
from spillway.run.workload import generate
from tests.benchmarks.peers.systems import Inline

LOAD = Load(
    tuple(generate(seed=1, count=24)),
    first=4,
    paced=4,
    paced_per_second=100,
    refused_share=0.3,
    rest_seconds=0.01,
    up_seconds=0.0,
    stall_seconds=0.0,
)


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
    killed = trials.killed(system, fakes, LOAD, "program", rounds=2)

    assert _wrong(killed) == {}
    _are_shown(healthy, killed)
    assert 0 < max(killed["kills"].values()) <= 2
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
    acknowledged = str(killed["audit"]["acknowledged"])
    assert verdict[1:10] == [f"killed ({kills} times)", acknowledged, *"0000000"]
    assert "It forgets." in tables.markdown(results)


@pytest.mark.parametrize(
    ("kind", "found"), [(Forgets, "lost"), (Abandons, "half_done"), (Repeats, "doubled")]
)
def test_one_that_does_not_is_found_out(kind: type[Inline], found: str) -> None:
    fakes = Fakes("http://fakes")

    assert set(_wrong(trials.healthy(kind(Path(), fakes), fakes, LOAD))) == {found}
