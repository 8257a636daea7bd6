"""The service over time, as charts: from CloudWatch's metrics, or from the emulator's logs.

On AWS each series is one GetMetricStatistics request, of which a million a month are free; all
charts together are `REQUESTS` of them. The emulator has no metrics. There a series is counted from
the functions' log lines, and the queues' depths are known only from samples that were taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from infra import metrics
from infra.metrics import Metric
from spillway.operate.logs.reading import Line, lines
from spillway.operate.status.parts import QUEUE_OF, Part, statistics
from spillway.target.service import FUNCTIONS, Service
from spillway.ui.statistics import percentile

LINES_MAX = 20_000
_CALLS_AT_ONCE = 8

#: (Unix seconds, value), oldest first.
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart."""

    name: str
    points: Points


@dataclass(frozen=True, slots=True)
class Chart:
    """`unit` is what the values are: a count, or `s`. All series share one axis."""

    name: str
    title: str
    unit: str
    series: Sequence[Series]


@dataclass(frozen=True, slots=True)
class Sample:
    """The parts at a moment (Unix seconds)."""

    at: float
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end` (Unix seconds), with a point for each `period` seconds."""

    start: float
    end: float
    period: int


def read_history(service: Service, span: Span, samples: Iterable[Sample] = ()) -> list[Chart]:
    """All charts. `samples` have the depths of the emulator's queues."""
    if service.emulator is not None:
        return _from_lines(service, span, samples)
    return _from_metrics(service, span)


def _charts(
    accepted: Points,
    settled: Points,
    median: Points,
    slowest: Points,
    waiting: Mapping[str, Points],
    oldest: Mapping[str, Points],
    runs: Mapping[str, Points],
) -> list[Chart]:
    def each(series: Mapping[str, Points]) -> list[Series]:
        return [Series(name, points) for name, points in series.items()]

    orders = [Series("accepted", accepted), Series("settled", settled)]
    times = [Series("p50", median), Series("p99", slowest)]
    return [
        Chart("orders", "Orders a minute", "orders", orders),
        Chart("settling", "Time to settle", "s", times),
        Chart("waiting", "Messages in each queue", "messages", each(waiting)),
        Chart("oldest", "Age of the oldest message", "s", each(oldest)),
        Chart("runs", "Runs of each function a minute", "runs", each(runs)),
    ]


# On AWS.


def _from_metrics(service: Service, span: Span) -> list[Chart]:
    service.make_client("cloudwatch")
    wanted = _wanted(service)
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        read = pool.map(lambda series: series(span), wanted.values())
        found = dict(zip(wanted, read, strict=True))

    def group(prefix: str) -> dict[str, Points]:
        return {name: points for (kind, name), points in found.items() if kind == prefix}

    return _charts(
        found["orders", "accepted"],
        found["orders", "settled"],
        found["settling", "p50"],
        found["settling", "p99"],
        group("waiting"),
        group("oldest"),
        group("runs"),
    )


_Read = Callable[[Span], Points]


def _wanted(service: Service) -> dict[tuple[str, str], _Read]:
    settle, ours = metrics.SETTLE_TIME.name, metrics.namespace(service.stage)
    placed = {"TableName": service.tables["orders"], "Operation": "PutItem"}
    wanted: dict[tuple[str, str], _Read] = {
        ("orders", "accepted"): _measured(service, metrics.PLACED, placed, by_minute=True),
        ("orders", "settled"): _series(service, ours, settle, {}, "SampleCount", by_minute=True),
        ("settling", "p50"): _series(service, ours, settle, {}, "p50", scale=0.001),
        ("settling", "p99"): _series(service, ours, settle, {}, "p99", scale=0.001),
    }
    for queue in QUEUE_OF.values():
        of = {"QueueName": service.queue_name(queue)}
        wanted["waiting", queue] = _measured(service, metrics.WAITING, of)
        wanted["oldest", queue] = _measured(service, metrics.OLDEST, of)
    for name in FUNCTIONS:
        of = {"FunctionName": service.resource_name(name)}
        wanted["runs", name] = _measured(service, metrics.RUNS, of, by_minute=True)
    return wanted


#: How many requests one reading of all charts makes.
REQUESTS = 4 + 2 * len(QUEUE_OF) + len(FUNCTIONS)


def _measured(
    service: Service, metric: Metric, of: Mapping[str, str], *, by_minute: bool = False
) -> _Read:
    return _series(
        service, metric.namespace, metric.name, of, metric.statistic, by_minute=by_minute
    )


def _series(
    service: Service,
    namespace: str,
    metric: str,
    of: Mapping[str, str],
    statistic: str,
    *,
    scale: float = 1.0,
    by_minute: bool = False,
) -> _Read:
    def read(span: Span) -> Points:
        factor = scale * (60 / span.period if by_minute else 1)
        points = statistics(
            service,
            namespace,
            metric,
            of,
            statistic,
            start=span.start,
            end=span.end,
            period=span.period,
        )
        return [(at, value * factor) for at, value in points]

    return read


# On the emulator.


def _from_lines(service: Service, span: Span, samples: Iterable[Sample]) -> list[Chart]:
    logged = lines(service, since=int(span.start * 1000), lines_max=LINES_MAX).lines
    settled = [line for line in logged if "settle_ms" in line.fields]
    accepted = [line for line in logged if _was_accepted(line)]
    times: dict[float, list[float]] = defaultdict(list)
    for line in settled:
        times[_bin(line.at / 1000, span)].append(line.fields["settle_ms"] / 1000)
    taken = [sample for sample in samples if sample.at >= span.start]
    return _charts(
        _counted(accepted, span),
        _counted(settled, span),
        _percentiles(times, 0.5),
        _percentiles(times, 0.99),
        {name: _sampled(taken, part, _messages) for part, name in QUEUE_OF.items()},
        {name: _sampled(taken, part, _age) for part, name in QUEUE_OF.items()},
        {name: _sampled(taken, name, lambda part: part.runs) for name in FUNCTIONS},
    )


def _was_accepted(line: Line) -> bool:
    return line.function in ("intake", "drain") and line.outcome in ("accepted", "placed")


def _counted(logged: Iterable[Line], span: Span) -> Points:
    """How many lines a minute, zeros included."""
    first, last = _bin(span.start, span), _bin(span.end, span)
    counts = {first + n * span.period: 0 for n in range(round((last - first) / span.period) + 1)}
    for line in logged:
        at = _bin(line.at / 1000, span)
        if at in counts:
            counts[at] += 1
    return [(at, count * 60 / span.period) for at, count in counts.items()]


def _sampled(samples: Sequence[Sample], part: str, value: Callable[[Part], Any]) -> Points:
    return [
        (sample.at, float(value(one)))
        for sample in samples
        for one in sample.parts
        if one.name == part
    ]


def _messages(part: Part) -> int:
    return 0 if part.queue is None else part.queue.visible + part.queue.in_flight


def _age(part: Part) -> int:
    return part.oldest_seconds or 0


def _bin(at: float, span: Span) -> float:
    return at // span.period * span.period


def _percentiles(times: Mapping[float, Sequence[float]], share: float) -> Points:
    return [(at, percentile(values, share) or 0.0) for at, values in sorted(times.items())]
