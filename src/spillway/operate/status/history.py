"""The service over time, as charts: from CloudWatch's metrics, or from the emulator's logs.

On AWS each series is one GetMetricStatistics request, and a million a month are free; all charts
together make `REQUESTS` of them. The emulator has no metrics. There a series is counted from
the functions' log lines, and the queues' depths are known only from samples that were taken.

Where good news is sampled, the metric of the time to settle has the orders in the sample: so many
times the stage's `good_news_one_in` have settled, more or less. The emulator has all lines.

A series says where nobody measured: there it has a point without a value, and a chart a gap. Where
something is counted, nothing counted is a zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from infra import metrics
from infra.metrics import DELIVERIES
from infra.stage import StageError, load
from spillway.operate.logs.reading import Line, lines
from spillway.operate.status.evaluating import PLACED
from spillway.operate.status.parts import QUEUE_OF, Query, query_of, statistics
from spillway.operate.status.state import Status
from spillway.target.service import FUNCTIONS, Service
from spillway.ui.statistics import percentile

LINES_MAX = 20_000
_CALLS_AT_ONCE = 8
#: Samples that are further apart than this have a gap between them: an open page takes one every
#: two to five seconds.
SAMPLES_APART_SECONDS = 15
#: CloudWatch shows a minute's count after some minutes.
COUNT_LAG_SECONDS = 180

#: (Unix seconds, value), oldest first. None: not measured from the point before to the one after.
Points = list[tuple[float, float | None]]


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

#: The series of each chart, by its name.
_SERIES: Mapping[str, Sequence[str]] = {
    "orders": ("accepted", "settled"),
    "settling": ("p50", "p99"),
    "waiting": tuple(QUEUE_OF.values()),
    "oldest": tuple(QUEUE_OF.values()),
    "runs": FUNCTIONS,
}

#: The points of each series, by its chart's name and its own.
_Found = Mapping[tuple[str, str], Points]


def unread_history() -> list[Chart]:
    """All charts before anything was read, without a point."""
    return [
        Chart(name, title, unit, [Series(one, []) for one in _SERIES[name]])
        for name, (title, unit) in _CHARTS.items()
    ]


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
    one_in = _good_news_one_in(service.stage)

    def read(wanted: tuple[tuple[str, str], Query]) -> tuple[tuple[str, str], Points]:
        (chart, name), query = wanted
        points = statistics(service, query, start=span.start, end=span.end, period=span.period)
        factor = factors.get(chart, 1)
        if name == "settled":
            if one_in is None:
                return (chart, name), []
            factor *= one_in
        values = [(at, value * factor) for at, value in points]
        if query.statistic in _COUNTS:
            return (chart, name), _with_zeros(values, span)
        return (chart, name), with_gaps(values, span.period)

    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        return dict(pool.map(read, _queries(service).items()))


def _good_news_one_in(stage: str) -> int | None:
    """By the stage's settings; None where they are not on this machine."""
    try:
        return load(stage).logs.good_news_one_in
    except StageError:
        return None


#: Statistics that have no data where nothing happened. All others have none where nobody measured.
_COUNTS = frozenset({"Sum", "SampleCount"})


def _with_zeros(points: Sequence[tuple[float, float]], span: Span) -> Points:
    counted = dict(points)
    for at in _bins(span.start, span.end - COUNT_LAG_SECONDS - span.period, span):
        counted.setdefault(at, 0.0)
    return [*sorted(counted.items())]


def with_gaps(points: Iterable[tuple[float, float]], apart: float) -> Points:
    """The points, with one without a value between two that are more than `apart` seconds apart."""
    found: Points = []
    for at, value in points:
        if found and at - found[-1][0] > apart:
            found.append(((found[-1][0] + at) / 2, None))
        found.append((at, value))
    return found


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
    placed, placed_span = _logged(service, span, ("intake", "drain"), "order_id")
    settled, settled_span = _logged(service, span, DELIVERIES, "settle_ms")
    accepted = [line for line in placed if line.outcome in PLACED]
    times: dict[float, list[float]] = defaultdict(list)
    for line in settled:
        times[_bin(line.at / 1000, span)].append(line.fields["settle_ms"] / 1000)
    found: dict[tuple[str, str], Points] = defaultdict(list)
    found["orders", "accepted"] = _counted(accepted, placed_span)
    found["orders", "settled"] = _counted(settled, settled_span)
    found["settling", "p50"] = _percentiles(times, 0.5, span)
    found["settling", "p99"] = _percentiles(times, 0.99, span)
    return found | _from_samples([sample for sample in samples if sample.at >= span.start])


def _logged(
    service: Service, span: Span, functions: Sequence[str], term: str
) -> tuple[Sequence[Line], Span]:
    """The lines that have `term`, and the part of the span that they tell about."""
    since = int(span.start * 1000)
    read = lines(service, since=since, term=term, functions=functions, lines_max=LINES_MAX)
    if read.complete or not read.lines:
        return read.lines, span
    # The oldest lines were left out: what was before the others is not known.
    return read.lines, Span(read.lines[0].at / 1000, span.end, span.period)


def _from_samples(samples: Iterable[Status]) -> dict[tuple[str, str], Points]:
    sampled: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for sample in samples:
        for part in sample.parts:
            sampled["runs", part.name].append((sample.at, part.runs))
            if part.name not in QUEUE_OF:
                continue
            queue = QUEUE_OF[part.name]
            sampled["waiting", queue].append((sample.at, part.held))
            if part.oldest_seconds is not None or not part.held:
                sampled["oldest", queue].append((sample.at, part.oldest_seconds or 0))
    return {key: with_gaps(points, SAMPLES_APART_SECONDS) for key, points in sampled.items()}


def _counted(logged: Iterable[Line], span: Span) -> Points:
    """How many lines a minute, zeros included."""
    counts = Counter(_bin(line.at / 1000, span) for line in logged)
    return [(at, counts[at] * 60 / span.period) for at in _bins(span.start, span.end, span)]


def _bins(start: float, end: float, span: Span) -> Iterator[float]:
    first, last = _bin(start, span), _bin(end, span)
    return (first + n * span.period for n in range(round((last - first) / span.period) + 1))


def _bin(at: float, span: Span) -> float:
    return at // span.period * span.period


def _percentiles(times: Mapping[float, Sequence[float]], share: float, span: Span) -> Points:
    points = [(at, percentile(values, share) or 0.0) for at, values in sorted(times.items())]
    return with_gaps(points, span.period)
