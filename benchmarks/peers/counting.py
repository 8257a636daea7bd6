"""What an order takes of AWS's own engines, by operations: what they bill is counted, in the local
runner of one and by a walk through the definition of the other. Neither is a service that takes
orders, so nothing here is timed and nobody is killed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.peers import audit
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.step_functions.count import count as step_functions
from benchmarks.peers.system import PeerClient, program, unsigned_token
from benchmarks.peers.trials import LOST, Load, checkout, refusing
from spillway.errors import SpillwayError
from spillway.run.load.clients import Reply, Tokens
from spillway.run.load.placing import Placed
from spillway.run.stack import SigningKey
from spillway.run.stack.processes import guarded, isolated_environment
from spillway.run.workload import Customer

SECONDS_MAX = 600.0


@dataclass(frozen=True, slots=True)
class Counted:
    """`count` puts orders, each a JSON text, through the service, and returns what each took:
    `operations` by kind, and other numbers by name. A folder is for what it keeps."""

    title: str
    notes: Sequence[str]
    count: Callable[[Path, Fakes, Sequence[str]], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Collecting(PeerClient):
    """Keeps the orders instead of sending them."""

    collected: list[str] = field(default_factory=list)

    async def send_order(self, customer: Customer, order_id: str, order: str) -> Reply:  # noqa: ARG002
        self.collected.append(order)
        return Reply(202, {})


def counted(
    folder: Path, fakes: Fakes, service: Counted, load: Load, *, lose_answers: bool
) -> dict[str, Any]:
    """What the orders took, on average, by what became of them."""
    refusing(fakes, load, lose_answers_rate=LOST if lose_answers else 0.0)
    client = _Collecting(httpx.AsyncClient(), Tokens(unsigned_token))
    placed: list[Placed] = []
    key = SigningKey.generate("peers")
    asyncio.run(checkout(client, load, key, None).place(load.drafts, placed))
    counts = service.count(folder, fakes, client.collected)
    of_order = audit.by_order(fakes.entries())
    worlds = {key.order_id: audit.world(entries) for key, entries in of_order.items()}
    took: dict[str, list[Mapping[str, Any]]] = {}
    for order, one in zip(client.collected, counts, strict=True):
        took.setdefault(worlds.get(json.loads(order)["order_id"]) or "neither", []).append(one)
    return {
        "lost_share": LOST if lose_answers else 0.0,
        **{world: _average(ones) for world, ones in took.items()},
        "audit": audit.judge(placed, fakes.entries(), ()).document(),
    }


def _durable_functions(
    folder: Path, fakes: Fakes, orders: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    placed, counts, log = folder / "orders.json", folder / "counts.json", folder / "count.log"
    placed.write_text(f"[{','.join(orders)}]")
    command, environment = program("durable_functions", "count", fakes)
    with guarded(
        [*command, str(placed), str(counts)],
        environment={**isolated_environment(folder), **environment},
        log=log,
        cwd=folder,
    ) as process:
        process.wait(SECONDS_MAX)
    if not counts.exists():
        last = log.read_text().strip().splitlines()[-1:]
        raise SpillwayError(f"The local runner counted nothing: {''.join(last)}")
    found: Sequence[Mapping[str, Any]] = json.loads(counts.read_text())
    return found


def _average(ones: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    for one in ones:
        kinds.update(one["operations"])
    numbers = [name for name, value in ones[0].items() if isinstance(value, int)]
    return {
        "orders": len(ones),
        "operations": {kind: round(count / len(ones), 2) for kind, count in kinds.items()},
        **{name: round(sum(one[name] for one in ones) / len(ones), 2) for name in numbers},
    }


COUNTED: Mapping[str, Counted] = {
    "durable_functions": Counted(
        "Lambda durable functions",
        (
            "Counted in the SDK's local runner: nothing of it ran on AWS.",
            "Its waits grow to a minute: each try is an operation; an execution has 3,000 of them.",
        ),
        _durable_functions,
    ),
    "step_functions": Counted(
        "Step Functions",
        (
            "Counted by a walk through the definition: nothing of it ran on AWS.",
            "Its waits grow to a minute: each try is paid for, and 25,000 events end an execution.",
        ),
        lambda _, fakes, orders: step_functions(fakes, orders),
    ),
}
