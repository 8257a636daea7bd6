"""The composition root: the only place that knows both the use cases and the adapters.

Parts are made once per process, at the first event. Clock, randomness, environment, network and
output enter here and nowhere else (`Outside`), which is what lets a simulation run the same code.
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
    COMMANDS_PACKED_MAX,
    WATCHES_PACKED_MAX,
    SqsBacklogs,
    SqsCommands,
    SqsDeadLetters,
    SqsInbox,
    SqsOverflow,
    SqsUnrelayed,
    SqsWatches,
)
from orders.aws.signing import sigv4_headers
from orders.aws.table import DynamoOrders
from orders.aws.topic import SnsEvents
from orders.domain import backoff
from orders.domain.backoff import Backoff
from orders.downstream import REQUEST_OF
from orders.downstream.http import Authorise, HttpDownstream
from orders.flow.deliver import Deliver
from orders.flow.desk import Desk, SideBySide
from orders.flow.drain import Drain
from orders.flow.intake import Intake
from orders.flow.reads import Reads
from orders.flow.relay import Relay
from orders.flow.watchdog import Watchdog
from orders.ports import Clock, Jitter, Log, Unrelayed
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
class Outside:
    """All that a process is given: `SYSTEM` in Lambda, a world of its own in a simulation.

    `pool`: connections to a downstream that wait so many seconds for an answer. `side_by_side`:
    has up to so many messages attended to at once.
    """

    environment: Mapping[str, str]
    client: Clients
    clock: Clock
    jitter: Jitter
    write: Callable[[str], object]
    pool: Callable[[float], urllib3.PoolManager]
    side_by_side: Callable[[int], SideBySide]


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
    unrelayed: Unrelayed
    clock: Clock
    log: Log


@dataclass(frozen=True, slots=True)
class DeliverParts:
    deliver: Deliver
    desk: Desk
    settings: DeliverSettings
    side_by_side: SideBySide


@dataclass(frozen=True, slots=True)
class WatchdogParts:
    watchdog: Watchdog
    desk: Desk


@dataclass(frozen=True, slots=True)
class ReadsParts:
    reads: Reads
    log: Log


def wire_intake(outside: Outside) -> IntakeParts:
    settings = IntakeSettings.read(outside.environment)
    clock = outside.clock
    keys = SecureParameter(partial(outside.client, "ssm"), settings.receipt_keys_parameter, clock)
    return IntakeParts(
        Intake(
            orders=DynamoOrders(
                outside.client("dynamodb", settings.table_timeout_seconds), settings.orders_table
            ),
            overflow=SqsOverflow(outside.client("sqs"), settings.overflow_queue_url),
            receipt_keys=SsmReceiptKeys(keys),
            clock=clock,
            currencies=settings.currencies,
        ),
        settings,
        clock,
        _log(outside),
    )


def wire_drain(outside: Outside) -> DrainParts:
    settings = DrainSettings.read(outside.environment)
    return DrainParts(
        Drain(DynamoOrders(outside.client("dynamodb"), settings.orders_table)),
        _desk("drain", settings, outside, backoff.DRAIN),
    )


def wire_relay(outside: Outside) -> RelayParts:
    settings = RelaySettings.read(outside.environment)
    clock = outside.clock
    sqs = outside.client("sqs")
    return RelayParts(
        Relay(
            commands=SqsCommands(
                sqs, settings.queue_urls, COMMANDS_PACKED_MAX if settings.packs else 1
            ),
            events=SnsEvents(outside.client("sns"), settings.events_topic_arn),
            watches=SqsWatches(
                sqs, settings.watchdog_queue_url, WATCHES_PACKED_MAX if settings.packs else 1
            ),
        ),
        SqsUnrelayed(SqsDeadLetters(sqs, settings.dead_letter_queue_url)),
        clock,
        _log(outside),
    )


def wire_deliver(outside: Outside) -> DeliverParts:
    settings = DeliverSettings.read(outside.environment)
    clock = outside.clock
    downstream = HttpDownstream(
        request_of=REQUEST_OF[settings.downstream],
        url=settings.url,
        pool=outside.pool(settings.timeout_seconds),
        authorise=_authorise(settings, outside),
        clock=clock,
        look_up_first=settings.idempotency == "lookup",
    )
    return DeliverParts(
        Deliver(
            orders=DynamoOrders(outside.client("dynamodb"), settings.orders_table),
            downstream=downstream,
        ),
        _desk("deliver", settings, outside, backoff.DELIVER),
        settings,
        outside.side_by_side(SIDE_BY_SIDE_MAX),
    )


def wire_watchdog(outside: Outside) -> WatchdogParts:
    settings = WatchdogSettings.read(outside.environment)
    clock = outside.clock
    sqs = outside.client("sqs")
    return WatchdogParts(
        Watchdog(
            orders=DynamoOrders(outside.client("dynamodb"), settings.orders_table),
            backlogs=SqsBacklogs(
                sqs,
                {
                    downstream: (queue_url, settings.dead_letter_queue_urls[downstream])
                    for downstream, queue_url in settings.queue_urls.items()
                },
                clock,
            ),
            commands=SqsCommands(sqs, settings.queue_urls),
            events=SnsEvents(outside.client("sns"), settings.events_topic_arn),
            watches=SqsWatches(sqs, settings.queue_url),
        ),
        _desk(
            "watchdog",
            settings,
            outside,
            Backoff(settings.delay_seconds, backoff.WATCH_MAX_SECONDS),
        ),
    )


def wire_reads(outside: Outside) -> ReadsParts:
    settings = ReadsSettings.read(outside.environment)
    return ReadsParts(
        Reads(DynamoOrders(outside.client("dynamodb"), settings.orders_table)),
        _log(outside),
    )


def _desk(
    step: str,
    settings: DeliverSettings | DrainSettings | WatchdogSettings,
    outside: Outside,
    waits: Backoff,
) -> Desk:
    sqs = outside.client("sqs")
    return Desk(
        step,
        SqsInbox(sqs, settings.queue_url, SqsDeadLetters(sqs, settings.dead_letter_queue_url)),
        outside.clock,
        outside.jitter,
        _log(outside),
        waits,
    )


def _authorise(settings: DeliverSettings, outside: Outside) -> Authorise:
    if settings.api_key_parameter is None:
        return sigv4_headers
    key = SecureParameter(partial(outside.client, "ssm"), settings.api_key_parameter, outside.clock)

    def with_api_key(
        _method: str, _url: str, headers: Mapping[str, str], _body: bytes
    ) -> dict[str, str]:
        return {**headers, "x-api-key": key.text()}

    return with_api_key


def _log(outside: Outside) -> Log:
    return JsonLines(outside.write, outside.clock.now)


def _connections(timeout_seconds: float) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        maxsize=SIDE_BY_SIDE_MAX,
        timeout=urllib3.Timeout(
            connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), read=timeout_seconds
        ),
    )


def _threads(count: int) -> SideBySide:
    return ThreadPoolExecutor(count).map


def _write(line: str) -> None:
    sys.stdout.write(line)


SYSTEM = Outside(
    environment=os.environ,
    client=client,
    clock=SystemClock(),
    # Spreads retries; nobody gains by guessing it.
    jitter=random.random,
    write=_write,
    pool=_connections,
    side_by_side=_threads,
)

intake = cache(partial(wire_intake, SYSTEM))
drain = cache(partial(wire_drain, SYSTEM))
relay = cache(partial(wire_relay, SYSTEM))
deliver = cache(partial(wire_deliver, SYSTEM))
watchdog = cache(partial(wire_watchdog, SYSTEM))
reads = cache(partial(wire_reads, SYSTEM))
