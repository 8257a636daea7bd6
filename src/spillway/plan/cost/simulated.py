"""The same count in the simulation's world: the deployed handlers on a model of AWS, call by call.

It needs no emulator, network or clock, takes some seconds and gives the same figures each time. So
it checks every change (`plan.cost.budget`), and confirms the emulator's count by other means: it
reads the arguments and answers of the SDK's methods, one level above the proxy.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import msgspec

from infra.event_sources import (
    DELIVER_BATCH_SIZE,
    RELAY_BATCH_SIZE,
    WATCH_BATCH_SIZE,
    WATCHDOG_BATCH_SIZE,
)
from orders.aws.book_file import encode
from orders.aws.book_index import INDEX_KEY, BookIndex, Entry, book_key, encode_index
from orders.aws.messages import messages_in
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAMS
from orders.domain.units import CustomerId, Millis
from orders.handlers import http
from orders.settings import PricesBy
from orders.wiring import Runtime
from simulation.catalogue import ADA, KEY, KEY_ID, START, request
from simulation.downstreams.fault_settings import FaultSettings
from simulation.world.event_sources import record_of
from simulation.world.faults import Faults
from simulation.world.functions import EnvironmentClock, Function
from simulation.world.world import World
from spillway.ids import order_id
from spillway.plan.cost.measurement import FunctionUse, Load, Measurement, stored_bytes
from spillway.plan.cost.running import LOOKS, ORDERS, SEED, WORKLOAD, retail
from spillway.price_book import example
from spillway.run.proxy.units import units_of
from spillway.run.workload import Draft, pay

#: Longer than anything here takes in the world's own time.
_AN_INVOCATION_MS = 60_000
_USER_AGENT = f"python-urllib3/{version('urllib3')}"
_PUT = "PUT /orders/{order_id}"
_GET = "GET /orders/{order_id}"


@cache
def counted(load: Load) -> Measurement:
    """Place the orders of the measured run, and count all they use: the same each time."""
    return _Run(load, "book").counted(retail(ORDERS[load]), WORKLOAD)


def counted_in_a_crowd(drafts: Sequence[Draft]) -> Measurement:
    return _Run("crowd", "client").counted(drafts, "orders from a file")


@cache
def _published() -> Mapping[str, bytes]:
    book = example()
    index = BookIndex((Entry("20261123T1000-3f2a", Millis(0)),))
    return {
        INDEX_KEY: encode_index(index),
        book_key(index.entries[0].version): encode(book.rules, book.articles.values()),
    }


class _CountedClient:
    """Counts every call, refused ones too."""

    def __init__(self, service: str, client: Any, count: Callable[..., None]) -> None:
        self._service = service
        self._client = client
        self._count = count

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = getattr(self._client, method)
        operation = "".join(word.capitalize() for word in method.split("_"))

        def counted_call(**fields: Any) -> Any:
            answer: Any = {}
            try:
                answer = call(**fields)
            finally:
                self._count(self._service, operation, fields, answer)
            return answer

        return counted_call


@dataclass
class _CountedConnections:
    """A pool whose requests' bytes are counted."""

    pool: Any
    world: _MeteredWorld

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        **how: bool,
    ) -> Any:
        self.world.downstream_bytes += request_bytes(method, url, headers, body or b"")
        return self.pool.request(method, url, body=body, headers=headers, **how)


def request_bytes(method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
    """A request as urllib3 writes it over HTTP/1.1, without what TLS and TCP add."""
    to = urlsplit(url)
    target = f"{to.path}?{to.query}" if to.query else to.path
    sent = {"host": to.netloc, "accept-encoding": "identity", "user-agent": _USER_AGENT, **headers}
    if body:
        sent["content-length"] = str(len(body))
    lines = (f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in sent.items()))
    return sum(len(line) + 2 for line in lines) + 2 + len(body)


class _MeteredWorld(World):
    """A world without faults. `_Run` reads its queues and stream, not Lambda.

    `prices`: who says what orders cost, the example store's price book or the client.
    """

    def __init__(self, prices: PricesBy) -> None:
        self.uses: defaultdict[str, FunctionUse] = defaultdict(FunctionUse)
        self.running = ""
        self.downstream_bytes = 0
        healthy: dict[str, FaultSettings] = {
            downstream: FaultSettings() for downstream in DOWNSTREAMS
        }
        super().__init__(0, START, Faults(0, {}, START), {}, fault_settings=healthy, express=True)
        self.bucket.objects |= _published()
        intake = self.functions["intake"]
        intake.settings = {**intake.settings, "PRICES": prices}

    def client(self, service: str, timeout_seconds: float = 6.0, /) -> Any:
        return _CountedClient(service, super().client(service, timeout_seconds), self._counted)

    def _pool(self, pool: Callable[[float], Any]) -> Callable[[float], Any]:
        return lambda timeout_seconds: _CountedConnections(pool(timeout_seconds), self)

    def invoke(
        self, name: str, event: Mapping[str, Any], records: int = 1, messages: int | None = None
    ) -> Any:
        """Have a function handle an event while nothing else runs. `messages`: how many carried
        its records, where not one each."""
        answers: list[tuple[Any, str | None]] = []
        use = self.uses[name]
        use.invocations += 1
        use.records += records
        use.messages += records if messages is None else messages
        self.running = name
        self.functions[name].invoke(
            str(use.invocations), event, lambda result, error: answers.append((result, error))
        )
        self.scheduler.run(self.scheduler.now + _AN_INVOCATION_MS)
        [(result, error)] = answers
        if error is not None:
            raise AssertionError(f"{name} failed in a world without faults: {error}")
        return result

    def _counted(
        self, service: str, operation: str, fields: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> None:
        units = units_of(service, operation, fields, answer)
        calls = self.uses[self.running].calls_of(service, operation, _resource(service, fields))
        calls.requests += 1
        calls.entries += _entries(fields)
        calls.write_units += units.write
        calls.read_units += units.read
        calls.chunks += units.chunks

    def _runtime(
        self, settings: Mapping[str, str], clock: EnvironmentClock, function: Function
    ) -> Runtime:
        runtime = super()._runtime(settings, clock, function)
        pool = self._pool(runtime.pool) if "DOWNSTREAMS" in settings else runtime.pool
        return replace(runtime, write=self._logged, pool=pool)

    def _logged(self, line: str) -> None:
        self.uses[self.running].count_line(line.rstrip("\n"))

    def _connect(self) -> None:
        """Lambda reads no queue and no stream here."""


class _Run:
    def __init__(self, load: Load, prices: PricesBy) -> None:
        self.load = load
        self.full = load == "crowd"
        self.world = _MeteredWorld(prices)
        self.rng = random.Random(SEED)  # noqa: S311
        self.relayed = self.watched = 0
        self.bodies: list[tuple[int, int]] = []

    def counted(self, drafts: Sequence[Draft], workload: str) -> Measurement:
        # The first order reads the secrets: that is not an order's cost.
        self._place(drafts[0])
        self._settle()
        self._watch()
        self._check()
        self.world.uses.clear()
        self.world.downstream_bytes = 0
        first = {id(item) for item in self.world.table.items()}
        self.bodies.clear()
        keys = [self._place(draft) for draft in drafts]
        # In a crowd the watch's batches fill faster than orders settle.
        self._watch()
        self._settle()
        self._watch()
        self._check()
        return Measurement(
            source="model",
            load=self.load,
            orders=len(drafts),
            workload=workload,
            taken_at="",
            requests=len(drafts),
            request_bytes=sum(sent for sent, _ in self.bodies),
            response_bytes=sum(answered for _, answered in self.bodies),
            look_bytes=sum(map(self._look, keys[:LOOKS])),
            downstream_bytes=self.world.downstream_bytes,
            functions={name: self.world.uses[name] for name in sorted(self.world.functions)},
            **stored_bytes(item for item in self.world.table.items() if id(item) not in first),
        )

    def _look(self, key: OrderKey) -> int:
        """The bytes of an answer's body as a browser asks for it: compressed, in base64 here."""
        asked = {**request(_GET, key), "headers": {"accept-encoding": "gzip"}}
        answer = http.sent(asked, self.world.invoke("reads", asked))
        return (
            len(answer["body"]) * 3 // 4 if answer.get("isBase64Encoded") else len(answer["body"])
        )

    def _place(self, draft: Draft) -> OrderKey:
        made = order_id(self.world.now(), self.rng)
        key = OrderKey(CustomerId(f"{ADA}-{draft.customer}"), made)
        body = msgspec.json.encode(pay(draft, key, key_id=KEY_ID, key=KEY))
        answer = self.world.invoke("intake", request(_PUT, key, body.decode()))
        if answer["statusCode"] != 201:
            raise AssertionError(f"an order was answered {answer['statusCode']}: {answer['body']}")
        self.bodies.append((len(body), len(answer["body"])))
        if self.load == "one by one":
            self._settle()
            self._watch()
        return key

    def _settle(self) -> None:
        """Relay and deliver until nothing is left."""
        while self._relay() + sum(
            self._hand_over(name, f"deliver-{name}", DELIVER_BATCH_SIZE) for name in DOWNSTREAMS
        ):
            pass

    def _watch(self) -> None:
        """Hand the watchdog what has come in the stream since: of one order alone all that it
        leaves there, for it settles within the window."""
        [shard] = self.world.stream.shards
        records = shard.records[self.watched :]
        self.watched += len(records)
        for start in range(0, len(records), WATCH_BATCH_SIZE):
            batch = records[start : start + WATCH_BATCH_SIZE]
            # What it handles are checks: of these it only sets them.
            self.world.invoke("watchdog", {"Records": batch}, 0)

    def _check(self) -> None:
        """Let the delay of its checks pass, and have the watchdog handle them."""
        delayed_until = self.world.now() + self.world.queues["watchdog"].delay_seconds * 1000 + 1
        self.world.scheduler.at(delayed_until, lambda: None)
        self.world.scheduler.run(delayed_until)
        self._hand_over("watchdog", "watchdog", WATCHDOG_BATCH_SIZE)

    def _relay(self) -> int:
        [shard] = self.world.stream.shards
        records = shard.records[self.relayed :]
        self.relayed += len(records)
        for batch in self._batches(records, RELAY_BATCH_SIZE):
            self.world.invoke("relay", {"Records": list(batch)}, len(batch))
        return len(records)

    def _hand_over(self, name: str, function: str, most: int) -> int:
        """Handle all messages that wait in a queue, in batches of so many."""
        queue = self.world.queues[name]
        waiting = queue.visible()
        for batch in self._batches(waiting, most):
            for message in batch:
                message.receives += 1
                message.receipt = f"{message.id} #{message.receives}"
                queue.hide(message, queue.visibility_seconds)
            event = {"Records": [record_of(message, name) for message in batch]}
            carried = sum(len(messages_in(message.body)) or 1 for message in batch)
            answer = self.world.invoke(function, event, carried, len(batch))
            if answer["batchItemFailures"]:
                raise AssertionError(f"{function} did not finish: {answer}")
            for message in batch:
                queue.delete(message)
        return len(waiting)

    def _batches(self, things: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
        size = most if self.full else 1
        for start in range(0, len(things), size):
            yield things[start : start + size]


def _resource(service: str, fields: Mapping[str, Any]) -> str:
    """As the proxy names it, without the stage."""
    asked = fields.get("RequestItems") or {}
    named = ("TableName", "QueueUrl", "TopicArn", "Name")
    name = next((str(fields[one]) for one in named if one in fields), next(iter(asked), ""))
    short = name if service == "ssm" else name.replace(":", "/").rpartition("/")[2]
    return short.removeprefix("/spillway/dev/").removeprefix("spillway-dev-")


def _entries(fields: Mapping[str, Any]) -> int:
    entries = fields.get("Entries") or fields.get("PublishBatchRequestEntries")
    if entries is not None:
        return len(entries)
    return sum(len(asked["Keys"]) for asked in fields.get("RequestItems", {}).values()) or 1
