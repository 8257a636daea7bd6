"""The peers' programs send what the contracts ask for: no peer fails by our fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from benchmarks.peers import audit
from benchmarks.peers.commands import Order, Refused, downstreams, send
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.spillway.changed import SAGA, changed, settled_by
from orders.domain.saga import Facts, Outcome, Step, settled
from orders.domain.units import Millis
from simulation.downstreams.fault_settings import FaultSettings
from spillway.paths import PROJECT
from spillway.prove.mutants.service import sources
from tests.benchmarks.peers.builders import client_of, placed, sent

PEERS = PROJECT / "benchmarks" / "peers"


def test_every_command_is_taken_and_does_and_undoes_the_whole_order() -> None:
    fakes, orders = Fakes("http://fakes"), [*placed(20)]

    async def all_steps(order: Order, *steps: str) -> None:
        async with client_of(fakes) as client:
            for step in steps:
                assert await send(client, step, order)
                await send(client, step, order)  # a repeat is no second effect

    for order in orders:
        asyncio.run(all_steps(sent(order), "reserve", "ship", "post"))
    assert audit.judge(orders, fakes.entries(), ()).document() | {"examples": []} == {
        **dict.fromkeys(audit.KINDS, 0),
        "acknowledged": 20,
        "unanswered": 0,
        "fulfilled": 20,
        "undone": 0,
        "unfinished": 0,
        "examples": [],
    }
    for order in orders:
        asyncio.run(all_steps(sent(order), "recall", "release", "refund"))
    verdict = audit.judge(orders, fakes.entries(), ())
    assert verdict.undone == 20
    assert verdict.count("doubled") == 0


def test_a_refusal_is_told_from_no_answer() -> None:
    fakes = Fakes("http://fakes")
    [order] = placed(1)

    async def reserve() -> None:
        async with client_of(fakes) as client:
            await send(client, "reserve", sent(order))

    fakes.misbehave({"inventory": FaultSettings(outage=True)})
    with pytest.raises(httpx.HTTPStatusError):
        asyncio.run(reserve())
    fakes.misbehave({"inventory": FaultSettings(refuse_rate=1)})
    with pytest.raises(Refused, match="out_of_stock"):
        asyncio.run(reserve())


def test_no_request_waits_for_the_connection_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waited would fail after two seconds, and one that is cancelled while it waits keeps
    its place for ever: Restate's SDK cancels all that run whenever its server has died."""
    [order], count, open_ = placed(1), 101, asyncio.Semaphore(0)

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.release()

    async def crowd() -> None:
        server = await asyncio.start_server(never, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("PEERS_DOWNSTREAMS_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("PEERS_API_KEY", "key")
        async with server, downstreams() as client, asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(send(client, "reserve", sent(order))) for _ in range(count)
            ]
            for _ in running:
                await open_.acquire()
            for one in running:
                one.cancel()

    asyncio.run(asyncio.wait_for(crowd(), 30))


@pytest.mark.parametrize(
    "lock", sorted(PEERS.glob("*/requirements.txt")), ids=lambda p: p.parent.name
)
def test_every_requirement_is_locked_with_hashes_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    pinned = [line for line in text.splitlines() if line[:1].isalnum()]

    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)
    assert "://" not in text


def test_the_change_of_the_saga_that_is_deployed_under_running_orders_still_fits() -> None:
    before = sources()
    after = changed(before)

    assert [name for name in after if after[name] != before[name]] == [SAGA]
    done, refused = Outcome(Millis(1)), Outcome(Millis(1), refusal="closed")
    undone = {Step.RESERVE: done, Step.POST: refused, Step.RELEASE: done, Step.REFUND: done}
    assert settled_by(after)(Facts(undone))  # it was never shipped
    assert not settled(Facts(undone))
