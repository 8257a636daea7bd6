"""A metric by its name in infra.metrics, as the CDK has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from infra import metrics
from infra.metrics import LogMetric, Metric

if TYPE_CHECKING:
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
    """`of` is what it is measured of, called as in `infra.alarms.Alarm`; None for our own."""
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
