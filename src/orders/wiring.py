"""The composition root: the only place that knows both the use cases and the adapters.

Each function is wired once per process: on AWS in Lambda's init phase, which has a whole processor
however little memory the function has and in which no customer waits yet (`prepare`), elsewhere at
its first event. Clock, randomness, environment, network and output enter only here (`Runtime`), so
that a simulation can run the same code.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import urllib3

from orders.aws.archive import ArchiveReader
from orders.aws.bucket import Bucket
from orders.aws.clients import Client, client
from orders.aws.coupon_tries import DynamoCouponTries
from orders.aws.coupons import DynamoCoupons
from orders.aws.messages import messages_in
from orders.aws.parameters import SecureParameter, SsmSigningKeys
from orders.aws.price_books import PublishedPriceBooks
from orders.aws.queues import (
    CHECKS_BATCHED_MAX,
    COMMANDS_BATCHED_MAX,
    SqsBacklogs,
    SqsChangeDeadLetters,
    SqsChecks,
    SqsCommands,
    SqsDeadLetters,
    SqsInbox,
    SqsOverflow,
)
from orders.aws.signing import Sign, naming_caller, s3_headers, sigv4_for
from orders.aws.table import DynamoOrders
from orders.aws.topic import SnsEvents
from orders.domain import backoff
from orders.domain.backoff import Backoff
from orders.domain.breaker import Breaker
from orders.domain.caller import Claims
from orders.domain.keeping import DAY_MS
from orders.domain.saga import DOWNSTREAMS, Downstream
from orders.domain.units import Millis
from orders.domain.waits import (
    ARCHIVE_TRY_SECONDS,
    CALL_SECONDS,
    DELIVER_CALL_SECONDS,
    PARAMETER_INIT_WAIT_MS,
    PARAMETER_TRY_SECONDS,
)
from orders.downstream.description import ApiKey as ApiKeyHeader
from orders.downstream.description import Description, described
from orders.downstream.description import Outcomes as ToldLater
from orders.downstream.http import HttpDownstream
from orders.downstream.proofs import ApiKey, NoProof, Signature
from orders.downstream.transport import (
    CONNECT_TIMEOUT_SECONDS,
    Https,
    Pool,
    Proof,
    Transport,
)
from orders.flow.consumer import Consumer
from orders.flow.coupons import LimitedCoupons
from orders.flow.deliver import Deliver
from orders.flow.drain import Drain
from orders.flow.express import Express
from orders.flow.intake import Intake
from orders.flow.outcomes import Outcomes
from orders.flow.prices import Prices
from orders.flow.reads import Reads
from orders.flow.relay import Relay
from orders.flow.watch import Watch
from orders.flow.watchdog import Watchdog
from orders.ports import (
    Clock,
    ConcurrentMap,
    DownstreamService,
    Jitter,
    Log,
    SideBySide,
    SigningKeys,
)
from orders.settings import (
    EXPRESS_SHARE,
    ArchiveSettings,
    Called,
    DeliverSettings,
    DrainSettings,
    IntakeSettings,
    OutcomesSettings,
    PaymentsSettings,
    ReadsSettings,
    RelaySettings,
    SettingInvalid,
    WatchdogSettings,
    WithBucket,
    has_book,
)
from orders.telemetry import JsonLines

if TYPE_CHECKING:
    from orders.flow.archive import Archive
    from orders.flow.reconcile import Reconcile

_A = TypeVar("_A")

# As many as Lambda passes in at once, so that no single message waits for another one's downstream.
# Commands inside batch messages take turns, so that a downstream gets no more calls at once.
CONCURRENT_MAX = 10
#: A page of a hundred payments takes Stripe a second or so.
GATEWAY_SECONDS = 20.0
#: How much longer than for the table intake waits for the overflow queue, the second try counted.
OVERFLOW_TO_TABLE = 2


class SystemClock:
    def now(self) -> Millis:
        return Millis(time.time_ns() // 1_000_000)


class Clients(Protocol):
    def __call__(self, service: str, timeout_seconds: float = ..., /) -> Client:
        """A client of an AWS service. The same arguments return the same client."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a process gets from outside: `SYSTEM` in Lambda, a simulated world in a simulation.

    `pool` makes connections, which wait so many seconds for an answer. `sign_s3` signs a request
    for an object. `concurrent_map` processes up to so many messages at once; each of them may call
    several downstreams `side_by_side`. `sleep` waits so many seconds. `init_phase`: functions are
    wired before their first event, and read by then what each event needs.
    """

    environment: Mapping[str, str]
    client: Clients
    clock: Clock
    jitter: Jitter
    write: Callable[[str], object]
    pool: Callable[[float], urllib3.PoolManager]
    sign_s3: Sign
    concurrent_map: Callable[[int], ConcurrentMap]
    side_by_side: Callable[[int], SideBySide]
    sleep: Callable[[float], object]
    init_phase: bool = False


def wire_intake(runtime: Runtime) -> tuple[Intake, Log]:
    settings = IntakeSettings.read(runtime.environment)
    clock = runtime.clock
    intake = Intake(
        orders=DynamoOrders(
            runtime.client("dynamodb", settings.table_timeout_seconds),
            settings.orders_table,
            _archive_reader(settings, runtime),
        ),
        overflow=SqsOverflow(
            runtime.client("sqs", OVERFLOW_TO_TABLE * settings.table_timeout_seconds),
            settings.overflow_queue_url,
        ),
        receipt_keys=SsmSigningKeys(_prepared(settings.receipt_keys_parameter, runtime)),
        prices=_prices(settings, runtime),
        clock=clock,
        currencies=frozenset(settings.currencies.split(",")),
        claims=Claims(
            settings.retail_customer_claim,
            settings.wholesale_customer_claim,
            settings.groups_claim,
            settings.wholesale_group,
            settings.limit_claim,
            settings.approver_group,
        ),
        hold_ms=(settings.hold_days or 0) * DAY_MS,
        express=settings.express,
        coupons=_limited_coupons(settings, runtime),
        purchase_orders_unique=settings.purchase_orders_unique,
        coupon_tries=_coupon_tries(settings, runtime),
    )
    return intake, _log(runtime, settings.good_news_one_in)


def _prices(settings: IntakeSettings, runtime: Runtime) -> Prices:
    parameter = settings.price_keys_parameter
    return Prices(
        books=_price_books(settings, runtime) if has_book(settings.prices) else None,
        signing_keys=None if parameter is None else SsmSigningKeys(_prepared(parameter, runtime)),
        grace_ms=settings.price_grace_seconds * 1000,
    )


def _price_books(settings: IntakeSettings, runtime: Runtime) -> PublishedPriceBooks:
    # An order waits as long for the bucket as for the table, which has two tries too.
    try_seconds = settings.table_timeout_seconds / 2
    books = PublishedPriceBooks(
        _bucket(settings.prices_bucket, settings, runtime, try_seconds),
        runtime.clock,
        _log(runtime),
        begin_within_ms=round(settings.table_timeout_seconds * 1000),
    )
    if runtime.init_phase:
        books.prepare()
    return books


def _bucket(name: str, settings: WithBucket, runtime: Runtime, try_seconds: float) -> Bucket:
    endpoint = settings.aws_endpoint_url
    url = f"https://{name}.s3.{settings.aws_region}.amazonaws.com"
    url = url if endpoint is None else f"{endpoint}/{name}"
    return Bucket(url, runtime.pool(try_seconds), runtime.sign_s3)


def _archive_reader(
    settings: IntakeSettings | ReadsSettings | PaymentsSettings, runtime: Runtime
) -> ArchiveReader:
    return ArchiveReader(
        _bucket(settings.archive_bucket, settings, runtime, ARCHIVE_TRY_SECONDS),
        runtime.clock,
        runtime.concurrent_map(CONCURRENT_MAX),
    )


def _parameter(name: str, runtime: Runtime) -> SecureParameter:
    ssm = partial(runtime.client, "ssm", PARAMETER_TRY_SECONDS)
    return SecureParameter(ssm, name, runtime.clock, runtime.jitter, runtime.sleep)


def _prepared(
    name: str, runtime: Runtime, wait_ms: int = PARAMETER_INIT_WAIT_MS
) -> SecureParameter:
    """A parameter that each event needs. `wait_ms`: for a read that is tried again."""
    parameter = _parameter(name, runtime)
    if runtime.init_phase:
        parameter.prepare(wait_ms)
    return parameter


def _coupon_tries(settings: IntakeSettings, runtime: Runtime) -> DynamoCouponTries | None:
    if not has_book(settings.prices):
        return None
    client = runtime.client("dynamodb", settings.table_timeout_seconds)
    return DynamoCouponTries(client, settings.coupons_table)


def _limited_coupons(settings: IntakeSettings, runtime: Runtime) -> LimitedCoupons | None:
    transacts = settings.purchase_orders_unique or settings.limit_claim is not None
    if not has_book(settings.prices) and not transacts:
        return None
    client = runtime.client("dynamodb", settings.table_timeout_seconds)
    return LimitedCoupons(
        DynamoCoupons(client, settings.orders_table, settings.coupons_table, runtime.clock),
        # Not prepared: only an order with a single-use code needs it.
        SsmSigningKeys(_parameter(settings.coupon_keys_parameter, runtime)),
    )


def wire_drain(runtime: Runtime) -> tuple[Consumer, Drain]:
    settings = DrainSettings.read(runtime.environment)
    drain = Drain(DynamoOrders(runtime.client("dynamodb"), settings.orders_table))
    return _consumer("drain", settings, runtime, backoff.DRAIN), drain


def wire_relay(runtime: Runtime) -> tuple[Relay, Clock, Log]:
    settings = RelaySettings.read(runtime.environment)
    sqs = runtime.client("sqs")
    relay = Relay(
        commands=SqsCommands(sqs, settings.queue_urls, COMMANDS_BATCHED_MAX),
        events=_events(settings, runtime),
        checks=SqsChecks(sqs, settings.watchdog_queue_url, CHECKS_BATCHED_MAX),
        coupons=_coupons(settings, runtime),
        dead_letters=SqsChangeDeadLetters(
            SqsDeadLetters(sqs, settings.relay_dead_letter_queue_url)
        ),
    )
    return relay, runtime.clock, _log(runtime)


def wire_deliver(runtime: Runtime) -> tuple[Consumer, Deliver]:
    settings = DeliverSettings.read(runtime.environment)
    own = settings.called[settings.downstream]
    deliver = Deliver(
        orders=DynamoOrders(
            runtime.client("dynamodb", DELIVER_CALL_SECONDS), settings.orders_table
        ),
        downstream=downstream_service(settings.downstream, own, own.timeout_seconds, runtime),
        downstream_name=settings.downstream,
        clock=runtime.clock,
        turns_ms=round(settings.turns_seconds * 1000),
        express=_express(settings, runtime),
        asks=backoff.TOLD
        if described(own.description, settings.downstream).outcomes
        else backoff.ASK,
    )
    consumer = replace(
        _consumer("deliver", settings, runtime, backoff.DELIVER, DELIVER_CALL_SECONDS),
        concurrent_map=runtime.concurrent_map(CONCURRENT_MAX),
        log=_log(runtime, settings.good_news_one_in),
        finish_ms=round(settings.finish_seconds * 1000),
    )
    return consumer, deliver


def _express(settings: DeliverSettings, runtime: Runtime) -> Express | None:
    if settings.express_seconds is None:
        return None
    downstreams: dict[Downstream, DownstreamService] = {}
    for name, called in settings.called.items():
        if name == settings.downstream:
            continue
        within = min(called.timeout_seconds, settings.express_seconds / 2)
        # An order can do without it, and the init phase has 10 s: one try for its key.
        downstreams[name] = downstream_service(name, called, within, runtime, key_wait_ms=0)
    return Express(
        downstreams=downstreams,
        breakers={name: Breaker() for name in downstreams},
        side_by_side=runtime.side_by_side(round(CONCURRENT_MAX * EXPRESS_SHARE)),
        clock=runtime.clock,
        budget_ms=round(settings.express_seconds * 1000),
    )


def downstream_service(
    name: Downstream,
    called: Called,
    timeout_seconds: float,
    runtime: Runtime,
    *,
    key_wait_ms: int = PARAMETER_INIT_WAIT_MS,
) -> HttpDownstream:
    """How a delivery calls this downstream. `key_wait_ms`: for a read of its secrets in the init
    phase that is tried again."""
    description = described(called.description, name)
    return HttpDownstream(
        description=description,
        url=called.url.rstrip("/"),
        send=_transport(name, called, description, timeout_seconds, runtime, key_wait_ms),
        clock=runtime.clock,
        look_up_first=called.idempotency == "lookup",
    )


def _transport(
    name: Downstream,
    called: Called,
    description: Description,
    timeout_seconds: float,
    runtime: Runtime,
    key_wait_ms: int,
) -> Transport:
    if description.by == "https":
        return Https(
            _pool(name, called, timeout_seconds, runtime, key_wait_ms),
            _proof(called, description.api_key, runtime, key_wait_ms),
            runtime.clock,
            timeout_seconds,
        )
    # Few stages have one, and somebody waits for a delivery's cold start.
    from orders.downstream.direct import Function, Queue

    return (Function if description.by == "lambda" else Queue)(
        pool=runtime.pool(timeout_seconds),
        sign=naming_caller(sigv4_for(*called.signing)),
        clock=runtime.clock,
        timeout_seconds=timeout_seconds,
        endpoint=runtime.environment.get("AWS_ENDPOINT_URL"),
    )


def wire_watchdog(runtime: Runtime) -> tuple[Consumer, Watchdog, Watch]:
    settings = WatchdogSettings.read(runtime.environment)
    sqs = runtime.client("sqs")
    queues = {
        downstream: (queue_url, settings.dead_letter_queue_urls[downstream])
        for downstream, queue_url in settings.queue_urls.items()
    }
    watchdog = Watchdog(
        orders=DynamoOrders(runtime.client("dynamodb"), settings.orders_table),
        backlogs=SqsBacklogs(sqs, queues, runtime.clock),
        commands=SqsCommands(sqs, settings.queue_urls),
        events=_events(settings, runtime),
        checks=SqsChecks(sqs, settings.queue_url),
        coupons=_coupons(settings, runtime),
        clock=runtime.clock,
    )
    watch = Watch(
        checks=SqsChecks(sqs, settings.queue_url, CHECKS_BATCHED_MAX),
        dead_letters=SqsChangeDeadLetters(SqsDeadLetters(sqs, settings.dead_letter_queue_url)),
    )
    waits = Backoff(settings.delay_seconds, backoff.WATCH_MAX_SECONDS)
    return _consumer("watchdog", settings, runtime, waits), watchdog, watch


def wire_reads(runtime: Runtime) -> tuple[Reads, Log]:
    settings = ReadsSettings.read(runtime.environment)
    orders = DynamoOrders(
        runtime.client("dynamodb"), settings.orders_table, _archive_reader(settings, runtime)
    )
    claims = Claims(settings.retail_customer_claim, settings.wholesale_customer_claim)
    return Reads(orders, runtime.clock, claims), _log(runtime)


@dataclass(frozen=True, slots=True)
class Telling:
    """A downstream that tells. `keys`: of what its callbacks are signed with, None where it tells
    by its queue alone."""

    described: ToldLater
    consumer: Consumer
    keys: SigningKeys | None = None


def wire_outcomes(runtime: Runtime) -> tuple[Mapping[Downstream, Telling], Outcomes]:
    settings = OutcomesSettings.read(runtime.environment)
    sqs, log = runtime.client("sqs"), _log(runtime)
    tellers: dict[Downstream, Telling] = {}
    for name, told_by in settings.told_by.items():
        outcomes = described(told_by.description, name).outcomes
        if outcomes is None:
            raise SettingInvalid(f"The description {told_by.description} has no [outcomes].")
        dead_letters = SqsDeadLetters(sqs, told_by.dead_letter_queue_url)
        consumer = Consumer(
            "outcomes",
            SqsInbox(sqs, told_by.queue_url, dead_letters),
            runtime.clock,
            runtime.jitter,
            log,
            backoff.DRAIN,
        )
        parameter = told_by.keys_parameter
        keys = None if parameter is None else SsmSigningKeys(_prepared(parameter, runtime))
        tellers[name] = Telling(outcomes, consumer, keys)
    return tellers, Outcomes(DynamoOrders(runtime.client("dynamodb"), settings.orders_table))


def wire_archive(runtime: Runtime) -> tuple[Archive, Log]:
    # It alone needs these, and the others' customers wait for their cold starts.
    from orders.aws.archiving import DynamoArchiving
    from orders.flow.archive import Archive

    settings = ArchiveSettings.read(runtime.environment)
    archiving = DynamoArchiving(
        client=runtime.client("dynamodb"),
        table=settings.orders_table,
        bucket=_bucket(settings.archive_bucket, settings, runtime, CALL_SECONDS),
        clock=runtime.clock,
        jitter=runtime.jitter,
        concurrent_map=runtime.concurrent_map(CONCURRENT_MAX),
        sleep=runtime.sleep,
        run_ms=settings.run_seconds * 1000,
    )
    archive = Archive(
        archiving,
        runtime.clock,
        days=settings.keep_days,
        imported=settings.keep_imported == "archive",
        run_seconds=settings.run_seconds,
    )
    return archive, _log(runtime)


def wire_payments(runtime: Runtime) -> tuple[Reconcile, PaymentsSettings, Log]:
    # It alone needs these.
    from orders.aws.queues import SqsBuffered
    from orders.flow.reconcile import Reconcile
    from orders.gateways.stripe import Stripe

    settings = PaymentsSettings.read(runtime.environment)
    key = _parameter(settings.gateway_key_parameter, runtime)
    reconcile = Reconcile(
        gateway=Stripe(runtime.pool(GATEWAY_SECONDS), key.text, settings.gateway_url),
        orders=DynamoOrders(
            runtime.client("dynamodb"), settings.orders_table, _archive_reader(settings, runtime)
        ),
        buffered=SqsBuffered(
            runtime.client("sqs"),
            settings.overflow_queue_url,
            settings.overflow_dead_letter_queue_url,
        ),
        clock=runtime.clock,
        concurrent_map=runtime.concurrent_map(CONCURRENT_MAX),
        returns_max=settings.refunds_max,
        events=_events(settings, runtime),
    )
    return reconcile, settings, _log(runtime)


def _consumer(
    step: str,
    settings: DeliverSettings | DrainSettings | WatchdogSettings,
    runtime: Runtime,
    waits: Backoff,
    call_seconds: float = CALL_SECONDS,
) -> Consumer:
    sqs = runtime.client("sqs", call_seconds)
    return Consumer(
        step,
        SqsInbox(sqs, settings.queue_url, SqsDeadLetters(sqs, settings.dead_letter_queue_url)),
        runtime.clock,
        runtime.jitter,
        _log(runtime),
        waits,
        unbatch=messages_in,
    )


def _events(
    settings: RelaySettings | WatchdogSettings | PaymentsSettings, runtime: Runtime
) -> SnsEvents:
    return SnsEvents(runtime.client("sns"), settings.events_topic_arn, settings.published_types)


def _coupons(settings: RelaySettings | WatchdogSettings, runtime: Runtime) -> DynamoCoupons:
    return DynamoCoupons(
        runtime.client("dynamodb"), settings.orders_table, settings.coupons_table, runtime.clock
    )


def _proof(called: Called, api_key: ApiKeyHeader, runtime: Runtime, key_wait_ms: int) -> Proof:
    if called.api_key_parameter is not None:
        key = _prepared(called.api_key_parameter, runtime, key_wait_ms)
        return ApiKey(key, api_key.header, api_key.prefix)
    if called.auth == "sigv4":
        return Signature(sigv4_for(*called.signing))
    if called.oauth is None:
        return NoProof()
    # As with a function or a queue.
    from orders.downstream.oauth import ClientCredentials

    return ClientCredentials(
        token_url=called.oauth.token_url,
        client_id=called.oauth.client_id,
        secret=_prepared(called.oauth.secret_parameter, runtime, key_wait_ms),
        pool=runtime.pool(called.timeout_seconds),
        clock=runtime.clock,
        timeout_seconds=called.timeout_seconds,
        scope=called.oauth.scope,
        audience=called.oauth.audience,
        client_auth=called.oauth.client_auth,
    )


def _pool(
    name: Downstream, called: Called, timeout_seconds: float, runtime: Runtime, key_wait_ms: int
) -> Pool:
    certificate, authorities = (
        None if parameter is None else _prepared(parameter, runtime, key_wait_ms)
        for parameter in (called.client_certificate_parameter, called.server_ca_parameter)
    )
    make = partial(runtime.pool, timeout_seconds)
    if certificate is None and authorities is None:
        return make()
    # As with a function or a queue.
    from orders.downstream.certificates import CertifiedPool, days_left

    def loaded(ends_at: Millis) -> None:
        days = days_left(ends_at, runtime.clock.now())
        if days is not None:
            _log(runtime)(
                "deliver",
                "certificate_ends",
                downstream=name,
                detail=f"the client certificate ends in {days} days",
            )

    return CertifiedPool(make, loaded, certificate, authorities)


def _log(runtime: Runtime, good_news_one_in: int = 1) -> Log:
    return JsonLines(runtime.write, runtime.clock.now, good_news_one_in)


def _connections(timeout_seconds: float) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        maxsize=CONCURRENT_MAX,
        timeout=urllib3.Timeout(
            total=timeout_seconds, connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds)
        ),
    )


def _threads(count: int) -> ConcurrentMap:
    return ThreadPoolExecutor(count).map


def _side_by_side(count: int) -> SideBySide:
    """By threads of each downstream's own, so many of each: one that lets all of its calls hang
    has none left for more, and takes none of another's."""
    # Made here: of ten deliveries whose first call it is, each could make one of its own.
    # A pool starts its threads when they are needed.
    threads = {name: ThreadPoolExecutor(count) for name in DOWNSTREAMS}

    def side_by_side(
        calls: Mapping[Downstream, Callable[[], _A]], within_seconds: float
    ) -> Mapping[Downstream, _A]:
        under_way = {threads[name].submit(call): name for name, call in calls.items()}
        over, late = wait(under_way, within_seconds)
        for call in late:
            call.cancel()
        return {under_way[call]: call.result() for call in over}

    return side_by_side


def _write(line: str) -> None:
    sys.stdout.write(line)


SYSTEM = Runtime(
    environment=os.environ,
    client=client,
    clock=SystemClock(),
    # It only spreads retries, so it may be predictable.
    jitter=random.random,
    write=_write,
    pool=_connections,
    sign_s3=s3_headers,
    concurrent_map=_threads,
    side_by_side=_side_by_side,
    sleep=time.sleep,
    # Set by Lambda alone: the emulator has no init phase.
    init_phase="AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ,
)


def prepare(wired: Callable[[], object]) -> None:
    """For a handler's module, which Lambda imports in the init phase: wire the function then."""
    if SYSTEM.init_phase:
        wired()


intake = cache(partial(wire_intake, SYSTEM))
drain = cache(partial(wire_drain, SYSTEM))
relay = cache(partial(wire_relay, SYSTEM))
deliver = cache(partial(wire_deliver, SYSTEM))
watchdog = cache(partial(wire_watchdog, SYSTEM))
reads = cache(partial(wire_reads, SYSTEM))
outcomes = cache(partial(wire_outcomes, SYSTEM))
archive = cache(partial(wire_archive, SYSTEM))
payments = cache(partial(wire_payments, SYSTEM))
