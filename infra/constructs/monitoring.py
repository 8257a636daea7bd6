"""Metrics and alarms of infra.metrics and infra.alarms, as the CDK has them."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra import metrics
from infra.alarms import Alarm
from infra.metrics import LogMetric, Metric
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
    if isinstance(metric, LogMetric):
        space, dimensions = metrics.namespace(stage.name), {}
    else:
        name = api_id if of == "api" else stage.resource_name(of or "")
        space, dimensions = metric.namespace, {metric.dimension: name}
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
        metric = measured(alarm.metric, of=alarm.of, api_id=api_id, stage=stage)
        cloudwatch.CfnAlarm(
            self,
            "Alarm",
            alarm_name=stage.resource_name(alarm.name),
            alarm_description=alarm.description,
            namespace=metric.namespace,
            metric_name=metric.metric_name,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
                for name, value in (metric.dimensions or {}).items()
            ],
            statistic=alarm.metric.statistic,
            period=alarm.period_seconds,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.periods if alarm.consecutive else 1,
            threshold=alarm.threshold,
            comparison_operator="GreaterThanOrEqualToThreshold",
            # Most of these metrics have data only while something is wrong.
            treat_missing_data="notBreaching",
            alarm_actions=[topic.topic_arn],
            ok_actions=[topic.topic_arn],
        )
