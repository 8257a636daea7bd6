"""The world of one schedule: everything around the service, in memory.

The functions are the deployed ones, wired by orders.wiring. Below the AWS SDK and the HTTP client
everything is a model. The settings are those of the stage `dev`, but every event is published and
every line logged, so that the invariants see them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import chain
from typing import Any

import msgspec
from msgspec.structs import replace

from infra import stage as stages
from infra.event_sources import (
    DELIVER_BATCH_SIZE,
    RECEIVES_MAX,
    QueueSource,
    StreamSource,
    queue_sources,
    stream_sources,
)
from infra.function_settings import Addresses, function_settings
from orders import wiring
from orders.aws import items
from orders.aws.items import PROGRESS_SUFFIX
from orders.domain.keeping import KEPT_DAYS_MIN
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAMS, Downstream, Step
from orders.domain.waits import CALL_SECONDS
from orders.handlers import (
    archive,
    deliver,
    drain,
    intake,
    outcomes,
    payments,
    reads,
    relay,
    watchdog,
)
from orders.settings import EXPRESS_CALLS, DeliverSettings
from orders.wiring import Runtime
from simulation import store
from simulation.catalogue import APPROVERS, BOOKS, COMPANY_CLAIM, KEY, KEY_ID, LIMIT_CLAIM
from simulation.downstreams.fake import FakeDownstream
from simulation.downstreams.fault_settings import FaultSettings
from simulation.downstreams.ledger import Entry, MemoryLedger
from simulation.gateway.stripe import FakeStripe
from simulation.world.bucket import Bucket, BucketConnections
from simulation.world.calls import Calls
from simulation.world.chance import Chance
from simulation.world.dynamodb import About, DynamoClient, EarlierDynamoClient, Item, Key, Table
from simulation.world.event_sources import STREAM_POLL_MS, QueueReader, ShardReader
from simulation.world.express import ALL_DONE, CANCELLATION, ExpressChecker
from simulation.world.faults import Faults
from simulation.world.functions import Code, EnvironmentClock, Function, Tasks
from simulation.world.gateway import GatewayConnections
from simulation.world.invariants import InvariantChecker
from simulation.world.later import KEY as OUTCOME_KEY
from simulation.world.later import LaterDownstream, Tell, callback, resent_after_ms
from simulation.world.network import Connections
from simulation.world.parameters import SsmClient
from simulation.world.parcels import ParcelTeller
from simulation.world.scheduler import Scheduler
from simulation.world.sqs import IN_ONE, Message, Queue, SqsClient
from simulation.world.stream import Record, Shard, Stream, StreamsClient
from simulation.world.topic import SnsClient, Topic
from simulation.world.trace import Trace

ORDERS_TABLE = "spillway-dev-orders"
PRICES_BUCKET = "spillway-dev-data-prices"
ARCHIVE_BUCKET = "spillway-dev-data-archive"
COUPONS_TABLE = "spillway-dev-coupons"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:spillway-dev-order-events"
EXPRESS_SECONDS = 1
HOLD_DAYS = 1
API_KEY = "the downstreams' key"
GATEWAY_KEY = "rk_test_simulated"
#: What no promise names: a callback is taken, or sent again.
ALWAYS_TOLD = "outcomes_taken"
_WAREHOUSE = "arn:aws:iam::123456789012:role/warehouse"
_QUEUES = "https://sqs.eu-west-1.amazonaws.com/123456789012"

_CODE: Mapping[str, Code] = {
    "intake": Code(wiring.wire_intake, intake.handle),
    "reads": Code(wiring.wire_reads, reads.handle),
    "archive": Code(wiring.wire_archive, archive.handle),
    "payments": Code(wiring.wire_payments, payments.handle),
    "drain": Code(wiring.wire_drain, drain.handle),
    "outcomes": Code(wiring.wire_outcomes, outcomes.handle),
    "relay": Code(wiring.wire_relay, relay.handle),
    "watchdog": Code(wiring.wire_watchdog, watchdog.handle),
    **{
        f"deliver-{downstream}": Code(wiring.wire_deliver, deliver.handle)
        for downstream in DOWNSTREAMS
    },
}


class _Named(msgspec.Struct):
    customer_id: str = ""
    order_id: str = ""
    step: str = ""
    digest: str = ""
    force: bool = False
    correlation_id: str = ""
    batch: tuple[msgspec.Raw, ...] = ()


_named = msgspec.json.Decoder(_Named)


class World:
    """One seed's world. `names` are the orders' names in the trace, by customer id and order id.

    `silent`: no events are published, and relay is not invoked for what then calls for nothing.
    `later`: downstreams that take commands and decide them later. `holds`: orders above their
    buyer's limit are held for an approver of the company. `parcels`: fulfilment tells of them.
    """

    def __init__(
        self,
        seed: int,
        start: int,
        faults: Faults,
        names: Mapping[tuple[str, str], str],
        *,
        fault_settings: Mapping[str, FaultSettings],
        without_keys: frozenset[str] = frozenset(),
        shards: int = 1,
        express: bool = False,
        silent: bool = False,
        later: frozenset[Downstream] = frozenset(),
        holds: bool = False,
        parcels: bool = False,
        stream_poll_ms: int = STREAM_POLL_MS,
        trace: Trace | None = None,
    ) -> None:
        self.seed = seed
        self.scheduler = scheduler = Scheduler(start)
        self.faults = faults
        self.trace = trace
        self.calls = Calls(scheduler, faults, trace)
        self.without_keys = without_keys
        self.express = express
        self._knows_express = True
        #: What has arrived of what each downstream tells.
        self.told: dict[str, set[bytes]] = {name: set() for name in DOWNSTREAMS}
        self.silent = silent
        self.later = later
        self.holds = holds
        self.tells = parcels
        self.parcels: ParcelTeller | None = None
        self._names = names
        self._labels: dict[str, str] = {}
        self._dead_letter: set[tuple[str, str]] = set()
        self.invariants = InvariantChecker(self.now, self.name_of, without_keys)
        self.stream = Stream(shards, self.now)
        self.table = Table(ORDERS_TABLE, self.now, self._table_changed)
        self.coupons = Table(COUPONS_TABLE, self.now, lambda *_: None, sorted=False)
        self.topic = Topic(TOPIC, self.invariants.contradicted)
        self.bucket = Bucket(store.objects(BOOKS))
        self.archive = Bucket(on_put=self.invariants.archive_changed)
        self.gateway = FakeStripe(self.now, GATEWAY_KEY, on_refund=self.invariants.gave_back)
        self.invariants.bucket = self.bucket
        self.invariants.archive = self.archive
        self.queues = self._make_queues()
        self.by_url = {queue.url: queue for queue in self.queues.values()}
        self.invariants.table = self.table
        self.invariants.overflow = self.queues["overflow"]
        self.queues["overflow"].on_gone = self.invariants.left_overflow
        self.ledgers: dict[str, MemoryLedger] = {}
        self.fakes: dict[str, FakeDownstream] = {
            downstream: self._fake(downstream, fault_settings[downstream])
            for downstream in DOWNSTREAMS
        }
        self.deciders = {name: self._decider(name) for name in DOWNSTREAMS if name in later}
        if parcels:
            self.parcels = self._parcel_teller()
        self.invariants.express = self._express_checker()
        self._clients: dict[tuple[str, float], Any] = {}
        self._tasks = Tasks(scheduler, seed, self.invariants.express.side_by_side)
        #: Called when Lambda gives records up: the stream keeps them for two hours more.
        self.on_given_up: Callable[[], None] = lambda: None
        self.functions = self._make_functions()
        self._stream_poll_ms = stream_poll_ms
        self._connect()

    def now(self) -> int:
        return self.scheduler.now

    def name_of(self, customer_id: str, order_id: str) -> str:
        return self._names.get((customer_id, order_id), order_id)

    def client(self, service: str, timeout_seconds: float = CALL_SECONDS, /) -> Any:
        """A client as botocore would make it; used outside any task, it meets no faults."""
        client = self._clients.get((service, timeout_seconds))
        if client is None:
            client = self._clients[service, timeout_seconds] = self._new_client(
                service, timeout_seconds
            )
        return client

    def _earlier_client(self, service: str, timeout_seconds: float = CALL_SECONDS, /) -> Any:
        client = self.client(service, timeout_seconds)
        return EarlierDynamoClient(client) if service == "dynamodb" else client

    def label(self, body: str) -> str:
        """What a message is about, in a few words."""
        label = self._labels.get(body)
        if label is None:
            label = self._labels[body] = self._label(body)
        return label

    def publish(self, version: str, begins: int) -> None:
        """A price book that is in force from then on, Unix milliseconds."""
        self.invariants.books[version] = begins
        self.bucket.objects |= store.objects(self.invariants.books)

    def switch_express(self, on: bool) -> None:
        """A deployment with the express path on, or off."""
        self.express = on
        for name, (settings, _) in deployment(
            self.without_keys, on, self.silent, self.later, self.holds, self.tells
        ).items():
            if self.functions[name].settings != settings:
                self.functions[name].change(settings)

    def roll_back(self) -> None:
        """From here on an earlier release runs, which does not know of the express path."""
        self._knows_express = False
        for function in self.functions.values():
            function.end_environments()

    def settled_by_express(self, key: OrderKey) -> bool:
        """Whether the order's reservation, shipment and posting were recorded by one write."""
        progress = self.table.get((key.customer_id, key.order_id + PROGRESS_SUFFIX)) or {}
        return progress.get(items.EXPRESS) == {"S": ALL_DONE}

    def close(self) -> None:
        """Break the world's reference cycles, so that its memory is freed without a collection."""
        parts = (self.scheduler, self.calls, self.invariants, self.stream, self.table, self.coupons)
        many = (self.functions.values(), self.queues.values(), self.stream.shards)
        for part in (*chain.from_iterable(many), *parts, self):
            part.__dict__.clear()

    def stored_items(self) -> Iterator[Item]:
        """The orders table's items, with those of archived orders in place of their stubs."""
        for item in self.table.items():
            if items.is_stub(item):
                yield from self.invariants.archived(item) or ()
            else:
                yield item

    @property
    def dead_letters(self) -> dict[str, Queue]:
        """By the name of the queue that they come from. `relay` has no other queue."""
        return {
            name.removesuffix("-dead-letters"): queue
            for name, queue in self.queues.items()
            if name.endswith("-dead-letters")
        }

    def _new_client(self, service: str, timeout_seconds: float) -> Any:
        match service:
            case "dynamodb":
                about = About(None if self.trace is None else self.name_of)
                tables = {table.name: table for table in (self.table, self.coupons)}
                return DynamoClient(self.calls, tables, timeout_seconds, about)
            case "sqs":
                return SqsClient(self.calls, self.by_url, timeout_seconds, self.label)
            case "sns":
                return SnsClient(self.calls, self.topic)
            case "ssm":
                return SsmClient(self.calls, _parameters())
            case "dynamodbstreams":
                return StreamsClient(self.stream, self.now)
        raise AssertionError(f"no client of {service}")

    def _label(self, body: str) -> str:
        try:
            named = _named.decode(body)
        except msgspec.DecodeError:
            return "poison"
        if named.batch:
            return IN_ONE.join(self._label(bytes(message).decode()) for message in named.batch)
        if named.correlation_id:
            return f"an outcome told under {named.correlation_id}"
        if not named.order_id:
            return "a letter of Lambda's" if "DDBStreamBatchInfo" in body else "poison"
        order = self.name_of(named.customer_id, named.order_id)
        if named.step:
            return f"{named.step} of {order}"
        if named.digest:
            return f"{order} overflowed"
        # Seeds depend on this text: with another word, the seeds that found bugs find them no more.
        return f"{order} watched, insisting" if named.force else f"{order} watched"

    def _record_label(self, record: Record) -> str:
        images = record["dynamodb"]
        customer_id, sort_key = images["Keys"]["pk"]["S"], images["Keys"]["sk"]["S"]
        order_id, progress, _ = sort_key.partition("#")
        order = self.name_of(customer_id, order_id)
        if "NewImage" not in images:
            return f"the progress of {order} deleted"
        if items.is_stub(images["NewImage"]):
            return f"{order} archived"
        if not progress:
            return f"{order} {'made void' if items.is_void(images['NewImage']) else 'placed'}"
        new = sorted(images["NewImage"].keys() - images.get("OldImage", {"pk": 0, "sk": 0}).keys())
        return f"{order} {' '.join(new)} known"

    def _table_changed(self, key: Key, before: Item | None, after: Item | None) -> None:
        self.invariants.changed(key, before, after)
        self.stream.append(key, before, after)

    def _express_checker(self) -> ExpressChecker:
        stage = _stage()
        invariants = self.invariants
        return ExpressChecker(
            now=self.now,
            breaks=invariants.breaks,
            item=self.table.get,
            has_effect=invariants.has_effect,
            budget_ms=round(EXPRESS_SECONDS * 1000),
            calls_max={
                name: one.concurrency_max * DELIVER_BATCH_SIZE
                for name, one in stage.downstreams.by_name().items()
            },
            reachable=len({*EXPRESS_CALLS} - self.without_keys - self.later),
        )

    def _make_queues(self) -> dict[str, Queue]:
        sources = _sources(later=self.later, parcels=self.tells)
        names = (f"{name}-dead-letters" for name in (*sources, "relay"))
        queues = {name: self._queue(name) for name in names}
        for name, source in sources.items():
            queues[name] = self._queue(
                name,
                visibility_seconds=source.visibility_seconds,
                delay_seconds=source.delay_seconds,
                receives_max=RECEIVES_MAX,
                dead_letters=queues[f"{name}-dead-letters"],
            )
        return queues

    def _queue(self, name: str, **settings: Any) -> Queue:
        chance = Chance(self.seed, f"queue {name}")
        return Queue(name, f"{_QUEUES}/{name}", now=self.now, chance=chance, **settings)

    def _fake(self, downstream: str, fault_settings: FaultSettings) -> FakeDownstream:
        on_entry = partial(self._had_effect, downstream)
        ledger = self.ledgers[downstream] = MemoryLedger(on_entry)
        return FakeDownstream(
            downstream,
            ledger=ledger,
            api_key=API_KEY,
            now_ms=self.now,
            random=_never,
            fault_settings=fault_settings,
        )

    def _decider(self, downstream: Downstream) -> LaterDownstream:
        told: dict[str, Tell] = {
            "accounting": partial(self._call_back, "accounting"),
            "fulfilment": self._send_outcome,
        }
        return LaterDownstream(
            downstream,
            self.fakes[downstream],
            self.scheduler,
            self.faults,
            self.seed,
            lambda path, customer, order: f"{path[1:]} of {self.name_of(customer, order)}",
            told.get(downstream),
            # Only who calls back can be forged: AWS knows who sends to a queue.
            partial(self._forge, downstream) if downstream == "accounting" else lambda _: None,
        )

    def _had_effect(self, downstream: str, entry: Entry) -> None:
        key = (entry.customer_id, entry.order_id)
        first = entry.done and not self.invariants.has_effect(key, entry.step)
        if self.parcels is not None and first and entry.step == Step.SHIP:
            self.parcels.ships(key)
        self.invariants.had_effect(downstream, entry)

    def _parcel_teller(self) -> ParcelTeller:
        by_queue = "fulfilment" in self.later
        return ParcelTeller(
            self.scheduler,
            self.faults,
            self.seed,
            self.name_of,
            self._send_outcome if by_queue else partial(self._call_back, "fulfilment"),
            (lambda _: None) if by_queue else partial(self._forge, "fulfilment"),
            self._never_ships,
        )

    def _never_ships(self) -> list[tuple[str, str]]:
        """Orders whose reservation or approval was refused, or that were cancelled before both."""
        never = (items.key_of(item) for item in self.table.items() if _never_ships(item))
        return [(key.customer_id, key.order_id) for key in never]

    def _send_outcome(self, body: bytes, label: str) -> None:
        self.told["fulfilment"].add(body)
        self.queues["outcomes-fulfilment"].send(label, body.decode(), {}, None)

    def _call_back(self, downstream: Downstream, body: bytes, label: str, attempt: int = 1) -> None:
        """It is sent again where it was not taken."""

        def ended(answer: Any, error: str | None) -> None:
            status = 500 if error is not None else answer["statusCode"]
            if status == 204:
                self.told[downstream].add(body)
            elif status < 500:
                self.invariants.breaks(ALWAYS_TOLD, None, f"{label} was answered {status}")
            elif (wait := resent_after_ms(attempt)) is not None:
                self.scheduler.after(wait, self._call_back, downstream, body, label, attempt + 1)

        event = callback(downstream, body, self.now())
        self.functions["outcomes"].invoke(f"{label} ({attempt})", event, ended)

    def _forge(self, downstream: Downstream, body: bytes) -> None:
        event = callback(downstream, body, self.now(), forged=True)
        self.functions["outcomes"].invoke("a forged outcome", event, lambda *_: None)

    def _make_functions(self) -> dict[str, Function]:
        return {
            name: Function(
                name,
                _CODE[name],
                settings,
                timeout_seconds,
                self._runtime,
                self.scheduler,
                self.faults,
                self.seed,
            )
            for name, (settings, timeout_seconds) in deployment(
                self.without_keys, self.express, self.silent, self.later, self.holds, self.tells
            ).items()
        }

    def _runtime(
        self, settings: Mapping[str, str], clock: EnvironmentClock, function: Function
    ) -> Runtime:
        called = _called(settings)
        buckets = {PRICES_BUCKET: self.bucket, ARCHIVE_BUCKET: self.archive}
        may_list = function.name == "archive"

        def pool(timeout_seconds: float) -> Any:
            if not called:
                connections = BucketConnections(
                    buckets, self.calls, self.seed, timeout_seconds, may_list
                )
                gateway_url = settings.get("GATEWAY_URL")
                if gateway_url is None:
                    return connections
                return GatewayConnections(
                    gateway_url, self.gateway, self.calls, timeout_seconds, connections
                )
            fakes = {**self.fakes, **self.deciders}  # type: ignore[misc]
            return Connections(called, fakes, self.calls, timeout_seconds, self.invariants)

        return Runtime(
            environment=settings,
            # The archive puts away all that is in an item.
            client=self.client
            if self._knows_express or function.name == "archive"
            else self._earlier_client,
            clock=clock,
            jitter=self._jitter,
            write=self.invariants.logged,
            pool=pool,
            sign_s3=lambda _method, _url, headers, _body: {**headers},
            concurrent_map=self._tasks,
            side_by_side=self._tasks.side_by_side,
            sleep=lambda seconds: self.scheduler.sleep(round(seconds * 1000)),
        )

    def _jitter(self) -> float:
        return self.scheduler.running.chance()

    def _connect(self) -> None:
        for name, source in _sources(self.express, self.later, self.tells).items():
            QueueReader(
                self.queues[name],
                source,
                self.functions[source.function],
                self.scheduler,
                self.faults,
                Chance(self.seed, f"reader {name}"),
                self.invariants.raised,
            )
        for downstream in DOWNSTREAMS:
            queue = self.queues[downstream]
            queue.on_sent = partial(self._sent, queue)
        self._shard_readers: dict[str, list[ShardReader]] = {}
        for name, reading in _stream_sources(self.silent).items():
            self.dead_letters[reading.dead_letters].on_sent = self._dead_letter_sent
            readers = [self._shard_reader(reading, shard) for shard in self.stream.shards]
            self._shard_readers[name] = readers

    def _shard_reader(self, source: StreamSource, shard: Shard) -> ShardReader:
        # Seeds depend on this text.
        who = "reader" if source.function == "relay" else f"{source.function}'s reader"
        return ShardReader(
            shard,
            source,
            self.functions[source.function],
            self.scheduler,
            self.faults,
            Chance(self.seed, f"{who} {shard.name}"),
            self._record_label,
            partial(self._given_up, source),
            self.invariants.raised,
            self._stream_poll_ms,
        )

    def _dead_letter_sent(self, dead_letter: Message) -> None:
        """An order that relay has dead-lettered, or that Lambda gave up on, is brought back by a
        forced check."""
        is_lambdas = "DDBStreamBatchInfo" in dead_letter.body
        if not is_lambdas and '"force":true' not in dead_letter.body:
            return
        for (customer_id, order_id), name in self._names.items():
            if is_lambdas or name in dead_letter.label:
                self._dead_letter.add((customer_id, order_id))

    def _sent(self, queue: Queue, message: Message) -> None:
        """A command that the watchdog sends again had been lost if it was nowhere any more, unless
        its outcome came after the watchdog's check of the order."""
        task = self.scheduler.task
        if task is None or not task.name.startswith("watchdog"):
            return
        named = _named.decode(message.body)
        key = (named.customer_id, named.order_id)
        accounted_for = (
            queue.holds(message.label)
            or key in self._dead_letter
            or self._is_on_record(key, named.step)
            or any(
                reader.still_has(named.customer_id, named.order_id)
                for reader in self._shard_readers["relay"]
            )
        )
        if not accounted_for:
            self.invariants.lost(key, named.step)

    def _is_on_record(self, key: tuple[str, str], step: str) -> bool:
        customer_id, order_id = key
        progress = self.table.get((customer_id, order_id + PROGRESS_SUFFIX))
        if progress is None:
            # Nothing is owed to an order that was archived.
            return items.is_stub(self.table.get(key) or {})
        return step in progress

    def _given_up(self, source: StreamSource, dead_letter: str) -> None:
        queue = self.queues[f"{source.dead_letters}-dead-letters"]
        queue.send("a letter of Lambda's", dead_letter, {}, None)
        self.on_given_up()


def _called(settings: Mapping[str, str]) -> Mapping[str, str]:
    """The downstreams that a function calls, by their addresses."""
    if "DOWNSTREAM" not in settings:
        return {}
    return {called.url: name for name, called in DeliverSettings.read(settings).called.items()}


def _never_ships(item: Item) -> bool:
    reserved, cancelled, decided = (
        item.get(name, {}).get("M", {}) for name in (Step.RESERVE, CANCELLATION, items.APPROVAL)
    )
    declined = decided.get("verdict", {"S": "released"}) != {"S": "released"}
    return "reason" in reserved or declined or cancelled.get("before_reservation") == {"BOOL": True}


def _never() -> float:
    """The fakes' dice: nothing that they do is left to chance here."""
    return 1.0


@cache
def _stage() -> stages.Stage:
    return stages.load("dev")


@cache
def _sources(
    express: bool = False, later: frozenset[Downstream] = frozenset(), parcels: bool = False
) -> Mapping[str, QueueSource]:
    stage = _stage()
    express = express and _may_go_express(later)
    return queue_sources(
        replace(
            stage, express=_express(express), downstreams=_downstreams(frozenset(), later, parcels)
        )
    )


def _may_go_express(without: frozenset[str]) -> bool:
    """Where neither downstream can be called by it there is no express path, nor where inventory
    decides later."""
    return "inventory" not in without and not without.issuperset(EXPRESS_CALLS)


def _downstreams(
    without_keys: frozenset[str], later: frozenset[Downstream], parcels: bool
) -> stages.Downstreams:
    described = {name: f"{name}-later" for name in later}
    if parcels:
        described.setdefault("fulfilment", "fulfilment-parcels")
    return stages.Downstreams(
        **{
            name: replace(
                downstream,
                idempotency="lookup" if name in without_keys else "keys",
                description=described.get(name),
                outcomes_from=_WAREHOUSE if name == "fulfilment" and name in later else None,
            )
            for name, downstream in _stage().downstreams.by_name().items()
        }
    )


def _holding(orders: stages.Orders) -> stages.Orders:
    return replace(
        orders,
        customer_claim=stages.CustomerClaim(wholesale=COMPANY_CLAIM),
        approvals=stages.Approvals(limit_claim=LIMIT_CLAIM, group=APPROVERS, days=HOLD_DAYS),
    )


def _express(on: bool) -> stages.Express | None:
    return stages.Express(seconds=EXPRESS_SECONDS) if on else None


@cache
def _stream_sources(silent: bool) -> Mapping[str, StreamSource]:
    return stream_sources(replace(_stage(), events=_events(silent)))


def _events(silent: bool) -> stages.Events:
    return stages.Events(published=()) if silent else stages.EVERY_EVENT


@cache
def _parameters() -> Mapping[str, str]:
    stage = _stage()
    return {
        stage.receipt_keys_parameter: msgspec.json.encode({KEY_ID: KEY.hex()}).decode(),
        stage.coupon_keys_parameter: msgspec.json.encode({KEY_ID: store.CODE_KEY.hex()}).decode(),
        stage.gateway_key_parameter: GATEWAY_KEY,
        **{stage.secret_parameter(downstream, "api-key"): API_KEY for downstream in DOWNSTREAMS},
        **{
            stage.outcome_keys_parameter(downstream): msgspec.json.encode(
                {KEY_ID: OUTCOME_KEY.hex()}
            ).decode()
            for downstream in DOWNSTREAMS
        },
    }


@cache
def deployment(
    without_keys: frozenset[str],
    express: bool,
    silent: bool,
    later: frozenset[Downstream] = frozenset(),
    holds: bool = False,
    parcels: bool = False,
) -> Mapping[str, tuple[Mapping[str, str], int]]:
    """Each function's environment and timeout in seconds."""
    stage = _stage()
    downstreams = _downstreams(without_keys, later, parcels)
    functions, sources = stage.functions, _sources(later=later, parcels=parcels)
    express = express and not without_keys.issuperset(EXPRESS_CALLS) and _may_go_express(later)
    if express and without_keys:
        # Looking up first, a delivery needs a second more than the stage gives it.
        functions = replace(functions, deliver=replace(functions.deliver, timeout_seconds=31))
    stage = replace(
        stage,
        downstreams=downstreams,
        functions=functions,
        events=_events(silent),
        logs=replace(stage.logs, good_news_one_in=1),
        keeping=stages.Keeping(days=KEPT_DAYS_MIN),
        payments=stages.Payments(gateway="stripe"),
        orders=_holding(stage.orders) if holds else stage.orders,
        express=_express(express),
    )
    addresses = Addresses(
        orders_table=ORDERS_TABLE,
        prices_bucket=PRICES_BUCKET,
        archive_bucket=ARCHIVE_BUCKET,
        coupons_table=COUPONS_TABLE,
        events_topic_arn=TOPIC,
        queue_urls={name: f"{_QUEUES}/{name}" for name in sources},
        dead_letter_queue_urls={
            name: f"{_QUEUES}/{name}-dead-letters" for name in (*sources, "relay")
        },
        downstream_urls={name: one.url for name, one in downstreams.by_name().items()},
    )
    return {
        function: (settings.environment(), stage.functions.of(function).timeout_seconds)
        for function, settings in function_settings(stage, addresses).items()
    }
