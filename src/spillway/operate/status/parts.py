"""The path of an order, function by function: what waits there, how long, how often it runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.metrics import BEHIND, ERRORS, OLDEST, RUNS, Metric
from spillway.operate.status.messages import peek
from spillway.target.reading import read_depths, read_invocations
from spillway.target.records import Depth
from spillway.target.service import FUNCTIONS, Service

#: The minute that a rate is of. AWS publishes a minute's metrics some minutes later.
RATE_SECONDS = 60
RATE_LAG_SECONDS = 180
#: A data point that is older than this is ignored.
AGE_FRESH_SECONDS = 600

#: The queue that each function reads. Relay reads the table's stream.
QUEUE_OF: Mapping[str, str] = {
    "drain": "overflow",
    "deliver-inventory": "inventory",
    "deliver-fulfilment": "fulfilment",
    "deliver-accounting": "accounting",
    "watchdog": "watchdog",
}
#: The name of each function's dead-letter queue.
DEAD_LETTERS_OF: Mapping[str, str] = {**QUEUE_OF, "relay": "relay"}

_CALLS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One function and what waits before it; `name` is the function's.

    `queue`, None where it has none: `visible` messages wait, those `in_flight` are being handled or
    wait for their next attempt, those `delayed` are not due yet. `oldest_seconds` is the age of the
    oldest message (for relay: of the oldest change in the stream), None where there is none or it
    is not known. `runs` and `errors` are of the last measured minute; `errors` is None where it is
    not known.
    """

    name: str
    queue: Depth | None
    oldest_seconds: int | None
    dead_letters: int
    runs: int
    errors: int | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What CloudWatch measures each minute: the age of each queue's oldest message, the age of the
    oldest change in relay's stream, and each function's runs and errors."""

    ages: Mapping[str, int]
    stream_age: int | None
    rates: Mapping[str, tuple[int, int | None]]


def read_parts(service: Service, *, now: float | None = None) -> list[Part]:
    """Every function, in the order of the path. `now` is Unix seconds."""
    depths = read_depths(service.sqs, service.queues)
    return parts_of(depths, read_measured(service, depths, now=now))


def read_measured(
    service: Service, depths: Iterable[Depth], *, now: float | None = None
) -> Measured:
    """The part that changes only once a minute. `now` is Unix seconds."""
    at = time.time() if now is None else now
    holding = [depth.queue for depth in depths if depth.messages]
    return Measured(_ages(service, holding, at), _stream_age(service, at), _rates(service, at))


def parts_of(depths: Iterable[Depth], measured: Measured) -> list[Part]:
    """Combine depths and measurements, which may be of two different times."""
    known = {depth.queue: depth for depth in depths}
    return [
        Part(
            name,
            known.get(QUEUE_OF.get(name, "")),
            _age(name, known, measured),
            _dead_letters(name, known),
            *measured.rates[name],
        )
        for name in FUNCTIONS
    ]


def _age(function: str, depths: Mapping[str, Depth], measured: Measured) -> int | None:
    if function == "relay":
        return measured.stream_age
    depth = depths.get(QUEUE_OF.get(function, ""))
    return measured.ages.get(depth.queue) if depth is not None and depth.messages else None


def _dead_letters(function: str, depths: Mapping[str, Depth]) -> int:
    source = DEAD_LETTERS_OF.get(function)
    return 0 if source is None else depths[f"{source}_dead_letter"].messages


def _ages(service: Service, holding: Sequence[str], now: float) -> dict[str, int]:
    """The age of the oldest message of each queue that holds any."""
    if not holding:
        return {}
    if service.emulator is not None:
        return _ages_on_emulator(service, holding, now)
    ages = {}
    for name in holding:
        points = _recent(service, OLDEST, service.queue_name(name), now, AGE_FRESH_SECONDS)
        if points:
            ages[name] = round(points[-1][1])
    return ages


def _stream_age(service: Service, now: float) -> int | None:
    points = _recent(service, BEHIND, service.resource_name("relay"), now, AGE_FRESH_SECONDS)
    return round(points[-1][1] / 1000) if points else None


def _ages_on_emulator(service: Service, holding: Sequence[str], now: float) -> dict[str, int]:
    """The emulator has no such metric, but shows the messages themselves."""
    sent = {name: [message.sent_at for message in peek(service, name)] for name in holding}
    return {name: max(0, round(now - min(times) / 1000)) for name, times in sent.items() if times}


def _rates(service: Service, now: float) -> dict[str, tuple[int, int | None]]:
    """How often each function ran and failed in the last measured minute."""
    if service.emulator is not None:
        # It does not count runs that a queue, a stream or the API started, but it logs each end.
        since = int((now - RATE_SECONDS) * 1000)
        runs = read_invocations(service.logs, since)
        return {name: (runs.get(service.resource_name(name), 0), None) for name in FUNCTIONS}
    service.make_client("cloudwatch")
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        rates = pool.map(lambda name: _rate_on_aws(service, name, now), FUNCTIONS)
        return dict(zip(FUNCTIONS, rates, strict=True))


def _rate_on_aws(service: Service, function: str, now: float) -> tuple[int, int | None]:
    name, seconds = service.resource_name(function), RATE_SECONDS + RATE_LAG_SECONDS
    runs, errors = (_recent(service, metric, name, now, seconds) for metric in (RUNS, ERRORS))
    return round(sum(value for _, value in runs[-1:])), round(sum(v for _, v in errors[-1:]))


def _recent(
    service: Service, metric: Metric, of: str, now: float, seconds: float
) -> list[tuple[float, float]]:
    """The metric's last `seconds`, for the queue or function named `of`."""
    return statistics(
        service,
        metric.namespace,
        metric.name,
        {metric.dimension: of},
        metric.statistic,
        start=now - seconds,
        end=now,
    )


def statistics(
    service: Service,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, str],
    statistic: str,
    *,
    start: float,
    end: float,
    period: int = RATE_SECONDS,
) -> list[tuple[float, float]]:
    """A metric's data points: (Unix seconds, value), oldest first.

    `statistic` may be a percentile, like p99. It uses `GetMetricStatistics`, because
    `GetMetricData` has no free requests.
    """
    percentile = statistic.startswith("p")
    # A statistic's name is a value here, which the client's types don't allow.
    cloudwatch: Any = service.cloudwatch
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=datetime.fromtimestamp(start, UTC),
        EndTime=datetime.fromtimestamp(end, UTC),
        Period=period,
        **{"ExtendedStatistics" if percentile else "Statistics": [statistic]},
    )
    points = (
        (
            point["Timestamp"].timestamp(),
            (point["ExtendedStatistics"] if percentile else point)[statistic],
        )
        for point in answer["Datapoints"]
    )
    return sorted(points)
