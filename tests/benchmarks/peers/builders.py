"""Orders as the trials place them, and what downstreams have on record of one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import httpx

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

    def answer(request: httpx.Request) -> httpx.Response:
        name, _, path = request.url.path.strip("/").partition("/")
        sent = Request(request.method, f"/{path}", request.headers, request.content)
        response = fakes.by_downstream[name](sent)
        assert response is not None
        return httpx.Response(response.status, content=response.body)

    headers = {"x-api-key": fakes.api_key}
    transport = httpx.MockTransport(answer)
    return httpx.AsyncClient(base_url="http://fakes", headers=headers, transport=transport)
