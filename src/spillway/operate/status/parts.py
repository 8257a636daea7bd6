"""The path of an order, function by function: what waits there, how long, how often it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.metrics import BEHIND, ERRORS, OLDEST, OUTCOMES, RUNS, Metric
from orders.domain.saga import DOWNSTREAMS
from spillway.operate.redrive.dead_letters import OF_TELLERS, tellers_in
from spillway.operate.status.messages import peek
from spillway.target.reading import read_depths, read_invocations
from spillway.target.records import Depth
from spillway.target.service import FUNCTIONS, Service

#: The minute that a rate is of. AWS publishes a minute's metrics some minutes later.
RATE_SECONDS = 60
RATE_LAG_SECONDS = 180
#: A data point that is older than this is ignored.
AGE_FRESH_SECONDS = 600

#: The queue that each function reads. Relay reads the table's stream, and so does the watchdog.
QUEUE_OF: Mapping[str, str] = {
    "drain": "overflow",
    **{f"deliver-{downstream}": downstream for downstream in DOWNSTREAMS},
    "watchdog": "watchdog",
}
#: The name of each part's dead-letter queue.
DEAD_LETTERS_OF: Mapping[str, str] = {
    **QUEUE_OF,
    "relay": "relay",
    **{name: name for name in OF_TELLERS},
}

WATCHDOG_STREAM = "watchdog's stream"

#: States of an event source mapping in which it receives nothing, and will not without help.
_STOPPED = frozenset({"Disabled", "Disabling", "Deleting", "Missing"})

_CALLS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One function and what waits before it; `name` is the function's. The one that takes what
    downstreams decide later has a part for each of its queues, by the queue's name: their `runs`
    and `errors` are those of the function, which they share.

    `queue`, None where it has none: `visible` messages wait, those `in_flight` are being handled or
    wait for their next attempt, those `delayed` are not due yet. `oldest_seconds` is the age of the
    oldest message (for relay: of the oldest change in the stream), None where there is none or it
    is not known. `runs` and `errors` are of the last measured minute; `errors` is None where it is
    not known. `trigger` is the state of what runs it, a queue's or the stream's event source
    mapping, in Lambda's words; "Missing" where it has none, None where it needs none.
    `stream_trigger`: the same of the stream's, for the watchdog, which has both.
    """

    name: str
    queue: Depth | None
    oldest_seconds: int | None
    dead_letters: int
    runs: int
    errors: int | None
    trigger: str | None = None
    stream_trigger: str | None = None

    @property
    def stopped(self) -> str | None:
        """Why what waits for it will not be received until someone acts, None where it will."""
        if self.trigger in _STOPPED:
            return f"{self.name} does not run: its trigger is {self.trigger}."
        if self.stream_trigger in _STOPPED:
            return f"{self.name} does not read the table's stream: that is {self.stream_trigger}."
        return None

    @property
    def held(self) -> int:
        """The messages that wait, that are being handled, or that wait for their next attempt."""
        return 0 if self.queue is None else self.queue.visible + self.queue.in_flight


@dataclass(frozen=True, slots=True)
class Measured:
    """What CloudWatch measures each minute: the age of each queue's oldest message, the age of the
    oldest change in relay's stream, and each function's runs and errors. And the state of each
    event source mapping, by its name in `read_mappings`."""

    ages: Mapping[str, int]
    stream_age: int | None
    rates: Mapping[str, tuple[int, int | None]]
    triggers: Mapping[str, str]


def read_parts(service: Service, now: float) -> list[Part]:
    """Every function, in the order of the path, then the queues of outcomes. `now` is Unix
    seconds."""
    depths = read_depths(service.sqs, service.queues)
    return parts_of(depths, read_measured(service, depths, now))


def read_measured(service: Service, depths: Iterable[Depth], now: float) -> Measured:
    """The part that changes only once a minute. `now` is Unix seconds."""
    holding = [depth.queue for depth in depths if depth.messages]
    ages = _ages_on_emulator if service.emulator is not None else _ages_on_aws
    behind = _latest(service, query_of(BEHIND, service.resource_name("relay")), now)
    stream_age = None if behind is None else round(behind / 1000)
    rates = _rates(service, now)
    triggers = {
        name: "Missing" if mapping is None else mapping["State"]
        for name, mapping in read_mappings(service, tellers_in(service.queues)).items()
    }
    return Measured(ages(service, holding, now), stream_age, rates, triggers)


def read_mappings(service: Service, tellers: Iterable[str]) -> dict[str, Mapping[str, Any] | None]:
    """The event source mapping of each part that needs one, None where it has none. By the part's
    name; the watchdog's second one by `WATCHDOG_STREAM`. `tellers`: the queues of outcomes.

    Those of the whole account are listed, in one request for a hundred: Lambda can list a
    function's, but ours belong to its alias.
    """
    pages = service.client("lambda").get_paginator("list_event_source_mappings").paginate()
    found = {
        # arn:aws:lambda:Region:account:function:name:alias
        (mapping["FunctionArn"].split(":")[6], _source(mapping["EventSourceArn"])): mapping
        for page in pages
        for mapping in page["EventSourceMappings"]
    }
    needed = {name: (name, service.resource_name(queue)) for name, queue in QUEUE_OF.items()}
    needed |= {"relay": ("relay", "dynamodb"), WATCHDOG_STREAM: ("watchdog", "dynamodb")}
    needed |= {name: (OUTCOMES, service.resource_name(name)) for name in tellers}
    return {
        name: found.get((service.resource_name(function), source))
        for name, (function, source) in needed.items()
    }


def _source(arn: str) -> str:
    """A queue's name, or `dynamodb`: arn:aws:sqs:Region:account:name, arn:aws:dynamodb:..."""
    fields = arn.split(":")
    return fields[5] if fields[2] == "sqs" else fields[2]


def parts_of(depths: Iterable[Depth], measured: Measured) -> list[Part]:
    """Combine depths and measurements, which may be of two different times."""
    known = {depth.queue: depth for depth in depths}
    return [_part(name, known, measured) for name in (*FUNCTIONS, *tellers_in(known))]


def _part(name: str, depths: Mapping[str, Depth], measured: Measured) -> Part:
    queue = depths.get(DEAD_LETTERS_OF.get(name, ""))
    oldest = measured.stream_age if name == "relay" else None
    if queue is not None and queue.messages:
        oldest = measured.ages.get(queue.queue)
    dead_letters = 0
    if name in DEAD_LETTERS_OF:
        dead_letters = depths[f"{DEAD_LETTERS_OF[name]}_dead_letter"].messages
    runs, errors = measured.rates[OUTCOMES if name in OF_TELLERS else name]
    triggers = measured.triggers
    second = triggers.get(WATCHDOG_STREAM) if name == "watchdog" else None
    return Part(name, queue, oldest, dead_letters, runs, errors, triggers.get(name), second)


def dead_letters_by_source(parts: Iterable[Part]) -> dict[str, int]:
    """How many dead letters there are, by the queue that they came from."""
    return {
        DEAD_LETTERS_OF[part.name]: part.dead_letters
        for part in parts
        if part.name in DEAD_LETTERS_OF
    }


def _ages_on_aws(service: Service, holding: Sequence[str], now: float) -> dict[str, int]:
    """The age of the oldest message of each queue that holds any."""
    ages = {
        name: _latest(service, query_of(OLDEST, service.queue_name(name)), now) for name in holding
    }
    return {name: round(age) for name, age in ages.items() if age is not None}


def _ages_on_emulator(service: Service, holding: Sequence[str], now: float) -> dict[str, int]:
    """The emulator has no such metric, but shows the messages themselves."""
    sent = {name: [message.sent_at for message in peek(service, name)] for name in holding}
    return {name: max(0, round(now - min(times) / 1000)) for name, times in sent.items() if times}


def _rates(service: Service, now: float) -> dict[str, tuple[int, int | None]]:
    """How often each function ran and failed in the last measured minute."""
    functions = (*FUNCTIONS, OUTCOMES) if tellers_in(service.queues) else FUNCTIONS
    if service.emulator is not None:
        # It does not count runs that a queue, a stream or the API started, but it logs each end.
        since = int((now - RATE_SECONDS) * 1000)
        runs = read_invocations(service.logs, since)
        return {name: (runs.get(service.resource_name(name), 0), None) for name in functions}
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        rates = pool.map(lambda name: _rate_on_aws(service, name, now), functions)
        return dict(zip(functions, rates, strict=True))


def _rate_on_aws(service: Service, function: str, now: float) -> tuple[int, int]:
    name, seconds = service.resource_name(function), RATE_SECONDS + RATE_LAG_SECONDS
    runs, errors = (
        _latest(service, query_of(metric, name), now, seconds) or 0 for metric in (RUNS, ERRORS)
    )
    return round(runs), round(errors)


def _latest(
    service: Service, query: Query, now: float, seconds: float = AGE_FRESH_SECONDS
) -> float | None:
    """The metric's last value, unless it is older than this."""
    points = statistics(service, query, start=now - seconds, end=now)
    return points[-1][1] if points else None


@dataclass(frozen=True, slots=True)
class Query:
    """A metric by its name and dimensions. `statistic` may be a percentile, like p99."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str


def query_of(metric: Metric, of: str, **more: str) -> Query:
    """What AWS measures of one queue, function or table. `more` are further dimensions."""
    dimensions = {metric.dimension: of, **more}
    return Query(metric.namespace, metric.name, dimensions, metric.statistic)


def statistics(
    service: Service, query: Query, *, start: float, end: float, period: int = RATE_SECONDS
) -> list[tuple[float, float]]:
    """A metric's data points: (Unix seconds, value), oldest first.

    It uses `GetMetricStatistics`, because `GetMetricData` has no free requests.
    """
    statistic, is_percentile = query.statistic, query.statistic.startswith("p")
    # A statistic's name is a value here, which the client's types don't allow.
    cloudwatch: Any = service.cloudwatch
    answer = cloudwatch.get_metric_statistics(
        Namespace=query.namespace,
        MetricName=query.name,
        Dimensions=[{"Name": name, "Value": value} for name, value in query.dimensions.items()],
        StartTime=datetime.fromtimestamp(start, UTC),
        EndTime=datetime.fromtimestamp(end, UTC),
        Period=period,
        **{"ExtendedStatistics" if is_percentile else "Statistics": [statistic]},
    )
    return sorted(
        (
            point["Timestamp"].timestamp(),
            (point["ExtendedStatistics"] if is_percentile else point)[statistic],
        )
        for point in answer["Datapoints"]
    )
