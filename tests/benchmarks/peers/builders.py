"""Orders as the trials place them, and what downstreams have on record of one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx

from benchmarks.peers.audit import KINDS
from benchmarks.peers.commands import Order
from benchmarks.peers.fakes import Fakes
from orders.domain.order import OrderKey
from orders.domain.units import CustomerId
from simulation.downstreams.exchange import Request
from simulation.downstreams.ledger import Entry
from spillway.ids import order_id
from spillway.run.load.placing import Placed
from spillway.run.load.records import Answer
from spillway.run.workload import generate, pay

DONE = ("reserve", "ship", "post")
UNDONE = ("reserve", "ship", "recall_shipment", "release", "refund")


def placed(count: int) -> Iterator[Placed]:
    """Acknowledged, each of them."""
    rng = random.Random(1)
    for number, draft in enumerate(generate(seed=1, count=count)):
        key = OrderKey(CustomerId(f"customer-{draft.customer}"), order_id(1_000 + number, rng))
        order = pay(draft, key, key_id="k", key=b"k" * 32)
        answers = [Answer(201, None)]
        yield Placed(
            key=key,
            customer=draft.customer,
            order=order,
            sent_at=1_000,
            answers=answers,
            closed=True,
        )


def sent(order: Placed) -> Order:
    """As its customer sent it, with its ids."""
    key = order.key
    return {**json.loads(order.body), "customer_id": key.customer_id, "order_id": key.order_id}


def entries(order: Placed, *steps: str, refused: tuple[str, ...] = ()) -> list[Entry]:
    """Each step once, under a key of its own."""
    units = sum(line.quantity for line in order.order.lines)
    made = []
    for at, step in enumerate((*steps, *refused), 2_000):
        entry = Entry(
            customer_id=order.key.customer_id,
            order_id=order.key.order_id,
            step=step,
            idempotency_key=f"{order.key.order_id}/{step}",
            outcome="refused" if step in refused else "done",
            reference=step,
            at=at,
        )
        if step in {"reserve", "ship"}:
            entry = replace(entry, units=units)
        if step in {"post", "refund"}:
            money = {"amount": order.order.total, "currency": order.order.currency}
            entry = replace(entry, **money)  # type: ignore[arg-type]
        made.append(entry)
    return made


def client_of(fakes: Fakes) -> httpx.AsyncClient:
    """Of the fakes, without a server."""
    return httpx.AsyncClient(**_options(fakes))


def client_of_sync(fakes: Fakes) -> httpx.Client:
    return httpx.Client(**_options(fakes))


def _options(fakes: Fakes) -> dict[str, Any]:
    def answer(request: httpx.Request) -> httpx.Response:
        name, _, path = request.url.path.strip("/").partition("/")
        sent = Request(request.method, f"/{path}", request.headers, request.content)
        response = fakes.by_downstream[name](sent)
        if response is None:
            raise httpx.ReadError("The answer is lost.")
        return httpx.Response(response.status, content=response.body)

    headers = {"x-api-key": fakes.api_key}
    transport = httpx.MockTransport(answer)
    return {"base_url": "http://fakes", "headers": headers, "transport": transport}


def a_record() -> dict[str, Any]:
    """As `make peers` writes it: Spillway, DBOS and Temporal ran, Restate could not."""
    well: dict[str, Any] = {"seconds_until_whole": None, "by_hand": [], "audit": audited()}
    dbos = {
        "healthy": healthy({"program": 0.5, "server": 0.1}, stored=6_000) | well,
        "killed: program": {"kills": {"reserve": 3}} | well | {"seconds_until_whole": 3.1},
        "changed code: patched": {
            "before_a_person_came": audited(stuck=1, acknowledged=60),
            "by_hand": ["put the old code back"],
            "seconds_until_whole": 40.0,
            "audit": audited(acknowledged=60),
        },
        "changed code: careless": well | {"audit": audited(stuck=2, acknowledged=60)},
    }
    spillway = {
        "healthy": healthy({"functions": 0.01, "stand_in": 0.01}, stored=None) | well,
        "changed code: deployed": well | {"seconds_until_whole": 30.0},
    }
    temporal = {
        "healthy": healthy({"server": 0.1, "worker": 0.1, "api": 0.1}, stored=20_000) | well
    }
    ran = {"spillway": spillway, "dbos": dbos, "temporal": temporal}
    systems = {name: _system(name, of) for name, of in ran.items()}
    missing = {"healthy": {"not_run": "no server for this machine"}}
    systems["restate"] = _system("restate", missing)
    temporal["healthy"]["crowd"]["history_bytes_an_order"] = 8_000
    return {
        "machine": {"processors": 2},
        "orders": {"real": 250, "made_up": 250},
        "run": {"minutes": 51.0, "peak_memory_bytes": 2**31, "left_running": []},
        "systems": systems,
    }


def _system(name: str, tests: dict[str, Any]) -> dict[str, Any]:
    notes, versions = ["A note."], {"package": "1.2.3"}
    return {
        "title": name,
        "versions": versions,
        "program_lines": 7 if name != "spillway" else 0,
        "notes": notes,
        "tests": tests,
    }


def healthy(processor_seconds: dict[str, float], stored: int | None) -> dict[str, Any]:
    spread = {"p50": 0.2, "p99": 1.0}
    times = {"accept_seconds": spread, "settle_seconds": spread, "settled_per_second": 10.0}
    an_order = {part: {"processor_seconds": seconds} for part, seconds in processor_seconds.items()}
    rest = {"processor_seconds_a_second": 0.0, "memory_bytes": 2**20}
    sizes = {"stored_bytes_an_order": stored, "logged_bytes_an_order": stored}
    record: dict[str, Any] = {
        "orders": 500,
        "at_rest": dict.fromkeys(processor_seconds, rest),
        "memory_after_bytes": dict.fromkeys(processor_seconds, 2**20),
        "first": times,
        "paced": times,
        "crowd": {**times, **sizes, "an_order": an_order},
    }
    copied: dict[str, Any] = json.loads(json.dumps(record))
    return copied


def audited(acknowledged: int = 120, **findings: int) -> dict[str, int]:
    return {
        **dict.fromkeys(KINDS, 0),
        "acknowledged": acknowledged,
        "unanswered": 0,
        "unfinished": findings.get("stuck", 0),
        **findings,
    }
