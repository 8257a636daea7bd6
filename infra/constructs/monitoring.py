"""Metrics and alarms of infra.metrics and infra.alarms, as the CDK has them."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra import metrics
from infra.alarms import Alarm
from infra.metrics import LogMetric, Metric, Unanswered
from infra.stage import Stage


def measured(
    metric: Metric | LogMetric,
    *,
    stage: Stage,
    api_id: str,
    of: str | None = None,
    statistic: str | None = None,
    label: str | None = None,
    period_seconds: int = 60,
) -> cloudwatch.Metric:
    """`of` names what is measured, as in `infra.alarms.Alarm`; None for our own metrics."""
    dimensions: dict[str, str] = {}
    if isinstance(metric, LogMetric):
        space = metrics.namespace(stage.name)
    else:
        name = api_id if of == "api" else stage.resource_name(of or "")
        space = metric.namespace
        dimensions[metric.dimension] = name
        if metric is metrics.PLACED:
            dimensions["Operation"] = "PutItem"
    return cloudwatch.Metric(
        namespace=space,
        metric_name=metric.name,
        dimensions_map=dimensions,
        statistic=statistic or metric.statistic,
        label=label,
        period=Duration.seconds(period_seconds),
    )


class StageAlarm(Construct):
    """Notifies the topic when it rings, and when it is over."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        alarm: Alarm,
        topic: sns.ITopic,
        api_id: str,
        stage: Stage,
    ) -> None:
        super().__init__(scope, id_)
        cloudwatch.CfnAlarm(
            self,
            "Alarm",
            alarm_name=stage.resource_name(alarm.name),
            alarm_description=alarm.description,
            **_looked_at(alarm, api_id=api_id, stage=stage),
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.breaching,
            threshold=alarm.threshold,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data=alarm.missing,
            alarm_actions=[topic.topic_arn],
            ok_actions=[topic.topic_arn],
        )


def _looked_at(alarm: Alarm, *, api_id: str, stage: Stage) -> dict[str, Any]:
    """The properties that say what an alarm looks at."""
    period, metric = alarm.period_seconds, alarm.metric
    if not isinstance(metric, Unanswered):
        one = measured(metric, of=alarm.of, api_id=api_id, stage=stage)
        return {**_named(one), "statistic": metric.statistic, "period": period}
    if stage.on_emulator:
        # It refuses metric math: spillway.operate.status.evaluating works it out under this name.
        space = {"namespace": metrics.namespace(stage.name), "metric_name": metric.name}
        return {**space, "statistic": metric.statistic, "period": period}
    query = cloudwatch.CfnAlarm.MetricDataQueryProperty
    counted = [
        query(
            id=id_,
            metric_stat=cloudwatch.CfnAlarm.MetricStatProperty(
                metric=cloudwatch.CfnAlarm.MetricProperty(
                    **_named(measured(one, of=of, api_id=api_id, stage=stage))
                ),
                period=period,
                stat=one.statistic,
            ),
            return_data=False,
        )
        for id_, (one, of) in (("cause", metric.cause), ("effect", metric.effect))
    ]
    math = query(id="unanswered", label=metric.name, expression=metric.expression)
    return {"metrics": [*counted, math]}


def _named(metric: cloudwatch.Metric) -> dict[str, Any]:
    return {
        "namespace": metric.namespace,
        "metric_name": metric.metric_name,
        "dimensions": [
            cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
            for name, value in (metric.dimensions or {}).items()
        ],
    }
