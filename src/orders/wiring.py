"""The composition root: the only place that knows both the use cases and the adapters.

Parts are made once per process, at the first event. Clock, randomness, environment and output
enter here and nowhere else, which is what lets a simulation run the same code.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

import urllib3

from orders.aws.clients import client
from orders.aws.parameters import SecureParameter, SsmReceiptKeys
from orders.aws.queues import (
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
from orders.flow.desk import Desk
from orders.flow.drain import Drain
from orders.flow.intake import Intake
from orders.flow.reads import Reads
from orders.flow.relay import Relay
from orders.flow.watchdog import Watchdog
from orders.ports import Clock, Log
from orders.settings import (
    DeliverSettings,
    DrainSettings,
    IntakeSettings,
    ReadsSettings,
    RelaySettings,
    WatchdogSettings,
)
from orders.telemetry import JsonLines

# As many as one batch holds, so that no message waits for another one's downstream.
SIDE_BY_SIDE_MAX = 10
CONNECT_TIMEOUT_SECONDS = 2.0


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000


class SideBySide(Protocol):
    def __call__(
        self, work: Callable[[Mapping[str, Any]], bool], records: Iterable[Mapping[str, Any]], /
    ) -> Iterable[bool]:
        """The results of `work` on each record, in the order of the records."""


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


@cache
def intake() -> IntakeParts:
    settings = IntakeSettings.read(os.environ)
    clock = SystemClock()
    keys = SecureParameter(partial(client, "ssm"), settings.receipt_keys_parameter, clock)
    return IntakeParts(
        Intake(
            orders=DynamoOrders(
                client("dynamodb", settings.table_timeout_seconds), settings.orders_table
            ),
            overflow=SqsOverflow(client("sqs"), settings.overflow_queue_url),
            receipt_keys=SsmReceiptKeys(keys),
            clock=clock,
            currencies=settings.currencies,
        ),
        settings,
        clock,
        _log(settings.stage, clock),
    )


@cache
def drain() -> DrainParts:
    settings = DrainSettings.read(os.environ)
    return DrainParts(
        Drain(DynamoOrders(client("dynamodb"), settings.orders_table)),
        _desk("drain", settings, SystemClock(), backoff.DRAIN),
    )


@cache
def relay() -> RelayParts:
    settings = RelaySettings.read(os.environ)
    clock = SystemClock()
    sqs = client("sqs")
    return RelayParts(
        Relay(
            commands=SqsCommands(sqs, settings.queue_urls),
            events=SnsEvents(client("sns"), settings.events_topic_arn),
            watches=SqsWatches(sqs, settings.watchdog_queue_url),
            unrelayed=SqsUnrelayed(SqsDeadLetters(sqs, settings.dead_letter_queue_url)),
        ),
        clock,
        _log(settings.stage, clock),
    )


@cache
def deliver() -> DeliverParts:
    settings = DeliverSettings.read(os.environ)
    clock = SystemClock()
    downstream = HttpDownstream(
        request_of=REQUEST_OF[settings.downstream],
        url=settings.url,
        pool=urllib3.PoolManager(
            maxsize=SIDE_BY_SIDE_MAX,
            timeout=urllib3.Timeout(
                connect=min(CONNECT_TIMEOUT_SECONDS, settings.timeout_seconds),
                read=settings.timeout_seconds,
            ),
        ),
        authorise=_authorise(settings, clock),
        clock=clock,
        look_up_first=settings.idempotency == "lookup",
    )
    return DeliverParts(
        Deliver(
            orders=DynamoOrders(client("dynamodb"), settings.orders_table),
            downstream=downstream,
        ),
        _desk("deliver", settings, clock, backoff.DELIVER),
        settings,
        ThreadPoolExecutor(SIDE_BY_SIDE_MAX).map,
    )


@cache
def watchdog() -> WatchdogParts:
    settings = WatchdogSettings.read(os.environ)
    clock = SystemClock()
    sqs = client("sqs")
    return WatchdogParts(
        Watchdog(
            orders=DynamoOrders(client("dynamodb"), settings.orders_table),
            backlogs=SqsBacklogs(
                sqs,
                {
                    downstream: (queue_url, settings.dead_letter_queue_urls[downstream])
                    for downstream, queue_url in settings.queue_urls.items()
                },
                clock,
            ),
            commands=SqsCommands(sqs, settings.queue_urls),
            events=SnsEvents(client("sns"), settings.events_topic_arn),
            watches=SqsWatches(sqs, settings.queue_url),
        ),
        _desk(
            "watchdog",
            settings,
            clock,
            Backoff(settings.delay_seconds, backoff.WATCH_MAX_SECONDS),
        ),
    )


@cache
def reads() -> ReadsParts:
    settings = ReadsSettings.read(os.environ)
    return ReadsParts(
        Reads(DynamoOrders(client("dynamodb"), settings.orders_table)),
        _log(settings.stage, SystemClock()),
    )


def _desk(
    step: str,
    settings: DeliverSettings | DrainSettings | WatchdogSettings,
    clock: Clock,
    waits: Backoff,
) -> Desk:
    sqs = client("sqs")
    return Desk(
        step,
        SqsInbox(sqs, settings.queue_url, SqsDeadLetters(sqs, settings.dead_letter_queue_url)),
        clock,
        # Spreads retries; nobody gains by guessing it.
        random.random,
        _log(settings.stage, clock),
        waits,
    )


def _authorise(settings: DeliverSettings, clock: Clock) -> Authorise:
    if settings.api_key_parameter is None:
        return sigv4_headers
    key = SecureParameter(partial(client, "ssm"), settings.api_key_parameter, clock)

    def with_api_key(
        _method: str, _url: str, headers: Mapping[str, str], _body: bytes
    ) -> dict[str, str]:
        return {**headers, "x-api-key": key.text()}

    return with_api_key


def _log(stage: str, clock: Clock) -> Log:
    return JsonLines(sys.stdout.write, clock.now, stage)
