"""The composition root: the only place that knows both the use cases and the adapters.

Parts are made once per process, at the first event. Clock, randomness, environment, network and
output enter here and nowhere else (`Runtime`), which is what lets a simulation run the same code.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

import urllib3

from orders.aws.clients import Client, client
from orders.aws.parameters import SecureParameter, SsmReceiptKeys
from orders.aws.queues import (
    CHECKS_BATCHED_MAX,
    COMMANDS_BATCHED_MAX,
    SqsBacklogs,
    SqsChecks,
    SqsCommands,
    SqsDeadLetters,
    SqsInbox,
    SqsOverflow,
    SqsRelayDeadLetters,
)
from orders.aws.signing import sigv4_headers
from orders.aws.table import DynamoOrders
from orders.aws.topic import SnsEvents
from orders.domain import backoff
from orders.domain.backoff import Backoff
from orders.downstream import REQUEST_OF
from orders.downstream.http import Authorise, HttpDownstream
from orders.flow.deliver import Deliver
from orders.flow.desk import ConcurrentMap, Desk
from orders.flow.drain import Drain
from orders.flow.intake import Intake
from orders.flow.reads import Reads
from orders.flow.relay import Relay
from orders.flow.watchdog import Watchdog
from orders.ports import Clock, Jitter, Log, RelayDeadLetters
from orders.settings import (
    DeliverSettings,
    DrainSettings,
    IntakeSettings,
    ReadsSettings,
    RelaySettings,
    WatchdogSettings,
)
from orders.telemetry import JsonLines

# As many as a batch has messages, so that none that came by itself waits for another one's
# downstream. The commands of packs take turns: what a downstream bears at once stays as it is.
SIDE_BY_SIDE_MAX = 10
CONNECT_TIMEOUT_SECONDS = 2.0


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000


class Clients(Protocol):
    def __call__(self, service: str, timeout_seconds: float = ..., /) -> Client:
        """A client of an AWS service: the same one whenever the same is asked for."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """All that a process is given: `SYSTEM` in Lambda, a world of its own in a simulation.

    `pool`: connections to a downstream that wait so many seconds for an answer. `concurrent_map`:
    has up to so many messages attended to at once.
    """

    environment: Mapping[str, str]
    client: Clients
    clock: Clock
    jitter: Jitter
    write: Callable[[str], object]
    pool: Callable[[float], urllib3.PoolManager]
    concurrent_map: Callable[[int], ConcurrentMap]


@dataclass(frozen=True, slots=True)
class IntakeParts:
    intake: Intake
    settings: IntakeSettings
    clock: Clock
    log: Log


@dataclass(frozen=True, slots=True)
class DrainParts:
    drain: Drain
    desk: Desk


@dataclass(frozen=True, slots=True)
class RelayParts:
    relay: Relay
    relay_dead_letters: RelayDeadLetters
    clock: Clock
    log: Log


@dataclass(frozen=True, slots=True)
class DeliverParts:
    deliver: Deliver
    desk: Desk
    settings: DeliverSettings
    concurrent_map: ConcurrentMap


@dataclass(frozen=True, slots=True)
class WatchdogParts:
    watchdog: Watchdog
    desk: Desk


@dataclass(frozen=True, slots=True)
class ReadsParts:
    reads: Reads
    log: Log


def wire_intake(runtime: Runtime) -> IntakeParts:
    settings = IntakeSettings.read(runtime.environment)
    clock = runtime.clock
    keys = SecureParameter(partial(runtime.client, "ssm"), settings.receipt_keys_parameter, clock)
    return IntakeParts(
        Intake(
            orders=DynamoOrders(
                runtime.client("dynamodb", settings.table_timeout_seconds), settings.orders_table
            ),
            overflow=SqsOverflow(runtime.client("sqs"), settings.overflow_queue_url),
            receipt_keys=SsmReceiptKeys(keys),
            clock=clock,
            currencies=settings.currencies,
        ),
        settings,
        clock,
        _log(runtime),
    )


def wire_drain(runtime: Runtime) -> DrainParts:
    settings = DrainSettings.read(runtime.environment)
    return DrainParts(
        Drain(DynamoOrders(runtime.client("dynamodb"), settings.orders_table)),
        _desk("drain", settings, runtime, backoff.DRAIN),
    )


def wire_relay(runtime: Runtime) -> RelayParts:
    settings = RelaySettings.read(runtime.environment)
    clock = runtime.clock
    sqs = runtime.client("sqs")
    return RelayParts(
        Relay(
            commands=SqsCommands(
                sqs, settings.queue_urls, COMMANDS_BATCHED_MAX if settings.packs else 1
            ),
            events=SnsEvents(runtime.client("sns"), settings.events_topic_arn),
            checks=SqsChecks(
                sqs, settings.watchdog_queue_url, CHECKS_BATCHED_MAX if settings.packs else 1
            ),
        ),
        SqsRelayDeadLetters(SqsDeadLetters(sqs, settings.dead_letter_queue_url)),
        clock,
        _log(runtime),
    )


def wire_deliver(runtime: Runtime) -> DeliverParts:
    settings = DeliverSettings.read(runtime.environment)
    clock = runtime.clock
    downstream = HttpDownstream(
        request_of=REQUEST_OF[settings.downstream],
        url=settings.url,
        pool=runtime.pool(settings.timeout_seconds),
        authorise=_authorise(settings, runtime),
        clock=clock,
        look_up_first=settings.idempotency == "lookup",
    )
    return DeliverParts(
        Deliver(
            orders=DynamoOrders(runtime.client("dynamodb"), settings.orders_table),
            downstream=downstream,
        ),
        _desk("deliver", settings, runtime, backoff.DELIVER),
        settings,
        runtime.concurrent_map(SIDE_BY_SIDE_MAX),
    )


def wire_watchdog(runtime: Runtime) -> WatchdogParts:
    settings = WatchdogSettings.read(runtime.environment)
    clock = runtime.clock
    sqs = runtime.client("sqs")
    return WatchdogParts(
        Watchdog(
            orders=DynamoOrders(runtime.client("dynamodb"), settings.orders_table),
            backlogs=SqsBacklogs(
                sqs,
                {
                    downstream: (queue_url, settings.dead_letter_queue_urls[downstream])
                    for downstream, queue_url in settings.queue_urls.items()
                },
                clock,
            ),
            commands=SqsCommands(sqs, settings.queue_urls),
            events=SnsEvents(runtime.client("sns"), settings.events_topic_arn),
            checks=SqsChecks(sqs, settings.queue_url),
        ),
        _desk(
            "watchdog",
            settings,
            runtime,
            Backoff(settings.delay_seconds, backoff.WATCH_MAX_SECONDS),
        ),
    )


def wire_reads(runtime: Runtime) -> ReadsParts:
    settings = ReadsSettings.read(runtime.environment)
    return ReadsParts(
        Reads(DynamoOrders(runtime.client("dynamodb"), settings.orders_table)),
        _log(runtime),
    )


def _desk(
    step: str,
    settings: DeliverSettings | DrainSettings | WatchdogSettings,
    runtime: Runtime,
    waits: Backoff,
) -> Desk:
    sqs = runtime.client("sqs")
    return Desk(
        step,
        SqsInbox(sqs, settings.queue_url, SqsDeadLetters(sqs, settings.dead_letter_queue_url)),
        runtime.clock,
        runtime.jitter,
        _log(runtime),
        waits,
    )


def _authorise(settings: DeliverSettings, runtime: Runtime) -> Authorise:
    if settings.api_key_parameter is None:
        return sigv4_headers
    key = SecureParameter(partial(runtime.client, "ssm"), settings.api_key_parameter, runtime.clock)

    def with_api_key(
        _method: str, _url: str, headers: Mapping[str, str], _body: bytes
    ) -> dict[str, str]:
        return {**headers, "x-api-key": key.text()}

    return with_api_key


def _log(runtime: Runtime) -> Log:
    return JsonLines(runtime.write, runtime.clock.now)


def _connections(timeout_seconds: float) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        maxsize=SIDE_BY_SIDE_MAX,
        timeout=urllib3.Timeout(
            connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), read=timeout_seconds
        ),
    )


def _threads(count: int) -> ConcurrentMap:
    return ThreadPoolExecutor(count).map


def _write(line: str) -> None:
    sys.stdout.write(line)


SYSTEM = Runtime(
    environment=os.environ,
    client=client,
    clock=SystemClock(),
    # Spreads retries; nobody gains by guessing it.
    jitter=random.random,
    write=_write,
    pool=_connections,
    concurrent_map=_threads,
)

intake = cache(partial(wire_intake, SYSTEM))
drain = cache(partial(wire_drain, SYSTEM))
relay = cache(partial(wire_relay, SYSTEM))
deliver = cache(partial(wire_deliver, SYSTEM))
watchdog = cache(partial(wire_watchdog, SYSTEM))
reads = cache(partial(wire_reads, SYSTEM))
