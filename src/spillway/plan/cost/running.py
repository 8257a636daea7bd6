"""Measured runs on a private stack: orders one by one, and a crowd at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import msgspec

from orders.aws import items
from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAMS
from orders.domain.units import CustomerId
from spillway.errors import SpillwayError
from spillway.ids import order_id
from spillway.plan.cost import meter
from spillway.plan.cost.measurement import FunctionUse, Load, Measurement
from spillway.run.load.clients import claims
from spillway.run.proxy.units import item_bytes
from spillway.run.stack import Stack
from spillway.run.workload import CUSTOMERS, Draft, generate, pay
from spillway.target.reading import read_depths

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
#: Within so long orders settle, and the watchdog has checked each once.
REST_MAX_SECONDS = 180.0
_POLL_SECONDS = 0.05
_QUIET_SECONDS = 2.5

OnStage = Callable[[str, int, int], None]


def least_disturbed(runs: Sequence[Measurement]) -> Measurement:
    """The run with the least processor time, of several that counted the same: other work on the
    machine only ever adds to it."""
    return min(runs, key=lambda run: sum(use.cpu_seconds or 0.0 for use in run.functions.values()))


def retail(count: int, seed: int = SEED) -> list[Draft]:
    """Generated orders of shoppers."""
    drafts = (draft for draft in generate(seed=seed, count=count * 4))
    return [draft for draft in drafts if draft.order.channel == "retail"][:count]


def measure(
    stack: Stack,
    load: Load,
    on_stage: OnStage = lambda *_: None,
    *,
    orders: int | None = None,
    warm_up_orders: int = WARM_UP_ORDERS,
    headers: Mapping[str, str] | None = None,
) -> Measurement:
    """Run one load on a stack without other users: `ORDERS` of it by default, plus `headers`.

    Raises SpillwayError when an order is refused or does not settle: then nothing is measured.
    """
    count = ORDERS[load] if orders is None else orders
    return asyncio.run(_Run(stack, load, on_stage, count, warm_up_orders, headers or {}).measured())


@dataclass(slots=True)
class _Run:
    stack: Stack
    load: Load
    on_stage: OnStage
    count: int
    warm_up_orders: int
    headers: Mapping[str, str]
    rng: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311
    request_bytes: int = 0
    response_bytes: int = 0

    async def measured(self) -> Measurement:
        stack, count = self.stack, self.count
        await self._place_all(retail(self.warm_up_orders, seed=SEED + 1), "warming up")
        self._rest()
        self.request_bytes = self.response_bytes = 0
        stack.proxy.reset()
        stack.proxy.ask_consumed()
        before = meter.read(stack, _now())
        if self.load == "crowd":
            with held_back(stack, "relay"):
                keys = await self._place_all(retail(count), "placing a crowd's orders")
        else:
            keys = await self._place_one_by_one(retail(count))
        self._rest()
        await self._look_at(keys[:LOOKS])
        after = meter.read(stack, _now())
        functions = meter.used(stack, before, after)
        sizes = self._stored(keys)
        consumed = meter.consumed_units(before.counts, after.counts)
        stack.proxy.reset()
        return Measurement(
            source="emulator",
            load=self.load,
            orders=count,
            workload=f"generated retail orders, seed {SEED}",
            taken_at=time.strftime("%Y-%m-%d", time.gmtime()),
            requests=count,
            request_bytes=self.request_bytes,
            response_bytes=self.response_bytes,
            order_bytes=sum(order for order, _ in sizes),
            progress_bytes=sum(progress for _, progress in sizes),
            progress_bytes_max=max(progress for _, progress in sizes),
            functions=with_records(functions, count),
            consumed_units=consumed,
        )

    async def _place_one_by_one(self, drafts: Sequence[Draft]) -> list[OrderKey]:
        keys = []
        for number, draft in enumerate(drafts):
            self.on_stage("placing orders one by one", number, len(drafts))
            keys += await self._place([draft])
            self._wait_until_settled(keys[-1])
        return keys

    async def _place_all(self, drafts: Sequence[Draft], stage: str) -> list[OrderKey]:
        self.on_stage(stage, 0, len(drafts))
        return await self._place(drafts)

    async def _place(self, drafts: Sequence[Draft]) -> list[OrderKey]:
        gate = asyncio.Semaphore(CLIENTS)
        async with httpx.AsyncClient(base_url=self.stack.api, trust_env=False, timeout=60) as http:
            tokens = {customer: self.stack.token(customer) for customer in CUSTOMERS}

            async def place(draft: Draft) -> OrderKey:
                async with gate:
                    return await self._send(http, draft, tokens[draft.customer])

            return await asyncio.gather(*map(place, drafts))

    async def _send(self, http: httpx.AsyncClient, draft: Draft, token: str) -> OrderKey:
        made = order_id(_now(), self.rng)
        key = self.stack.receipt_key
        body = msgspec.json.encode(pay(draft, made, key_id=key.key_id, key=key.key))
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        headers |= self.headers
        answer = await http.put(f"/orders/{made}", content=body, headers=headers)
        if answer.status_code != httpx.codes.CREATED:
            raise SpillwayError(
                f"Nothing was measured: an order was answered {answer.status_code}"
                f" ({answer.text[:200]}). Run it on a quiet machine."
            )
        self.request_bytes += len(body)
        self.response_bytes += len(answer.content) + _head_bytes(answer)
        return OrderKey(CustomerId(str(claims(token)["sub"])), made)

    async def _look_at(self, keys: Sequence[OrderKey]) -> None:
        """Each customer looks at their order."""
        tokens = [self.stack.token(customer) for customer in CUSTOMERS]
        by_id = {str(claims(token)["sub"]): token for token in tokens}
        async with httpx.AsyncClient(base_url=self.stack.api, trust_env=False, timeout=60) as http:
            for key in keys:
                headers = {"authorization": f"Bearer {by_id[key.customer_id]}"}
                answer = await http.get(f"/orders/{key.order_id}", headers=headers)
                answer.raise_for_status()

    def _wait_until_settled(self, key: OrderKey) -> None:
        table, dynamodb = self.stack.tables["orders"], self.stack.client("dynamodb")
        deadline = time.monotonic() + REST_MAX_SECONDS
        while time.monotonic() < deadline:
            found = dynamodb.get_item(TableName=table, Key=items.progress_key(key))
            if saga.settled(items.facts(found.get("Item"))):
                return
            time.sleep(_POLL_SECONDS)
        raise SpillwayError("Nothing was measured: an order did not settle.")

    def _rest(self) -> None:
        """Wait until all queues are empty and no function has called AWS for a while."""
        stack, sqs = self.stack, self.stack.client("sqs")
        deadline = time.monotonic() + REST_MAX_SECONDS
        quiet_since, calls = time.monotonic(), -1
        while time.monotonic() < deadline:
            depths = read_depths(sqs, stack.queues)
            busy = any(depth.visible or depth.in_flight or depth.delayed for depth in depths)
            now_calls = stack.proxy.counts().requests()
            if busy or now_calls != calls:
                quiet_since, calls = time.monotonic(), now_calls
            elif time.monotonic() - quiet_since > _QUIET_SECONDS:
                return
            self.on_stage("letting all settle", 0, 0)
            time.sleep(0.25)
        raise SpillwayError("Nothing was measured: the queues did not run empty.")

    def _stored(self, keys: Sequence[OrderKey]) -> list[tuple[int, int]]:
        """The sizes of each order's two items. Raises SpillwayError when one was not confirmed."""
        table, dynamodb = self.stack.tables["orders"], self.stack.client("dynamodb")
        sizes = []
        for key in keys:
            order, progress = (
                dynamodb.get_item(TableName=table, Key=of(key))["Item"]
                for of in (items.order_key, items.progress_key)
            )
            facts = items.facts(progress)
            if not (saga.settled(facts) and all(one.done for one in facts.outcomes.values())):
                raise SpillwayError("Nothing was measured: an order was not confirmed.")
            sizes.append((item_bytes(order), item_bytes(progress)))
        return sizes


def with_records(functions: dict[str, FunctionUse], orders: int) -> dict[str, FunctionUse]:
    """How many records each function's batches had, and how many messages carried them.

    A stream has a record for each write, a queue a message for each one sent. A message can hold
    several records: each command becomes one fact written, each check one read. Nothing was sent
    twice: the run waited until the queues were empty, and no fault was in force.
    """
    sent = {
        calls.resource: calls.entries
        for function in functions.values()
        for calls in function.calls
        if calls.service == "sqs" and calls.operation.startswith("SendMessage")
    }
    writes = sum(
        calls.requests
        for function in functions.values()
        for calls in function.calls
        if calls.service == "dynamodb" and calls.operation in ("PutItem", "UpdateItem")
    )
    messages = {
        "intake": float(orders),
        "relay": writes,
        "watchdog": sent.get("watchdog", 0.0),
        "drain": sent.get("overflow", 0.0),
        **{f"deliver-{name}": sent.get(name, 0.0) for name in DOWNSTREAMS},
    }
    return {
        name: msgspec.structs.replace(
            use,
            messages=messages.get(name, use.invocations),
            records=_handled(use) or messages.get(name, use.invocations),
        )
        for name, use in functions.items()
    }


def _handled(use: FunctionUse) -> float:
    """Facts written and orders checked, where a function does either."""
    return sum(
        calls.entries for calls in use.calls if calls.operation in ("UpdateItem", "BatchGetItem")
    )


@contextmanager
def held_back(stack: Stack, function: str) -> Iterator[None]:
    """The function's event source is disabled meanwhile, so its records pile up."""
    lambda_ = stack.client("lambda")
    mappings = lambda_.list_event_source_mappings(FunctionName=f"spillway-local-{function}")
    uuids = [mapping["UUID"] for mapping in mappings["EventSourceMappings"]]
    for uuid in uuids:
        lambda_.update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        for uuid in uuids:
            lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)


def _head_bytes(answer: httpx.Response) -> int:
    """The status line and headers as HTTP/1.1 writes them."""
    return len("HTTP/1.1 201 Created\r\n\r\n") + sum(
        len(name) + len(value) + len(": \r\n") for name, value in answer.headers.raw
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
