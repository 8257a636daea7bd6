"""What the functions log for a confirmed order, measured on a stack of its own.

`python -m benchmarks.log_bytes` places orders, waits until they have settled, reads what every
function said of them, and writes docs/measured/log_bytes.json, which the cost report reads.

A line is counted as its UTF-8 bytes. `event_overhead_bytes` is what CloudWatch's PutLogEvents adds
to each line when it counts a batch; that the bill does so too is not confirmed by AWS, so it is
given apart, and the budget has to be kept with it. Lambda's own START, END and REPORT lines are
counted apart too: in a stage on AWS they are suppressed (log format JSON, system level WARN), which
`system` says the worth of. The emulator writes them in the text format.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.console import Console

from infra.metrics import EVERY_FUNCTION
from orders.domain.trace import Trace
from spillway.ids import order_id
from spillway.run.stack import Stack, attach, running
from spillway.run.workload import Draft, generate, pay
from spillway.target.service import Service, on_this_machine

OUT = Path(__file__).parents[1] / "docs" / "measured" / "log_bytes.json"
#: CloudWatch Logs, PutLogEvents: "the sum of all event messages in UTF-8, plus 26 bytes for each".
EVENT_OVERHEAD_BYTES = 26
BUDGET_BYTES = 1_000
SETTLES_WITHIN_SECONDS = 120
LAMBDAS_OWN = ("START ", "END ", "REPORT ")

app = typer.Typer(add_completion=False)


@app.command()
def measure(
    orders: Annotated[int, typer.Option(min=1, help="How many, of each of the two kinds.")] = 60,
    port: Annotated[int | None, typer.Option(help="Use the stack that runs there.")] = None,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = OUT,
) -> None:
    """Measure the log bytes of a confirmed order; exits with 1 when they are over budget.

    Example: python -m benchmarks.log_bytes --orders 100
    """
    with nullcontext(attach(port)) if port else running() as stack:
        figures = {
            "measured": time.strftime("%Y-%m-%d"),
            "by": f"python -m benchmarks.log_bytes --orders {orders}, on the emulator",
            "budget_bytes": BUDGET_BYTES,
            "event_overhead_bytes": EVENT_OVERHEAD_BYTES,
            "confirmed_order": bytes_of(stack, orders, traced=False),
            "confirmed_order_with_a_traceparent": bytes_of(stack, orders, traced=True),
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=2) + "\n")
    Console().print_json(data=figures)
    if with_overhead(figures["confirmed_order"]) > BUDGET_BYTES:
        raise typer.Exit(1)


def with_overhead(figures: Any) -> float:
    return float(figures["bytes"] + EVENT_OVERHEAD_BYTES * figures["lines"])


def bytes_of(stack: Stack, count: int, *, traced: bool) -> dict[str, Any]:
    """Per confirmed order: lines and bytes, by function, and what Lambda's own lines would add."""
    service = on_this_machine(stack.port)
    began = time.time_ns() // 1_000_000
    ids = _confirmed(stack, list(_drafts(count)), traced=traced)
    confirmed = len(ids)
    own: dict[str, list[int]] = {}
    system: list[int] = []
    for function, message in _messages(service, began):
        size = len(message.encode())
        if message.startswith(LAMBDAS_OWN):
            system.append(size)
        elif json.loads(message).get("order_id") in ids:
            own.setdefault(function, []).append(size)
    return {
        "orders": confirmed,
        "lines": round(sum(map(len, own.values())) / confirmed, 2),
        "bytes": round(sum(map(sum, own.values())) / confirmed, 1),
        "by_function": {
            function: {
                "lines": round(len(sizes) / confirmed, 2),
                "bytes": round(sum(sizes) / confirmed, 1),
            }
            for function, sizes in sorted(own.items())
        },
        "system": {
            "lines": round(len(system) / confirmed, 2),
            "bytes": round(sum(system) / confirmed, 1),
        },
    }


def _drafts(count: int) -> Iterator[Draft]:
    """So many orders of one customer."""
    every = generate(seed=1, count=10 * count)
    yield from itertools.islice((d for d in every if d.customer == "shopper"), count)


def _confirmed(stack: Stack, drafts: Sequence[Draft], *, traced: bool) -> set[str]:
    """Place the drafts one after the other, and wait until all are confirmed."""
    with _client(stack) as client:
        ids = [_place(stack, client, draft, traced=traced) for draft in drafts]
        deadline = time.monotonic() + SETTLES_WITHIN_SECONDS
        for id_ in ids:
            while (order := client.get(f"/orders/{id_}").json())["status"] != "confirmed":
                if order["settled"] or time.monotonic() > deadline:
                    raise SystemExit(f"Order {id_} is {order['status']}: start again.")
                time.sleep(0.2)
    # The emulator writes a function's lines when its run is over.
    time.sleep(2)
    return set(ids)


def _place(stack: Stack, client: httpx.Client, draft: Draft, *, traced: bool) -> str:
    id_ = order_id(time.time_ns() // 1_000_000, random.Random())  # noqa: S311 - as any client
    key = stack.receipt_key
    order = pay(draft, id_, key_id=key.key_id, key=key.key)
    headers = {"content-type": "application/json"}
    if traced:
        headers["traceparent"] = Trace(f"{time.time_ns():032x}", "00f067aa0ba902b7", True).header
    answer = client.put(f"/orders/{id_}", content=msgspec.json.encode(order), headers=headers)
    if answer.status_code != 201:
        raise SystemExit(f"Order {id_} was answered {answer.status_code}: {answer.text}")
    return id_


@contextmanager
def _client(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {stack.token('shopper')}"}
    with httpx.Client(base_url=stack.api, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def _messages(service: Service, since: int) -> Iterator[tuple[str, str]]:
    for function in EVERY_FUNCTION:
        pages = service.logs.get_paginator("filter_log_events").paginate(
            logGroupName=service.log_group(function), startTime=since
        )
        for page in pages:
            for event in page["events"]:
                if event["message"].strip():
                    yield function, event["message"].strip()


if __name__ == "__main__":
    app()
