"""Charts: from CloudWatch's metrics on AWS, from the functions' lines on the emulator."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from infra.stage import load
from spillway.operate.status.history import (
    REQUESTS,
    Chart,
    Points,
    Span,
    read_history,
    unread_history,
    with_gaps,
)
from spillway.operate.status.state import Status
from spillway.target.service import QUEUES, Service
from tests.spillway.operate.console.builders import part, parts

SPAN = Span(start=1_800_000.0, end=1_800_600.0, period=60)


class Metrics:
    """A CloudWatch that has one point for everything that is asked for."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()

    def get_metric_statistics(self, **request: Any) -> dict[str, Any]:
        statistic = (request.get("Statistics") or request["ExtendedStatistics"])[0]
        self.asked[request["MetricName"], statistic] += 1
        value: dict[str, Any] = {statistic: 3000.0}
        if statistic.startswith("p"):
            value = {"ExtendedStatistics": value}
        return {"Datapoints": [{"Timestamp": datetime.fromtimestamp(SPAN.start, UTC), **value}]}


class Logs:
    """What two functions wrote."""

    def __init__(self, **lines: list[tuple[float, str]]) -> None:
        self.lines = lines

    def get_paginator(self, _: str) -> Logs:
        return self

    def paginate(self, *, logGroupName: str, **_: Any) -> list[dict[str, Any]]:  # noqa: N803
        function = logGroupName.removeprefix("/aws/lambda/spillway-local-").replace("-", "_")
        events = [
            {"timestamp": int(at * 1000), "message": text}
            for at, text in self.lines.get(function, ())
        ]
        return [{"events": events}]


def series_of(charts: list[Chart], name: str) -> dict[str, Points]:
    chart = next(chart for chart in charts if chart.name == name)
    return {one.name: one.points for one in chart.series}


def test_on_aws_each_series_is_one_request() -> None:
    metrics = Metrics()
    queues = {name: f"https://sqs/{name}" for name in QUEUES}
    service = Service("dev", lambda _: metrics, {"orders": "orders"}, queues)
    charts = read_history(service, Span(SPAN.start, SPAN.end, 300))
    assert metrics.asked.total() == REQUESTS
    assert series_of(charts, "settling")["p99"] == [(SPAN.start, 3.0)]
    # Counts of five minutes are shown by the minute.
    assert series_of(charts, "orders")["accepted"] == [(SPAN.start, 600.0)]
    assert series_of(charts, "waiting")["inventory"] == [(SPAN.start, 3000.0)]


def test_where_good_news_is_sampled_the_sample_counts_for_all_that_settled() -> None:
    def settled(stage: str) -> Points:
        metrics = Metrics()
        service = Service(stage, lambda _: metrics, {"orders": "orders"}, {n: n for n in QUEUES})
        return series_of(read_history(service, Span(SPAN.start, SPAN.start + 60, 60)), "orders")[
            "settled"
        ]

    assert settled("dev") == [(SPAN.start, 3000.0 * load("dev").logs.good_news_one_in)]
    assert load("dev").logs.good_news_one_in > 1
    # Nobody here knows how many each stands for.
    assert settled("unknown") == []


def test_each_series_has_its_place_before_anything_was_read() -> None:
    metrics = Metrics()
    queues = {name: f"https://sqs/{name}" for name in QUEUES}
    aws = Service("dev", lambda _: metrics, {"orders": "orders"}, queues)
    shown, read = (
        [(chart.name, chart.title, chart.unit, [one.name for one in chart.series]) for chart in one]
        for one in (unread_history(), read_history(aws, SPAN))
    )
    assert shown == read


def test_on_the_emulator_orders_are_counted_from_lines_and_queues_from_samples() -> None:
    at = SPAN.start + 30
    accepted = '{"step":"intake","outcome":"accepted","order_id":"a"}'
    settled = '{"step":"deliver","outcome":"done","settle_ms":%d}'
    logs = Logs(
        intake=[(at, accepted), (at + 1, accepted), (at + 60, accepted)],
        deliver_accounting=[(at + 2, settled % 1500), (at + 3, settled % 2500)],
    )
    service = Service("local", lambda _: logs, {}, {}, emulator="http://127.0.0.1:1")
    early = Status(SPAN.start - 1, parts(part("drain", visible=9)), [])
    sample = Status(at, parts(part("deliver-accounting", visible=2, in_flight=3)), [])
    charts = read_history(service, SPAN, [early, sample])
    orders = series_of(charts, "orders")
    assert [count for _, count in orders["accepted"]] == [2, 1, *[0] * 9]
    assert [count for _, count in orders["settled"]][:2] == [2, 0]
    assert series_of(charts, "settling") == {"p50": [(SPAN.start, 1.5)], "p99": [(SPAN.start, 2.5)]}
    assert series_of(charts, "waiting")["accounting"] == [(at, 5.0)]
    assert series_of(charts, "waiting")["overflow"] == [(at, 0.0)]


def test_nothing_is_drawn_through_a_time_that_nobody_measured() -> None:
    service = Service("local", lambda _: Logs(), {}, {}, emulator="http://127.0.0.1:1")
    start = SPAN.start
    samples = [
        Status(start + second, parts(part("drain", visible=9, oldest_seconds=age)), [])
        for second, age in ((0, 4), (5, 9), (10, None), (300, 1))
    ]
    charts = read_history(service, SPAN, samples)
    assert series_of(charts, "waiting")["overflow"] == [
        (start, 9),
        (start + 5, 9),
        (start + 10, 9),
        (start + 155, None),
        (start + 300, 9),
    ]
    # Messages whose age is not known are not young.
    ages = series_of(charts, "oldest")["overflow"]
    assert [value for _, value in ages] == [4, 9, None, 1]


def test_counts_are_zero_and_ages_are_unknown_where_cloudwatch_has_no_point() -> None:
    metrics = Metrics()
    service = Service("dev", lambda _: metrics, {"orders": "orders"}, {n: n for n in QUEUES})
    charts = read_history(service, Span(SPAN.start, SPAN.start + 600, 60))
    # The last minutes are not known yet.
    assert [value for _, value in series_of(charts, "orders")["accepted"]] == [3000, *[0] * 6]
    assert series_of(charts, "waiting")["inventory"] == [(SPAN.start, 3000.0)]
    assert with_gaps([(0, 1.0), (60, 2.0), (180, 3.0)], 60)[2] == (120, None)
