"""What a stage deploys, as far as it costs or limits anything, read from its templates.

Synthesis takes some seconds, so the result is cached under a fingerprint of the sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from spillway.paths import home
from spillway.plan.templates import Template, properties, resources, synthesised
from spillway.run.stack.assembly import fingerprint

#: The route that takes orders: each route has a throttle of its own.
_PLACING = "PUT /orders/{order_id}"


class EventSource(msgspec.Struct, frozen=True):
    """An event source mapping: it hands batches to a function."""

    batch_size: int
    window_seconds: float
    concurrency_max: float | None
    polls_sqs: bool
    parallelization: int


class Deployed(msgspec.Struct, frozen=True):
    """`memory_mb` and `mappings` are by function, without the stage. `custom_metrics` are those
    that AWS charges for."""

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
    access_log_infrequent: bool
    api_requests_per_second: float
    api_burst: float
    warm_write_units: float | None

    @property
    def polled_queues(self) -> int:
        return sum(mapping.polls_sqs for mapping in self.mappings.values())


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


def of_templates(stage: str, templates: Mapping[str, Template]) -> Deployed:
    prefix = f"spillway-{stage}-"
    functions = properties(templates, "AWS::Lambda::Function")
    groups = [*properties(templates, "AWS::Logs::LogGroup")]
    [api] = properties(templates, "AWS::ApiGatewayV2::Stage")
    throttle = api["RouteSettings"][_PLACING]
    tables = properties(templates, "AWS::DynamoDB::GlobalTable")
    [table] = [one for one in tables if one["TableName"] == f"{prefix}orders"]

    def count(type_: str) -> int:
        return sum(1 for _ in properties(templates, type_))

    return Deployed(
        stage=stage,
        memory_mb={
            one["FunctionName"].removeprefix(prefix): one["MemorySize"] for one in functions
        },
        mappings=dict(_mappings(templates, prefix)),
        alarms=count("AWS::CloudWatch::Alarm"),
        composite_alarms=count("AWS::CloudWatch::CompositeAlarm"),
        dashboards=count("AWS::CloudWatch::Dashboard"),
        custom_metrics=len(_own_metrics(templates)),
        encryption_keys=count("AWS::KMS::Key"),
        log_days=max((group["RetentionInDays"] for group in groups), default=0),
        access_log_format=api["AccessLogSettings"]["Format"],
        access_log_infrequent=any(
            group.get("LogGroupClass") == "INFREQUENT_ACCESS"
            and group["LogGroupName"] == f"/aws/vendedlogs/{prefix}api"
            for group in groups
        ),
        api_requests_per_second=throttle["ThrottlingRateLimit"],
        api_burst=throttle["ThrottlingBurstLimit"],
        warm_write_units=table.get("WarmThroughput", {}).get("WriteUnitsPerSecond"),
    )


def _mappings(templates: Mapping[str, Template], prefix: str) -> Iterator[tuple[str, EventSource]]:
    for stack, _, resource in resources(templates, "AWS::Lambda::EventSourceMapping"):
        found = resource["Properties"]
        name = _function_name(templates[stack], found["FunctionName"])
        yield (
            name.removeprefix(prefix),
            EventSource(
                batch_size=found["BatchSize"],
                window_seconds=found.get("MaximumBatchingWindowInSeconds", 0),
                concurrency_max=found.get("ScalingConfig", {}).get("MaximumConcurrency"),
                # Only a stream's mapping says where to start.
                polls_sqs="StartingPosition" not in found,
                parallelization=found.get("ParallelizationFactor", 1),
            ),
        )


def _function_name(template: Template, value: Any) -> str:
    """The name of the function that a value refers to, directly or by its alias."""
    while not isinstance(value, str):
        [logical_id] = [part for part in _references(value) if part in template["Resources"]]
        value = template["Resources"][logical_id]["Properties"]["FunctionName"]
    return value


def _own_metrics(templates: Mapping[str, Template]) -> set[tuple[str, str]]:
    """What metric filters make of log lines, by namespace and name. Each is charged once it has
    data, and most have none in a month without faults."""
    return {
        (made["MetricNamespace"], made["MetricName"])
        for found in properties(templates, "AWS::Logs::MetricFilter")
        for made in found["MetricTransformations"]
    }


def _references(value: Any) -> Iterator[str]:
    """The logical ids that a value refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            yield name
        case {"Fn::Join": [_, joined]}:
            for part in joined:
                yield from _references(part)
