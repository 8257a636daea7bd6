"""Measured runs on a private stack: orders one by one, and a crowd at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

import httpx

from orders.aws import items
from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAMS
from orders.domain.status import Status, status
from orders.settings import EXPRESS_CALLS
from spillway.errors import SpillwayError
from spillway.plan.cost.measurement import FunctionUse, Load, Measurement, calls_of, stored_bytes
from spillway.plan.cost.meter import Meter
from spillway.run.load.clients import Client, Tokens
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Checkout, Placed
from spillway.run.stack import Stack
from spillway.run.workload import Draft, generate
from spillway.target.reading import pages, read_depths
from spillway.target.service import of_stack

#: Orders of each load. One by one takes about a second an order.
ORDERS = {"one by one": 20, "crowd": 300}
#: Placed before anything is counted, so that no function is cold.
WARM_UP_ORDERS = 40
#: How often each load is run, for its processor time.
REPEATS = 3
CLIENTS = 8
#: How many orders their customers look at after they have settled.
LOOKS = 50
SEED = 6
WORKLOAD = f"generated retail orders, seed {SEED}"
_POLL_SECONDS = 0.05
_QUIET_SECONDS = 2.5
#: The watchdog reads the stream, and its own queue.
_WATCH = ("watchdog", "dynamodb")


def retail(count: int, seed: int = SEED) -> list[Draft]:
    """Generated orders of shoppers."""
    drafts = (draft for draft in generate(seed=seed, count=count * 4))
    return [draft for draft in drafts if draft.order.channel == "retail"][:count]


def measure(
    stack: Stack,
    load: Load,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    orders: int | None = None,
    warm_up_orders: int = WARM_UP_ORDERS,
    headers: Mapping[str, str] | None = None,
) -> Measurement:
    """Run one load on a stack without other users: `ORDERS` of it by default, plus `headers`.

    Raises SpillwayError when an order is refused or does not settle: then nothing is measured.
    """
    drafts = retail(ORDERS[load] if orders is None else orders)
    warm_up = retail(warm_up_orders, seed=SEED + 1)

    async def run() -> Measurement:
        async with httpx.AsyncClient(
            base_url=stack.api, headers=headers, timeout=60, trust_env=False
        ) as http:
            client = Client(http, Tokens(stack.token), attempts_max=1)
            return await _Run(stack, client, on_stage).measured(load, drafts, warm_up)

    return asyncio.run(run())


@dataclass(slots=True)
class _Run:
    stack: Stack
    client: Client
    on_stage: Callable[[str], None]
    rng: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311
    placed: list[Placed] = field(default_factory=list)
    answers: list[httpx.Response] = field(default_factory=list)

    async def measured(
        self, load: Load, drafts: Sequence[Draft], warm_up: Sequence[Draft]
    ) -> Measurement:
        self.on_stage("warming up")
        await self._place(warm_up)
        self._rest()
        self.placed.clear()
        meter = Meter(self.stack)
        self.client.http.event_hooks["response"].append(self._keep)
        if load == "crowd":
            self.on_stage("placing a crowd's orders")
            # The watch begins first: its batches fill faster than a crowd's orders settle.
            with held_back(self.stack, "relay"), held_back(self.stack, *_WATCH):
                await self._place(drafts)
        else:
            # The emulator knows no batching window for a stream: this is what it does.
            with held_back(self.stack, *_WATCH):
                for number, draft in enumerate(drafts):
                    self.on_stage(f"placing orders one by one: {number} of {len(drafts)}")
                    await self._place([draft])
                    self._wait_until_settled(self.placed[-1].key)
        answers, self.answers = self.answers, []
        self._rest()
        for order in self.placed[:LOOKS]:
            await self.client.order(order.customer, order.key.order_id)
        self.client.http.event_hooks["response"].clear()
        functions, consumed = meter.read()
        _set_records(functions, len(drafts))
        if any(functions[f"deliver-{name}"].records for name in EXPRESS_CALLS):
            raise SpillwayError(
                "Nothing was measured: an order missed the express path. Run it on a quiet machine."
            )
        return Measurement(
            source="emulator",
            load=load,
            orders=len(drafts),
            workload=WORKLOAD,
            taken_at=time.strftime("%Y-%m-%d", time.gmtime()),
            requests=len(drafts),
            request_bytes=sum(len(answer.request.content) for answer in answers),
            response_bytes=sum(map(_bytes, answers)),
            look_bytes=sum(map(_bytes, self.answers)),
            functions=functions,
            consumed_units=consumed,
            **stored_bytes(self._stored()),
        )

    async def _keep(self, answer: httpx.Response) -> None:
        await answer.aread()
        self.answers.append(answer)

    async def _place(self, drafts: Sequence[Draft]) -> None:
        checkout = Checkout(
            client=self.client,
            receipt_key=self.stack.receipt_key,
            price_key=self.stack.price_key,
            clients=CLIENTS,
            copies=1,
            rng=self.rng,
            on_closed=lambda _: None,
        )
        await checkout.place(drafts, self.placed)
        for order in self.placed:
            if [answer.status for answer in order.answers] != [httpx.codes.CREATED]:
                said = order.refusal or order.last_attempt or order.answers
                raise SpillwayError(
                    f"Nothing was measured: an order was not accepted ({said})."
                    " Run it on a quiet machine."
                )

    def _wait_until_settled(self, key: OrderKey) -> None:
        orders, patience = of_stack(self.stack).orders, Patience()
        while True:
            record = orders.order(key)
            if record is not None and saga.settled(record.facts):
                return
            if patience.is_over(record):
                raise SpillwayError("Nothing was measured: an order did not settle.")
            time.sleep(_POLL_SECONDS)

    def _rest(self) -> None:
        """Wait until all queues are empty and no function has called AWS for a while."""
        self.on_stage("letting all settle")
        sqs, quiet, patience = self.stack.client("sqs"), Patience(_QUIET_SECONDS), Patience()
        while True:
            waiting = sum(depth.messages for depth in read_depths(sqs, self.stack.queues))
            state = waiting, self.stack.proxy.counts().requests()
            if quiet.is_over(state) and not waiting:
                return
            if patience.is_over(state):
                raise SpillwayError("Nothing was measured: the queues did not run empty.")
            time.sleep(_POLL_SECONDS)

    def _stored(self) -> list[items.Item]:
        """The orders' items. Raises SpillwayError when an order was not confirmed."""
        table = chain.from_iterable(
            pages(self.stack.client("dynamodb"), self.stack.tables["orders"])
        )
        keys = {order.key for order in self.placed}
        stored = [item for item in table if items.key_of(item) in keys]
        progress = [item for item in stored if items.is_progress(item)]
        confirmed = [item for item in progress if status(items.facts(item)) == Status.CONFIRMED]
        if len(confirmed) != len(keys):
            raise SpillwayError("Nothing was measured: an order was not confirmed.")
        return stored


def _set_records(functions: Mapping[str, FunctionUse], orders: int) -> None:
    """How many records each function's batches had, and how many messages carried them.

    A stream has a record for each write, a queue a message for each one sent. A message can hold
    several records: each command becomes one write, each check one read. The changes from which
    the watchdog sees what to check are not counted again. Nothing was sent twice: the run
    waited until the queues were empty, and no fault was in force.
    """
    sent = {
        calls.resource: calls.entries
        for calls in calls_of(functions, service="sqs")
        if calls.operation.startswith("SendMessage")
    }
    writes = (
        calls.requests
        for operation in ("PutItem", "UpdateItem")
        for calls in calls_of(functions, operation=operation)
    )
    messages = {
        "intake": float(orders),
        "relay": sum(writes),
        "watchdog": sent.get("watchdog", 0.0),
        "drain": sent.get("overflow", 0.0),
        **{f"deliver-{name}": sent.get(name, 0.0) for name in DOWNSTREAMS},
    }
    for name, use in functions.items():
        use.messages = messages.get(name, use.invocations)
        handled = (
            calls.entries
            for calls in use.calls
            if calls.operation in ("UpdateItem", "BatchGetItem")
        )
        use.records = sum(handled) or use.messages


@contextmanager
def held_back(stack: Stack, function: str, source: str = "") -> Iterator[None]:
    """The function's event sources, or the one of this service, are disabled meanwhile, so its
    records pile up."""
    lambda_ = stack.client("lambda")
    mappings = lambda_.list_event_source_mappings(FunctionName=f"spillway-local-{function}")
    uuids = [
        mapping["UUID"]
        for mapping in mappings["EventSourceMappings"]
        if mapping["EventSourceArn"].startswith(f"arn:aws:{source}")
    ]
    for uuid in uuids:
        lambda_.update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        for uuid in uuids:
            lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)


def _bytes(answer: httpx.Response) -> int:
    """As it was sent, compressed or not, with the status line and headers of HTTP/1.1."""
    head = len("HTTP/1.1 201 Created\r\n\r\n") + sum(
        len(name) + len(value) + len(": \r\n") for name, value in answer.headers.raw
    )
    return head + answer.num_bytes_downloaded
