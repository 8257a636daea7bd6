"""Alarms, their pages, the dashboard, the saved queries and the metric filters agree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from infra import metrics
from infra.alarms import (
    LOGGED_EVERY_SECONDS,
    QUEUES_WITH_DEAD_LETTERS,
    Alarm,
    alarm_of,
    alarms,
    page_of,
)
from infra.bundle import ROOT
from infra.event_sources import OUTAGE_SECONDS_MAX
from infra.metrics import LOG_METRICS, MEASURED_BY_AWS, LogMetric, Unanswered
from infra.stage import Payments, load
from orders.domain.promises import Promise
from orders.telemetry import FIELDS, JsonLines
from spillway.operate.logs.reading import Line
from spillway.operate.status.evaluating import points_of, state_of
from spillway.plan.cost.deployed import deployed as model
from tests.builders import NOW
from tests.infra.conftest import unlike
from tests.infra.templates import Properties, Reviewed, Templates

DEV = load("dev")
#: Of a stage with all that has alarms.
#: Those of stages that have more than most.
ALARMS = [
    *alarms(msgspec.structs.replace(DEV, payments=Payments(gateway="stripe"))),
    *(alarm for alarm in alarms(unlike()) if alarm.name == "outcomes-forged"),
]
RUNBOOK = ROOT / "docs" / "runbook"
PARTS = ["What it means", "What to check", "What to do", "When it is over"]
#: In stages with gradual releases only.
RELEASE_ALARMS = ("release-faults", "...-release-errors")
#: FACTS: dollars a month, beyond the first ten of an account.
ALARM_PRICE, ALARMS_FREE = 0.10, 10
IDLE_BUDGET = 2.00

by_name = pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)


def deployed(templates: Templates) -> dict[str, Properties]:
    prefix = templates.stage.resource_name("")
    return {
        found["AlarmName"].removeprefix(prefix): found
        for found in templates.resources("AWS::CloudWatch::Alarm")
    }


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_an_outage_of_hours_wakes_nobody_and_a_longer_one_leaves_most_of_a_day(stage: str) -> None:
    by_promise = {alarm.name: alarm for alarm in alarms(load(stage))}
    settles, half_done = by_promise["always-settles"], by_promise["never-half-done"]
    # Two hours, and the last attempt's wait after them.
    assert settles.threshold >= 2 * 60 * 60 + LOGGED_EVERY_SECONDS
    assert settles.threshold + 2 * settles.period_seconds <= OUTAGE_SECONDS_MAX // 4
    assert settles.threshold < half_done.threshold <= OUTAGE_SECONDS_MAX // 4


def test_every_promise_and_every_dead_letter_queue_has_its_alarm(dev: Templates) -> None:
    names = {alarm.name for alarm in ALARMS}
    assert set(map(alarm_of, Promise)) <= names
    queues = {found["QueueName"] for found in dev.resources("AWS::SQS::Queue")}
    dead_letters = {dev.stage.resource_name(f"{q}-dead-letters") for q in QUEUES_WITH_DEAD_LETTERS}
    assert {queue for queue in queues if queue.endswith("-dead-letters")} == dead_letters
    assert {f"{queue}-dead-letters" for queue in QUEUES_WITH_DEAD_LETTERS} <= names


@pytest.mark.parametrize("alarm", [*(alarm.name for alarm in ALARMS), *RELEASE_ALARMS])
def test_each_alarm_has_its_place_in_the_runbook_with_every_part(alarm: str) -> None:
    page, _, title = page_of(alarm).partition("#")
    text = (ROOT / page).read_text()
    if title:
        text = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        assert alarm == title or f"`{alarm.replace('...', '<function>')}`" in text
    assert re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE) == PARTS


def test_each_section_is_an_alarm_s_and_the_runbook_lists_every_alarm_with_its_place() -> None:
    place_of_alarm = {
        name: page_of(name).removeprefix("docs/runbook/")
        for name in (*(alarm.name for alarm in ALARMS), *RELEASE_ALARMS)
    }
    sections = re.findall(r"^## (.+)$", (RUNBOOK / "alarms.md").read_text(), re.MULTILINE)
    assert {f"alarms.md#{title}" for title in sections} | {"dead-letters.md"} == set(
        place_of_alarm.values()
    )
    listed = re.findall(r"\[([.a-z-]+)\]\(([a-z-]+\.md[#a-z-]*)\)", alarms_section())
    assert dict(listed) == place_of_alarm


def alarms_section() -> str:
    return (RUNBOOK / "README.md").read_text().split("## An alarm rings")[1].split("\n## ")[0]


@by_name
def test_each_alarm_is_deployed_as_it_is_defined_and_tells_both_ways(
    dev: Templates, unusual: Templates, alarm: Alarm
) -> None:
    stage = dev if alarm.name in deployed(dev) else unusual
    found = deployed(stage)[alarm.name]
    if not isinstance(alarm.metric, Unanswered):
        measured = (found["MetricName"], found["Statistic"], found["Period"])
        assert measured == (alarm.metric.name, alarm.metric.statistic, alarm.period_seconds)
    assert found["Threshold"] == alarm.threshold
    assert found["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert found["TreatMissingData"] == alarm.missing
    assert found["EvaluationPeriods"] == alarm.periods
    assert found["DatapointsToAlarm"] == alarm.breaching
    assert found["AlarmDescription"].endswith(f"What to do: {alarm.page}")
    for actions in (found["AlarmActions"], found["OKActions"]):
        assert [stage.named(action) for action in actions] == [
            f"spillway-{stage.stage.name}-alarms"
        ]


def test_relay_is_missed_when_orders_are_placed_and_it_has_not_run_for_ten_minutes(
    dev: Templates,
) -> None:
    found = deployed(dev)["relay-stopped"]
    cause, effect, math = found["Metrics"]
    assert [query["Id"] for query in (cause, effect)] == ["cause", "effect"]
    assert [query["ReturnData"] for query in (cause, effect)] == [False, False]
    assert (math["Expression"], "ReturnData" in math) == (Unanswered.expression, False)
    stats = [query["MetricStat"] for query in (cause, effect)]
    assert [stat["Stat"] for stat in stats] == ["SampleCount", "Sum"]
    assert {stat["Period"] for stat in stats} == {60}
    placed, runs = (stat["Metric"] for stat in stats)
    assert (placed["Namespace"], placed["MetricName"]) == (
        "AWS/DynamoDB",
        "SuccessfulRequestLatency",
    )
    assert placed["Dimensions"] == [
        {"Name": "TableName", "Value": "spillway-dev-orders"},
        {"Name": "Operation", "Value": "PutItem"},
    ]
    assert (runs["Namespace"], runs["MetricName"]) == ("AWS/Lambda", "Invocations")
    assert runs["Dimensions"] == [{"Name": "FunctionName", "Value": "spillway-dev-relay"}]
    assert (found["DatapointsToAlarm"], found["EvaluationPeriods"]) == (10, 15)


def test_what_needs_a_fix_rings_at_its_first_line_and_as_long_as_something_waits(
    dev: Templates,
) -> None:
    found = deployed(dev)["needs-a-fix"]
    assert (found["Period"], found["DatapointsToAlarm"]) == (60, 1)
    [key] = {(found["MetricName"], "")}
    line = {"outcome": "misconfigured"}
    logged = [Line(0, "deliver-inventory", line), Line(LOGGED_EVERY_SECONDS * 1000, "relay", line)]
    points = {key: points_of(metrics.NEEDS_FIX, logged)}
    for now, state in ((-1.0, "OK"), (0.0, "ALARM"), (899.0, "ALARM"), (1_800.0, "ALARM")):
        assert state_of(found, points, now)[0] == state, now
    assert state_of(found, points, 900.0 + 16 * 60)[0] == "OK"


def test_what_runs_once_an_hour_rings_for_all_the_hour(unusual: Templates) -> None:
    """`needs-a-fix` would stop in between. Each run that fails is an error of Lambda's, too."""
    assert metrics.PAYMENTS not in metrics.NEEDS_FIX.functions
    found = deployed(unusual)["payments-stopped"]
    [dimension] = found["Dimensions"]
    assert (found["MetricName"], dimension["Value"]) == ("Errors", "spillway-unusual-payments")
    failed_in_a_period = found["Period"] / 3_600
    assert failed_in_a_period > found["Threshold"] > 1
    assert (found["Statistic"], found["EvaluationPeriods"]) == ("Sum", 1)


def test_a_check_that_nobody_begins_is_missed_after_two_hours(dev: Templates) -> None:
    found = deployed(dev)["watchdog-stopped"]
    assert (found["Namespace"], found["MetricName"]) == ("AWS/SQS", "ApproximateAgeOfOldestMessage")
    assert found["Dimensions"] == [{"Name": "QueueName", "Value": "spillway-dev-watchdog"}]
    assert found["Threshold"] == 7_200
    # While the watchdog runs no check is that old: it is due after the queue's delay.
    assert dev.stage.watchdog.delay_seconds + dev.stage.watchdog.window_seconds < 7_200 / 2


def test_an_acknowledged_order_that_nobody_drains_is_missed_after_an_hour(dev: Templates) -> None:
    """Drain's own lines say how long the orders have waited that it tries; there are none of it
    while it does not run."""
    found = deployed(dev)["drain-stopped"]
    assert (found["Namespace"], found["MetricName"]) == ("AWS/SQS", "ApproximateAgeOfOldestMessage")
    assert found["Dimensions"] == [{"Name": "QueueName", "Value": "spillway-dev-overflow"}]
    assert found["Threshold"] == dev.stage.alarms.buffered_seconds == 3_600
    old, young = (
        {(found["MetricName"], "spillway-dev-overflow"): [(299.0, age)]}
        for age in (3_600.0, 3_599.0)
    )
    assert [state_of(found, points, 300.0)[0] for points in (old, young)] == ["ALARM", "OK"]


def test_each_function_is_missed_when_it_does_not_run(dev: Templates) -> None:
    """By an alarm on what it should have done: its own lines and metrics are then silent."""
    of_aws = {
        name: found["Dimensions"][0]["Value"].removeprefix("spillway-dev-")
        for name, found in deployed(dev).items()
        if found.get("Dimensions") and found["MetricName"] == "ApproximateAgeOfOldestMessage"
    }
    assert of_aws == {"watchdog-stopped": "watchdog", "drain-stopped": "overflow"}
    # Deliveries: the watchdog finds their orders unsettled. Intake, reads: the gateway answers 5xx.
    assert "watchdog" in metrics.UNSETTLED.functions
    assert {"always-settles", "customers-turned-away", "relay-stopped"} <= set(deployed(dev))


def test_a_message_in_a_queue_that_nobody_touches_goes_on_ringing(dev: Templates) -> None:
    """SQS stops measuring such a queue after six hours: one of dead letters, or one whose function
    does not run while no order comes."""
    ignoring = {
        name for name, found in deployed(dev).items() if found["TreatMissingData"] == "ignore"
    }
    assert ignoring == {
        *(f"{queue}-dead-letters" for queue in QUEUES_WITH_DEAD_LETTERS),
        "watchdog-stopped",
        "drain-stopped",
    }
    of_queues = {
        name for name, found in deployed(dev).items() if found.get("Namespace") == "AWS/SQS"
    }
    assert of_queues == ignoring


def test_relay_s_delay_is_watched_over_five_minutes(dev: Templates) -> None:
    """Nothing can be measured for this alarm on the emulator, which does not know the delay."""
    found = deployed(dev)["failure-stays-local"]
    assert (found["Namespace"], found["MetricName"]) == ("AWS/Lambda", "IteratorAge")
    assert found["Dimensions"] == [{"Name": "FunctionName", "Value": "spillway-dev-relay"}]
    assert (found["Threshold"], found["Period"], found["EvaluationPeriods"]) == (60_000, 60, 5)


def test_alarms_on_queues_and_functions_name_what_is_deployed(dev: Templates) -> None:
    named = {found["QueueName"] for found in dev.resources("AWS::SQS::Queue")} | {
        found["FunctionName"] for found in dev.resources("AWS::Lambda::Function")
    }
    for found in deployed(dev).values():
        for dimension in found.get("Dimensions", ()):
            if dimension["Name"] in ("QueueName", "FunctionName"):
                assert dimension["Value"] in named


#: From what Lambda keeps everything to what it keeps least of.
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


@pytest.mark.parametrize("metric", LOG_METRICS, ids=lambda metric: metric.name)
def test_lambda_keeps_the_lines_that_a_metric_is_read_from(
    every_stage: Reviewed, metric: LogMetric
) -> None:
    """A line's level is its field `level`; one that has none, or no timestamp that Lambda can read,
    is of the level INFO."""
    written: list[str] = []
    JsonLines(written.append, lambda: NOW)("deliver", "bug")
    level = json.loads(written[0]).get("level", "INFO")
    for templates in every_stage.stages.values():
        for function in {*metric.functions} & templates.functions().keys():
            config = templates.functions()[function]["LoggingConfig"]
            assert config["LogFormat"] == "JSON"
            assert LEVELS.index(config["ApplicationLogLevel"]) <= LEVELS.index(level)


def test_nobody_but_cloudwatch_is_let_into_the_alarms_topic_and_only_by_tls(dev: Templates) -> None:
    [policy] = [
        policy
        for policy in dev.resources("AWS::SNS::TopicPolicy")
        if dev.named(policy["Topics"][0]) == "spillway-dev-alarms"
    ]
    allowed = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert [statement["Principal"] for statement in allowed] == [
        {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert "aws:SourceAccount" in json.dumps(allowed[0]["Condition"])


def test_alarms_and_metrics_keep_the_idle_bill_within_its_budget(dev: Templates) -> None:
    paid = {
        name: sum("MetricStat" in query for query in found.get("Metrics", ())) or 1
        for name, found in deployed(dev).items()
    }
    assert {name for name, metrics in paid.items() if metrics > 1} == {"relay-stopped"}
    count = sum(paid.values())
    assert count == model("dev").alarms
    assert max(0, count - ALARMS_FREE) * ALARM_PRICE <= IDLE_BUDGET * 0.6
    assert len(dev.resources("AWS::CloudWatch::Dashboard")) == 1


def test_each_metric_of_the_logs_has_a_filter_on_each_of_its_functions(unusual: Templates) -> None:
    filters = {
        (
            unusual.named(found["LogGroupName"]).removeprefix("/aws/lambda/spillway-unusual-"),
            found["MetricTransformations"][0]["MetricName"],
        ): found
        for found in unusual.resources("AWS::Logs::MetricFilter")
    }
    assert set(filters) == {
        (function, metric.name) for metric in LOG_METRICS for function in metric.functions
    }
    for (_, name), found in filters.items():
        [metric] = [metric for metric in LOG_METRICS if metric.name == name]
        [transformation] = found["MetricTransformations"]
        assert found["FilterPattern"] == metric.pattern
        assert transformation["MetricValue"] == metric.value
        assert transformation["MetricNamespace"] == metrics.namespace("unusual")
        # A default would be data at all times, and so paid for at all times.
        assert "DefaultValue" not in transformation


def test_metrics_read_only_fields_that_are_logged() -> None:
    for metric in LOG_METRICS:
        for field in re.findall(r"\$\.(\w+)", f"{metric.pattern} {metric.value}"):
            assert field in FIELDS


def test_the_dashboard_shows_known_metrics_and_the_path_from_left_to_right(dev: Templates) -> None:
    [dashboard] = dev.resources("AWS::CloudWatch::Dashboard")
    body = "".join(
        part if isinstance(part, str) else "REF"
        for part in dashboard["DashboardBody"]["Fn::Join"][1]
    )
    widgets = json.loads(body)["widgets"]
    known = {(metric.namespace, metric.name) for metric in MEASURED_BY_AWS} | {
        (metrics.namespace("dev"), metric.name) for metric in LOG_METRICS
    }
    shown = set(shown_by(widgets))
    assert shown <= known
    assert {metrics.PLACED.name, metrics.SETTLE_TIME.name} <= {name for _, name in shown}
    first_row = [w["properties"]["title"] for w in widgets if w["y"] == 0]
    assert [title[0] for title in first_row] == ["1", "2", "3", "4", "5", "6"]
    assert max(widget["x"] + widget["width"] for widget in widgets) <= 24


def shown_by(widgets: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for widget in widgets:
        for metric in widget["properties"]["metrics"]:
            yield metric[0], metric[1]


def test_saved_queries_ask_for_fields_that_are_logged(dev: Templates) -> None:
    from infra.constructs.saved_queries import QUERIES

    found = dev.resources("AWS::Logs::QueryDefinition")
    assert {query["Name"] for query in found} == {f"spillway/dev/{name}" for name in QUERIES}
    groups = {group["LogGroupName"] for group in dev.resources("AWS::Logs::LogGroup")}
    for query in found:
        assert set(query["LogGroupNames"]) <= groups
    words = {
        "count",
        "sum",
        "coalesce",
        "pct",
        "max",
        "latest",
        "count_distinct",
        "ispresent",
        "bin",
        "replace",
    }
    for _, text in QUERIES.values():
        made = set(re.findall(r"\bas (\w+)", text))
        asked = re.findall(r"(?<![\"@\w.])([a-z][a-z_]*)\b(?!\")", re.sub(r'"[^"]*"', "", text))
        syntax = {"fields", "filter", "sort", "stats", "by", "as", "asc", "desc", "in", "or", "m"}
        assert set(asked) - words - syntax - made <= set(FIELDS), text


def test_what_a_saved_query_counts_is_what_its_lines_stand_for(dev: Templates) -> None:
    """But where it has only lines that are logged of every order."""
    texts = [query["QueryString"] for query in dev.resources("AWS::Logs::QueryDefinition")]
    always = re.compile(r'filter outcome (= "refused"|in \["postponed", )')
    counting = [text for text in texts if re.search(r"\b(count|sum)\(", text)]
    assert len(counting) == 6
    for text in counting:
        weighed = "coalesce(stands_for, 1) as lines" in text and "sum(lines)" in text
        assert weighed is not bool(always.search(text)), text
        assert weighed is not ("count(*)" in text), text
        # A percentile of lines that stand for different numbers would be one of the slow ones.
        if "pct(duration_ms" in text:
            assert re.search(r"by (command, )?outcome", text)


def test_x_ray_is_off_unless_a_stage_asks_for_it(dev: Templates, unusual: Templates) -> None:
    assert not [found for found in dev.functions().values() if "TracingConfig" in found]
    for name, found in unusual.functions().items():
        assert found["TracingConfig"] == {"Mode": "Active"}
        assert "xray:PutTraceSegments" in str(unusual.permissions_of(name))
