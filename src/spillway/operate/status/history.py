"""The service over time, as charts: from CloudWatch's metrics, or from the emulator's logs.

On AWS each series is one GetMetricStatistics request, and a million a month are free; all charts
together make `REQUESTS` of them. The emulator has no metrics. There a series is counted from
the functions' log lines, and the queues' depths are known only from samples that were taken.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from infra import metrics
from spillway.operate.logs.reading import Line, lines
from spillway.operate.status.parts import QUEUE_OF, Query, query_of, statistics
from spillway.operate.status.state import Status
from spillway.target.service import FUNCTIONS, Service
from spillway.ui.statistics import percentile

LINES_MAX = 20_000
_CALLS_AT_ONCE = 8

#: (Unix seconds, value), oldest first.
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Series:
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
class Span:
    """From `start` to `end` (Unix seconds), with a point for each `period` seconds."""

    start: float
    end: float
    period: int


#: Each chart's title and unit, by its name.
_CHARTS = {
    "orders": ("Orders a minute", "orders"),
    "settling": ("Time to settle", "s"),
    "waiting": ("Messages in each queue", "messages"),
    "oldest": ("Age of the oldest message", "s"),
    "runs": ("Runs of each function a minute", "runs"),
}

#: The points of each series, by its chart's name and its own.
_Found = Mapping[tuple[str, str], Points]


def read_history(service: Service, span: Span, samples: Iterable[Status] = ()) -> list[Chart]:
    """All charts. `samples` are readings of the emulator, for the depths of its queues."""
    if service.emulator is not None:
        found = _from_lines(service, span, samples)
    else:
        found = _from_metrics(service, span)
    return [
        Chart(
            name, title, unit, [Series(one, found[key, one]) for key, one in found if key == name]
        )
        for name, (title, unit) in _CHARTS.items()
    ]


def _from_metrics(service: Service, span: Span) -> _Found:
    a_minute = 60 / span.period
    factors = {"orders": a_minute, "runs": a_minute, "settling": 0.001}

    def read(wanted: tuple[tuple[str, str], Query]) -> tuple[tuple[str, str], Points]:
        (chart, name), query = wanted
        points = statistics(service, query, start=span.start, end=span.end, period=span.period)
        factor = factors.get(chart, 1)
        return (chart, name), [(at, value * factor) for at, value in points]

    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        return dict(pool.map(read, _queries(service).items()))


def _queries(service: Service) -> dict[tuple[str, str], Query]:
    def settle(statistic: str) -> Query:
        ours = metrics.namespace(service.stage)
        return Query(ours, metrics.SETTLE_TIME.name, {}, statistic)

    queries = {
        ("orders", "accepted"): query_of(
            metrics.PLACED, service.tables["orders"], Operation="PutItem"
        ),
        ("orders", "settled"): settle("SampleCount"),
        ("settling", "p50"): settle("p50"),
        ("settling", "p99"): settle("p99"),
    }
    for queue in QUEUE_OF.values():
        queries["waiting", queue] = query_of(metrics.WAITING, service.queue_name(queue))
        queries["oldest", queue] = query_of(metrics.OLDEST, service.queue_name(queue))
    for name in FUNCTIONS:
        queries["runs", name] = query_of(metrics.RUNS, service.resource_name(name))
    return queries


#: How many requests one reading of all charts makes on AWS.
REQUESTS = 4 + 2 * len(QUEUE_OF) + len(FUNCTIONS)


def _from_lines(service: Service, span: Span, samples: Iterable[Status]) -> _Found:
    logged = lines(service, since=int(span.start * 1000), lines_max=LINES_MAX).lines
    settled = [line for line in logged if "settle_ms" in line.fields]
    accepted = [
        line
        for line in logged
        if line.function in ("intake", "drain") and line.outcome in ("accepted", "placed")
    ]
    times: dict[float, list[float]] = defaultdict(list)
    for line in settled:
        times[_bin(line.at / 1000, span)].append(line.fields["settle_ms"] / 1000)
    found: dict[tuple[str, str], Points] = defaultdict(list)
    found["orders", "accepted"] = _counted(accepted, span)
    found["orders", "settled"] = _counted(settled, span)
    found["settling", "p50"] = _percentiles(times, 0.5)
    found["settling", "p99"] = _percentiles(times, 0.99)
    for sample in samples:
        for part in sample.parts if sample.at >= span.start else ():
            found["runs", part.name].append((sample.at, part.runs))
            if part.name in QUEUE_OF:
                queue = QUEUE_OF[part.name]
                found["waiting", queue].append((sample.at, part.held))
                found["oldest", queue].append((sample.at, part.oldest_seconds or 0))
    return found


def _counted(logged: Iterable[Line], span: Span) -> Points:
    """How many lines a minute, zeros included."""
    counts = Counter(_bin(line.at / 1000, span) for line in logged)
    first, last = _bin(span.start, span), _bin(span.end, span)
    bins = (first + n * span.period for n in range(round((last - first) / span.period) + 1))
    return [(at, counts[at] * 60 / span.period) for at in bins]


def _bin(at: float, span: Span) -> float:
    return at // span.period * span.period


def _percentiles(times: Mapping[float, Sequence[float]], share: float) -> Points:
    return [(at, percentile(values, share) or 0.0) for at, values in sorted(times.items())]
