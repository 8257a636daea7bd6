"""The part of CloudWatch that the emulator lacks: alarms that look at the right thing.

The emulator keeps alarms and metric filters as they were deployed, but turns no log line into a
metric, measures no queue, stream or API, and evaluates an alarm over every dimension of its
metric's name. So on the emulator an alarm is evaluated here, when somebody asks for it, by the
definition that was deployed: its metric, dimension, statistic, periods and threshold; and its new
state is handed to the emulator, which then tells the alarms' topic, as AWS would.

No process of its own does this: nothing is looked at while nobody looks.

One thing goes quicker here: an order that has settled no longer counts as unsettled, where
CloudWatch goes by what was said of it in the last half hour.

What nobody can measure here stays INSUFFICIENT_DATA: how far relay is behind (the tests hold that
alarm's template instead).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra import metrics
from infra.metrics import LOG_METRICS, LogMetric
from spillway.operate.logs import Line, lines
from spillway.operate.orders import last_unsettled
from spillway.target.reading import read_depths
from spillway.target.service import Service

#: Outcomes that a customer is answered 5xx for, by intake and reads.
ANSWERED_5XX = frozenset({"unavailable", "bug", "foreign_order"})
#: Outcomes at which relay's run ends in an error.
RELAY_RAISED = frozenset({"unsent", "bug"})
LINES_MAX = 10_000
#: What is said of orders that have not settled, ever less often.
_OF_ORDERS = (metrics.UNSETTLED, metrics.HALF_DONE)
_TOLD_OF_ORDERS = frozenset(metric.name for metric in _OF_ORDERS)


@dataclass(frozen=True, slots=True)
class Point:
    """What a metric was at a moment (Unix seconds)."""

    at: float
    value: float


#: A metric's points by what it is measured of: an alarm's dimension; "" without one.
Points = Mapping[tuple[str, str], Sequence[Point]]


def evaluate_alarms(service: Service, *, now: Callable[[], float] = time.time) -> None:
    """Bring the state of every alarm of the stage up to date."""
    alarms = _described(service)
    if not alarms:
        return
    at = now()
    of_orders = [alarm for alarm in alarms if alarm["MetricName"] in _TOLD_OF_ORDERS]
    others = [alarm for alarm in alarms if alarm["MetricName"] not in _TOLD_OF_ORDERS]
    points = _points(service, at, since=at - _reach(others))
    points |= _points_of_orders(service, since=at - _reach(of_orders))
    for alarm in alarms:
        state, reason = state_of(alarm, points, at)
        if state is not None and state != alarm["StateValue"]:
            service.cloudwatch.set_alarm_state(
                AlarmName=alarm["AlarmName"], StateValue=state, StateReason=reason
            )


def state_of(alarm: Mapping[str, Any], points: Points, now: float) -> tuple[str | None, str]:
    """An alarm's state by CloudWatch's rules, with the reason; None where nobody measures it.

    `alarm` as DescribeAlarms gives it. A period without data is no trouble (`notBreaching`, which
    all of ours have).
    """
    measured = points.get(_key(alarm))
    if measured is None:
        return None, ""
    period, periods = alarm["Period"], alarm["EvaluationPeriods"]
    values = [
        _statistic(alarm["Statistic"], measured, now - (n + 1) * period, now - n * period)
        for n in range(periods)
    ]
    breaching = [value for value in values if value is not None and value >= alarm["Threshold"]]
    told = f"{len(breaching)} of {periods} periods of {period} s"
    if len(breaching) >= alarm.get("DatapointsToAlarm", periods):
        return "ALARM", f"{told} at {max(breaching):g}, threshold {alarm['Threshold']:g}"
    return "OK", f"{told} at the threshold of {alarm['Threshold']:g}"


def _key(alarm: Mapping[str, Any]) -> tuple[str, str]:
    dimensions = [dimension["Value"] for dimension in alarm.get("Dimensions", ())]
    return alarm["MetricName"], "".join(dimensions)


def _statistic(statistic: str, points: Iterable[Point], after: float, until: float) -> float | None:
    values = [point.value for point in points if after < point.at <= until]
    if not values:
        return None
    return sum(values) if statistic == "Sum" else max(values)


def _reach(alarms: Iterable[Mapping[str, Any]]) -> float:
    """How many seconds back these alarms look."""
    return max((alarm["Period"] * alarm["EvaluationPeriods"] for alarm in alarms), default=0)


def _described(service: Service) -> list[dict[str, Any]]:
    pages = service.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=service.resource_name("")
    )
    return [alarm for page in pages for alarm in page["MetricAlarms"]]


def _points_of_orders(service: Service, since: float) -> dict[tuple[str, str], list[Point]]:
    still = last_unsettled(service, int(since * 1000), metrics.UNSETTLED.functions).lines
    return {(metric.name, ""): told(metric, still) for metric in _OF_ORDERS}


def _points(service: Service, now: float, since: float) -> dict[tuple[str, str], Sequence[Point]]:
    said = lines(service, since=int(since * 1000), lines_max=LINES_MAX).lines
    points: dict[tuple[str, str], Sequence[Point]] = {
        (metric.name, ""): told(metric, said)
        for metric in LOG_METRICS
        if metric.name not in _TOLD_OF_ORDERS
    }
    for depth in read_depths(service.sqs, service.queues):
        name = service.queue_name(depth.queue)
        points[metrics.WAITING.name, name] = [Point(now, float(depth.visible))]
    points[metrics.ERRORS.name, service.resource_name("relay")] = [
        Point(line.at / 1000, 1.0)
        for line in said
        if line.function == "relay" and line.outcome in RELAY_RAISED
    ]
    points[metrics.SERVER_ERRORS.name, _api_id(service)] = [
        Point(line.at / 1000, 1.0)
        for line in said
        if line.function in ("intake", "reads") and line.outcome in ANSWERED_5XX
    ]
    return points


def _api_id(service: Service) -> str:
    apis = service.make_client("apigatewayv2").get_apis()["Items"]
    name = service.resource_name("orders")
    return next((str(api["ApiId"]) for api in apis if api["Name"] == name), "")


def told(metric: LogMetric, said: Iterable[Line]) -> list[Point]:
    """What a metric filter makes of log lines."""
    fits = _fits(metric.pattern)
    return [
        Point(line.at / 1000, _value(metric.value, line.fields))
        for line in said
        if line.function in metric.functions and fits(line.fields)
    ]


def _value(value: str, fields: Mapping[str, Any]) -> float:
    return float(_selected(value, fields)) if value.startswith("$") else float(value)


def _fits(pattern: str) -> Callable[[Mapping[str, Any]], bool]:
    """Of CloudWatch's patterns the two forms that ours have: `{ $.field = "text" }` and
    `{ $.field >= number }`. Raises ValueError for any other."""
    selector, operator, operand = pattern.removeprefix("{ ").removesuffix(" }").split(" ", 2)
    expected = json.loads(operand)
    if operator == "=":
        return lambda fields: bool(_selected(selector, fields) == expected)
    if operator == ">=":
        return lambda fields: (
            (found := _selected(selector, fields)) is not None and bool(found >= expected)
        )
    raise ValueError(f"not a pattern that is used here: {pattern}")


def _selected(selector: str, fields: Mapping[str, Any]) -> Any:
    name, _, index = selector.removeprefix("$.").partition("[")
    found = fields.get(name)
    if not index:
        return found
    place = int(index.removesuffix("]"))
    return found[place] if isinstance(found, list) and place < len(found) else None
