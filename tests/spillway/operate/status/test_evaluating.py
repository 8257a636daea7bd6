"""Alarms by CloudWatch's rules."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import pytest

from infra.alarms import alarms
from infra.metrics import ID_CLASHES, NEEDS_FIX, UNRELAYED, UNSETTLED
from infra.stage import load
from spillway.operate.logs.reading import Line
from spillway.operate.status.evaluating import Point, points_of, state_of, unanswered

NOW = 100_000.0


def alarm(**changed: Any) -> dict[str, Any]:
    return {
        "MetricName": "Age",
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 1,
        "Threshold": 30.0,
        "Dimensions": [],
        **changed,
    }


def state(points: Sequence[Point], **changed: Any) -> str | None:
    return state_of(alarm(**changed), {("Age", ""): points}, NOW)[0]


def test_it_rings_at_its_threshold_and_not_below() -> None:
    assert state([(NOW - 5, 30)]) == "ALARM"
    assert state([(NOW - 5, 29.9)]) == "OK"
    assert state([]) == "OK"


def test_one_period_of_several_is_enough_unless_more_are_asked_for() -> None:
    once = [(NOW - 90, 40)]
    assert state(once) == "ALARM"
    assert state(once, DatapointsToAlarm=2) == "OK"
    assert state([*once, (NOW - 1, 40)], DatapointsToAlarm=2) == "ALARM"


def test_what_is_older_than_all_its_periods_is_over() -> None:
    assert state([(NOW - 121, 40)]) == "OK"


def test_a_sum_is_over_one_period() -> None:
    points = [(NOW - 10, 20), (NOW - 20, 15)]
    assert state(points, Statistic="Sum") == "ALARM"
    assert state([points[0], (NOW - 70, 15)], Statistic="Sum") == "OK"


def test_only_its_own_queue_counts_and_without_a_measurement_there_is_no_state() -> None:
    queue = alarm(Dimensions=[{"Name": "QueueName", "Value": "mine"}])
    assert state_of(queue, {("Age", "mine"): []}, NOW)[0] == "OK"
    assert state_of(queue, {("Age", "other"): [(NOW, 99)]}, NOW)[0] is None


def test_an_alarm_that_ignores_missing_data_stays_as_it_is() -> None:
    assert state([], TreatMissingData="ignore") is None
    assert state([(NOW - 5, 40)], TreatMissingData="ignore") == "ALARM"
    assert state([(NOW - 5, 0)], TreatMissingData="ignore") == "OK"


@pytest.mark.parametrize(
    ("placed", "ran", "expected"),
    [
        (NOW - 11 * 60, inf, "ALARM"),
        (NOW - 15 * 60 + 1, inf, "ALARM"),
        (NOW - 8 * 60, inf, "OK"),
        (inf, inf, "OK"),
        (NOW - 11 * 60, NOW - 11 * 60 + 1, "OK"),
        (NOW - 11 * 60 + 1, NOW - 11 * 60, "OK"),
    ],
    ids=["one order", "long ago", "not yet", "no order", "in the next period", "runs already"],
)
def test_orders_that_relay_does_not_answer(placed: float, ran: float, expected: str) -> None:
    [alarm] = [one for one in alarms(load("dev")) if one.metric is UNRELAYED]
    as_described = {
        "MetricName": UNRELAYED.name,
        "Statistic": UNRELAYED.statistic,
        "Period": alarm.period_seconds,
        "EvaluationPeriods": alarm.periods,
        "DatapointsToAlarm": alarm.breaching,
        "Threshold": alarm.threshold,
    }
    points = unanswered(as_described, placed, ran, NOW)
    assert state_of(as_described, {(UNRELAYED.name, ""): points}, NOW)[0] == expected


@pytest.mark.parametrize(
    ("metric", "fields", "value"),
    [
        (UNSETTLED, {"unsettled_s": 77}, 77),
        (UNSETTLED, {"unsettled_s": 0}, 0),
        (UNSETTLED, {"outcome": "gone"}, None),
        (NEEDS_FIX, {"outcome": "bug"}, 1),
        (NEEDS_FIX, {"outcome": "misconfigured"}, 1),
        (NEEDS_FIX, {"outcome": "done"}, None),
        (ID_CLASHES, {"rules": ["order_id_taken"]}, 1),
        (ID_CLASHES, {"rules": ["text_invalid", "order_id_taken"]}, None),
        (ID_CLASHES, {"rules": []}, None),
        (ID_CLASHES, {}, None),
    ],
)
def test_a_metric_filter_takes_its_value_from_the_lines_that_fit(
    metric: Any, fields: dict[str, Any], value: float | None
) -> None:
    [function, *_] = metric.functions
    points = points_of(metric, [Line(5_000, function, fields), Line(5_000, "nobody", fields)])
    assert points == ([] if value is None else [(5.0, value)])
