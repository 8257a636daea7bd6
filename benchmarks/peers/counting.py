"""Lambda durable functions: what an order takes of them, counted in the SDK's local runner. It is
no service that takes orders, so nothing here is timed and nobody is killed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.peers import audit
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.system import PeerClient, program, unsigned_token
from benchmarks.peers.trials import LOST, Load, checkout, refusing
from spillway.errors import SpillwayError
from spillway.run.load.clients import Reply, Tokens
from spillway.run.load.placing import Placed
from spillway.run.stack import SigningKey
from spillway.run.stack.processes import guarded, isolated_environment
from spillway.run.workload import Customer

NAME = "durable_functions"
TITLE = "Lambda durable functions in their local runner"
SECONDS_MAX = 600.0


@dataclass(frozen=True, slots=True)
class _Collecting(PeerClient):
    """Keeps the orders instead of sending them."""

    collected: list[str] = field(default_factory=list)

    async def send_order(self, customer: Customer, order_id: str, order: str) -> Reply:  # noqa: ARG002
        self.collected.append(order)
        return Reply(202, {})


def counted(folder: Path, fakes: Fakes, load: Load, *, lose_answers: bool) -> dict[str, Any]:
    """What the orders took, on average, by what became of them."""
    refusing(fakes, load, lose_answers_rate=LOST if lose_answers else 0.0)
    client = _Collecting(httpx.AsyncClient(), Tokens(unsigned_token))
    placed: list[Placed] = []
    key = SigningKey.generate("peers")
    asyncio.run(checkout(client, load, key, None).place(load.drafts, placed))
    orders, counts = folder / "orders.json", folder / "counts.json"
    orders.write_text(f"[{','.join(client.collected)}]")
    _run(folder, fakes, orders, counts)
    of_order = audit.by_order(fakes.entries())
    worlds = {key.order_id: audit.world(entries) for key, entries in of_order.items()}
    took: dict[str, list[dict[str, Any]]] = {}
    for order, one in zip(client.collected, json.loads(counts.read_text()), strict=True):
        took.setdefault(worlds.get(json.loads(order)["order_id"]) or "neither", []).append(one)
    return {
        "lost_share": LOST if lose_answers else 0.0,
        **{world: _average(ones) for world, ones in took.items()},
        "audit": audit.judge(placed, fakes.entries(), ()).document(),
    }


def _run(folder: Path, fakes: Fakes, orders: Path, counts: Path) -> None:
    command, environment = program(NAME, "count", fakes)
    log = folder / "count.log"
    with guarded(
        [*command, str(orders), str(counts)],
        environment={**isolated_environment(folder), **environment},
        log=log,
        cwd=folder,
    ) as process:
        process.wait(SECONDS_MAX)
    if not counts.exists():
        last = log.read_text().strip().splitlines()[-1:]
        raise SpillwayError(f"The local runner counted nothing: {''.join(last)}")


def _average(ones: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def of(name: str) -> float:
        return round(sum(int(one[name]) for one in ones) / len(ones), 2)

    kinds: Counter[str] = Counter()
    for one in ones:
        kinds.update(one["operations"])
    return {
        "orders": len(ones),
        "operations": {kind: round(count / len(ones), 2) for kind, count in kinds.items()},
        **{name: of(name) for name in ("checkpoints", "payload_bytes", "invocations")},
    }
