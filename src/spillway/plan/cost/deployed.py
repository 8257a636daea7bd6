"""What a stage deploys, as far as it costs or limits anything, read from its templates.

Synthesis takes some seconds, so the result is cached under a fingerprint of the sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import msgspec

from spillway.paths import home
from spillway.plan.templates import Templates, synthesised
from spillway.run.stack.assembly import fingerprint

#: The route that takes orders: each route has a throttle of its own.
_PLACING = "PUT /orders/{order_id}"
#: An API access log line's fields, for an order that was accepted.
_ACCESS_LOG_VALUES = {
    "$context.requestId": "JKJaXmPLvHcESHA=",
    "$context.routeKey": "PUT /orders/{order_id}",
    "$context.status": "201",
    "$context.responseLatency": "42",
    "$context.path": "/api/orders/019a0000-0000-7000-8000-000000000000",
}


class EventSource(msgspec.Struct, frozen=True):
    """An event source mapping: it hands batches to a function."""

    batch_size: int
    window_seconds: float
    concurrency_max: float | None
    polls_sqs: bool
    parallelization: int


class Deployed(msgspec.Struct, frozen=True):
    """`memory_mb` and `mappings` are by function, without the stage. `custom_metrics` are those
    that AWS charges for. `access_log_price` is the price's name."""

    stage: str
    memory_mb: Mapping[str, float]
    mappings: Mapping[str, EventSource]
    alarms: int
    composite_alarms: int
    dashboards: int
    custom_metrics: int
    encryption_keys: int
    log_days: float
    access_log_format: str
    access_log_price: str
    api_requests_per_second: float
    api_burst: float
    warm_write_units: float | None

    @property
    def polled_queues(self) -> int:
        return sum(mapping.polls_sqs for mapping in self.mappings.values())

    @property
    def access_log_bytes(self) -> int:
        """Of a line for an order that was accepted."""
        fields = json.loads(self.access_log_format).items()
        return len(json.dumps({name: _ACCESS_LOG_VALUES.get(what, "-") for name, what in fields}))


def deployed(stage: str) -> Deployed:
    """Raises SpillwayError when there is no such stage."""
    cache = home() / "cache" / "deployed"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = cache / f"{stage}-{fingerprint()}.json"
    try:
        return msgspec.json.decode(known.read_bytes(), type=Deployed)
    except (OSError, msgspec.DecodeError):
        pass
    read = of_templates(stage, synthesised(stage))
    for old in cache.glob(f"{stage}-*.json"):
        old.unlink(missing_ok=True)
    known.write_bytes(msgspec.json.encode(read))
    return read


def of_templates(stage: str, templates: Templates) -> Deployed:
    prefix = f"spillway-{stage}-"
    functions = templates.properties("AWS::Lambda::Function")
    groups = {group["LogGroupName"]: group for group in templates.properties("AWS::Logs::LogGroup")}
    access_log = groups[f"/aws/vendedlogs/{prefix}api"]
    infrequent = access_log.get("LogGroupClass") == "INFREQUENT_ACCESS"
    [api] = templates.properties("AWS::ApiGatewayV2::Stage")
    throttle = api["RouteSettings"][_PLACING]
    tables = templates.properties("AWS::DynamoDB::GlobalTable")
    [table] = [one for one in tables if one["TableName"] == f"{prefix}orders"]
    return Deployed(
        stage=stage,
        memory_mb={
            one["FunctionName"].removeprefix(prefix): one["MemorySize"] for one in functions
        },
        mappings=dict(_mappings(templates, prefix)),
        alarms=len(templates.properties("AWS::CloudWatch::Alarm")),
        composite_alarms=len(templates.properties("AWS::CloudWatch::CompositeAlarm")),
        dashboards=len(templates.properties("AWS::CloudWatch::Dashboard")),
        custom_metrics=len(_own_metrics(templates)),
        encryption_keys=len(templates.properties("AWS::KMS::Key")),
        log_days=max(group["RetentionInDays"] for group in groups.values()),
        access_log_format=api["AccessLogSettings"]["Format"],
        access_log_price="logs.ingested_infrequent" if infrequent else "logs.ingested",
        api_requests_per_second=throttle["ThrottlingRateLimit"],
        api_burst=throttle["ThrottlingBurstLimit"],
        warm_write_units=table.get("WarmThroughput", {}).get("WriteUnitsPerSecond"),
    )


def _mappings(templates: Templates, prefix: str) -> Iterator[tuple[str, EventSource]]:
    for stack, _, resource in templates.resources("AWS::Lambda::EventSourceMapping"):
        found = resource["Properties"]
        # The function's name is followed by its alias.
        function = templates.text(stack, found["FunctionName"]).partition(":")[0]
        yield (
            function.removeprefix(prefix),
            EventSource(
                batch_size=found["BatchSize"],
                window_seconds=found.get("MaximumBatchingWindowInSeconds", 0),
                concurrency_max=found.get("ScalingConfig", {}).get("MaximumConcurrency"),
                # Only a stream's mapping says where to start.
                polls_sqs="StartingPosition" not in found,
                parallelization=found.get("ParallelizationFactor", 1),
            ),
        )


def _own_metrics(templates: Templates) -> set[tuple[str, str]]:
    """What metric filters make of log lines, by namespace and name. Each is charged once it has
    data, and most have none in a month without faults."""
    return {
        (made["MetricNamespace"], made["MetricName"])
        for found in templates.properties("AWS::Logs::MetricFilter")
        for made in found["MetricTransformations"]
    }
