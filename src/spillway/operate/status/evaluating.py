"""Evaluates the alarms on the emulator, which cannot do it itself.

The emulator stores alarms and metric filters as they were deployed. But it makes no metric from log
lines, measures no queue, stream or API, and evaluates an alarm over all dimensions of its metric.
So an alarm is evaluated here whenever it is read, from its deployed definition: metric, dimension,
statistic, periods and threshold. The new state is written to the emulator, which then publishes it
to the alarms' topic, as AWS does. No process runs for this while no alarm is read.

One alarm clears sooner than on AWS: an order that has settled no longer counts as unsettled here,
while CloudWatch still has its lines of the last half hour.

One alarm stays INSUFFICIENT_DATA, because the emulator does not know how far relay is behind. The
tests check its template instead.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from operator import eq, ge
from typing import TYPE_CHECKING, Any

from infra import metrics
from infra.metrics import LOG_METRICS, LogMetric
from spillway.operate.logs.reading import Line, lines
from spillway.operate.orders.reading import last_unsettled
from spillway.operate.status.messages import peek
from spillway.target.reading import read_depths, read_runs
from spillway.target.service import Service

if TYPE_CHECKING:
    from types_boto3_cloudwatch.literals import StateValueType

#: Outcomes for which intake and reads answer a customer with 5xx.
ANSWERED_5XX = frozenset({"unavailable", "bug", "foreign_order"})
#: Outcomes with which relay's run ends in an error.
RELAY_RAISED = frozenset({"unsent", "bug"})
#: Outcomes with which intake and drain have put an order into the table.
PLACED = frozenset({"accepted", "placed"})
#: CloudWatch leaves out of a queue's age what was received so often.
RECEIVES_MAX = 3
LINES_MAX = 10_000
#: Metrics of orders that have not settled, which are logged less often as an order ages.
_ORDER_METRICS = (metrics.UNSETTLED, metrics.HALF_DONE)
_ORDER_METRIC_NAMES = frozenset(metric.name for metric in _ORDER_METRICS)

#: A metric's value at a moment (Unix seconds).
Point = tuple[float, float]
#: Points by the metric's name and its dimension's value, "" without a dimension.
Points = Mapping[tuple[str, str], Sequence[Point]]


def evaluate_alarms(service: Service, *, now: Callable[[], float] = time.time) -> None:
    alarms = described(service)
    if not alarms:
        return
    at = now()
    of_orders = [alarm for alarm in alarms if alarm["MetricName"] in _ORDER_METRIC_NAMES]
    of_relay = [alarm for alarm in alarms if alarm["MetricName"] == metrics.UNRELAYED.name]
    others = [alarm for alarm in alarms if alarm not in (*of_orders, *of_relay)]
    points = _points(service, at, since=at - _reach(others))
    points |= _points_of_orders(service, since=at - _reach(of_orders))
    points |= {_key(alarm): _points_of_relay(service, alarm, at) for alarm in of_relay}
    for alarm in alarms:
        state, reason = state_of(alarm, points, at)
        if state is not None and state != alarm["StateValue"]:
            service.cloudwatch.set_alarm_state(
                AlarmName=alarm["AlarmName"], StateValue=state, StateReason=reason
            )


def state_of(
    alarm: Mapping[str, Any], points: Points, now: float
) -> tuple[StateValueType | None, str]:
    """An alarm's state by CloudWatch's rules, with the reason; None where it is not measured.

    `alarm` is as DescribeAlarms gives it. A period without data does not breach. Where no period
    has any, an alarm that ignores missing data stays as it is.
    """
    measured = points.get(_key(alarm))
    if measured is None:
        return None, ""
    period, periods = alarm["Period"], alarm["EvaluationPeriods"]
    values = [
        _statistic(alarm["Statistic"], measured, now - (n + 1) * period, now - n * period)
        for n in range(periods)
    ]
    if alarm.get("TreatMissingData") == "ignore" and not any(value is not None for value in values):
        return None, ""
    breaching = [value for value in values if value is not None and value >= alarm["Threshold"]]
    counted = f"{len(breaching)} of {periods} periods of {period} s"
    if len(breaching) >= alarm.get("DatapointsToAlarm", periods):
        return "ALARM", f"{counted} at {max(breaching):g}, threshold {alarm['Threshold']:g}"
    return "OK", f"{counted} at the threshold of {alarm['Threshold']:g}"


def _key(alarm: Mapping[str, Any]) -> tuple[str, str]:
    dimensions = [dimension["Value"] for dimension in alarm.get("Dimensions", ())]
    return alarm["MetricName"], "".join(dimensions)


def _statistic(statistic: str, points: Iterable[Point], after: float, until: float) -> float | None:
    values = [value for at, value in points if after < at <= until]
    if not values:
        return None
    return sum(values) if statistic == "Sum" else max(values)


def _reach(alarms: Iterable[Mapping[str, Any]]) -> float:
    """How many seconds of data these alarms need."""
    return max((alarm["Period"] * alarm["EvaluationPeriods"] for alarm in alarms), default=0)


def described(service: Service) -> list[Mapping[str, Any]]:
    """The stage's alarms, as DescribeAlarms gives them."""
    pages = service.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=service.resource_name("")
    )
    return [alarm for page in pages for alarm in page["MetricAlarms"]]


def _points_of_orders(service: Service, since: float) -> dict[tuple[str, str], list[Point]]:
    still = last_unsettled(service, int(since * 1000), metrics.UNSETTLED.functions).lines
    return {(metric.name, ""): points_of(metric, still) for metric in _ORDER_METRICS}


def _points_of_relay(service: Service, alarm: Mapping[str, Any], now: float) -> list[Point]:
    since = int((now - _reach([alarm])) * 1000)
    logged = lines(service, since=since, functions=("intake", "drain"), lines_max=LINES_MAX).lines
    placed = (line.at / 1000 for line in logged if line.outcome in PLACED)
    ran = (at / 1000 for at in read_runs(service.logs, service.log_group("relay"), since))
    return unanswered(alarm, min(placed, default=inf), min(ran, default=inf), now)


def unanswered(alarm: Mapping[str, Any], cause: float, effect: float, now: float) -> list[Point]:
    """What CloudWatch works out of `infra.metrics.Unanswered`, a point for each of the alarm's
    periods. `cause` and `effect` are when each happened first since the first period began."""
    ends = (now - n * alarm["Period"] for n in range(alarm["EvaluationPeriods"]))
    return [(end, float(cause <= end < effect)) for end in ends]


def _points(service: Service, now: float, since: float) -> dict[tuple[str, str], Sequence[Point]]:
    # Each of our lines has an outcome, and Lambda's own accounts of each run have none.
    since_ms = int(since * 1000)
    logged = lines(service, since=since_ms, term="outcome", lines_max=LINES_MAX).lines
    points: dict[tuple[str, str], Sequence[Point]] = {
        (metric.name, ""): points_of(metric, logged) for metric in LOG_METRICS
    }
    for depth in read_depths(service.sqs, service.queues):
        name = service.queue_name(depth.queue)
        points[metrics.WAITING.name, name] = [(now, float(depth.visible))]
    for queue in ("watchdog", "overflow"):
        sent = [one.sent_at for one in peek(service, queue) if one.tries < RECEIVES_MAX]
        oldest = now - min(sent) / 1000 if sent else 0.0
        points[metrics.OLDEST.name, service.queue_name(queue)] = [(now, oldest)]
    failures = {
        (metrics.ERRORS.name, service.resource_name("relay")): (("relay",), RELAY_RAISED),
        (metrics.SERVER_ERRORS.name, _api_id(service)): (("intake", "reads"), ANSWERED_5XX),
    }
    for metric, (functions, outcomes) in failures.items():
        failed = (one for one in logged if one.function in functions and one.outcome in outcomes)
        points[metric] = [(line.at / 1000, 1.0) for line in failed]
    return points


def _api_id(service: Service) -> str:
    apis = service.client("apigatewayv2").get_apis()["Items"]
    name = service.resource_name("orders")
    return next((str(api["ApiId"]) for api in apis if api["Name"] == name), "")


def points_of(metric: LogMetric, logged: Iterable[Line]) -> list[Point]:
    """The points that a metric filter makes from log lines."""
    fits = _fits(metric.pattern)
    return [
        (line.at / 1000, _value(metric.value, line.fields))
        for line in logged
        if line.function in metric.functions and fits(line.fields)
    ]


def _value(value: str, fields: Mapping[str, Any]) -> float:
    return float(_selected(value, fields)) if value.startswith("$") else float(value)


def _fits(pattern: str) -> Callable[[Mapping[str, Any]], bool]:
    """A filter pattern in one of the forms that we use: `{ $.field = "text" }`,
    `{ $.field >= number }`, and several in parentheses with `||`. ValueError: any other form."""
    conditions = pattern.removeprefix("{ ").removesuffix(" }").split(" || ")
    each = [_holds(condition.removeprefix("(").removesuffix(")")) for condition in conditions]
    return lambda fields: any(holds(fields) for holds in each)


def _holds(condition: str) -> Callable[[Mapping[str, Any]], bool]:
    selector, operator, operand = condition.split(" ", 2)
    expected = json.loads(operand)
    if operator not in _OPERATORS:
        raise ValueError(f"not a condition that is used here: {condition}")

    def holds(fields: Mapping[str, Any]) -> bool:
        found = _selected(selector, fields)
        return found is not None and bool(_OPERATORS[operator](found, expected))

    return holds


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {"=": eq, ">=": ge}


def _selected(selector: str, fields: Mapping[str, Any]) -> Any:
    name, _, index = selector.removeprefix("$.").partition("[")
    found = fields.get(name)
    if not index:
        return found
    place = int(index.removesuffix("]"))
    return found[place] if isinstance(found, list) and place < len(found) else None
