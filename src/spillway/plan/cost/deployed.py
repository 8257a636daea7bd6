"""What a stage deploys, read from its synthesised templates: nothing about it is typed here twice.

Synthesis takes some seconds, so what was read is kept by the content of the sources that it was
made of.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from spillway.errors import SpillwayError
from spillway.paths import home
from spillway.run.stack.assembly import fingerprint

Template = Mapping[str, Any]

#: The route that orders come by: each route has a throttle of its own.
_PLACING = "PUT /orders/{order_id}"


class Mapping_(msgspec.Struct, frozen=True):  # noqa: N801 -- a mapping of Lambda's, not Python's
    """An event source mapping: what hands batches to a function."""

    batch_size: int
    window_seconds: float
    concurrency_max: float | None
    polls_sqs: bool
    parallelization: int


class Deployed(msgspec.Struct, frozen=True):
    """A stage's stacks, as far as they cost or limit anything.

    `memory_mb` and `mappings` are by function, without the stage. `custom_metrics` are those that
    AWS does not give for nothing.
    """

    stage: str
    memory_mb: Mapping[str, float]
    timeout_seconds: Mapping[str, float]
    mappings: Mapping[str, Mapping_]
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
    user_pools: int
    warm_write_units: float | None
    packs: bool

    @property
    def polled_queues(self) -> int:
        return sum(mapping.polls_sqs for mapping in self.mappings.values())


def deployed(stage: str) -> Deployed:
    """SpillwayError: there is no such stage, or it cannot be synthesised."""
    cache = home() / "cache" / "deployed"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = cache / f"{stage}-{fingerprint()}.json"
    try:
        return msgspec.json.decode(known.read_bytes(), type=Deployed)
    except (OSError, msgspec.DecodeError):
        pass
    read = of_templates(stage, _synthesised(stage))
    for old in cache.glob(f"{stage}-*.json"):
        old.unlink(missing_ok=True)
    known.write_bytes(msgspec.json.encode(read))
    return read


def _synthesised(stage: str) -> list[Template]:
    from infra import bundle  # first: it says which Node the CDK's library runs on
    from infra.app import add_stacks
    from infra.stage import StageError, load

    # isort: split
    from aws_cdk import App

    context = json.loads((bundle.ROOT / "cdk.json").read_text())["context"]
    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=f"{folder}/out", context=context, analytics_reporting=False)
        try:
            # The functions' code does not matter here: any folder is as good.
            code = Path(folder, "code")
            code.mkdir()
            (code / "empty.py").touch()
            add_stacks(app, stage=load(stage), code=code)
        except StageError as error:
            raise SpillwayError(str(error)) from error
        return [stack.template for stack in app.synth().stacks]


def of_templates(stage: str, templates: list[Template]) -> Deployed:
    """Read what CloudFormation will be given."""
    prefix = f"spillway-{stage}-"
    functions = {
        found["FunctionName"].removeprefix(prefix): found
        for found in _properties(templates, "AWS::Lambda::Function")
    }
    groups = [*_properties(templates, "AWS::Logs::LogGroup")]
    [api] = _properties(templates, "AWS::ApiGatewayV2::Stage")
    throttle = api["RouteSettings"][_PLACING]
    [table] = [
        one
        for one in _properties(templates, "AWS::DynamoDB::GlobalTable")
        if one["TableName"] == f"{prefix}orders"
    ]
    return Deployed(
        stage=stage,
        memory_mb={name: found["MemorySize"] for name, found in functions.items()},
        timeout_seconds={name: found["Timeout"] for name, found in functions.items()},
        mappings=dict(_mappings(templates, prefix)),
        alarms=_count(templates, "AWS::CloudWatch::Alarm"),
        composite_alarms=_count(templates, "AWS::CloudWatch::CompositeAlarm"),
        dashboards=_count(templates, "AWS::CloudWatch::Dashboard"),
        custom_metrics=len(_own_metrics(templates)),
        encryption_keys=_count(templates, "AWS::KMS::Key"),
        log_days=max((group["RetentionInDays"] for group in groups), default=0),
        access_log_format=api["AccessLogSettings"]["Format"],
        access_log_infrequent=any(
            group.get("LogGroupClass") == "INFREQUENT_ACCESS"
            and group["LogGroupName"] == f"/aws/vendedlogs/{prefix}api"
            for group in groups
        ),
        api_requests_per_second=throttle["ThrottlingRateLimit"],
        api_burst=throttle["ThrottlingBurstLimit"],
        user_pools=_count(templates, "AWS::Cognito::UserPool"),
        warm_write_units=table.get("WarmThroughput", {}).get("WriteUnitsPerSecond"),
        packs=functions["relay"]["Environment"]["Variables"]["PACKS"] == "on",
    )


def _mappings(templates: list[Template], prefix: str) -> Iterator[tuple[str, Mapping_]]:
    for template in templates:
        for found in _of_type(template, "AWS::Lambda::EventSourceMapping"):
            yield (
                _function_name(template, found["FunctionName"]).removeprefix(prefix),
                Mapping_(
                    batch_size=found["BatchSize"],
                    window_seconds=found.get("MaximumBatchingWindowInSeconds", 0),
                    concurrency_max=found.get("ScalingConfig", {}).get("MaximumConcurrency"),
                    # A stream's mapping says where to start.
                    polls_sqs="StartingPosition" not in found,
                    parallelization=found.get("ParallelizationFactor", 1),
                ),
            )


def _function_name(template: Template, value: Any) -> str:
    """What a function is called that a value refers to, itself or by its alias."""
    while not isinstance(value, str):
        [logical_id] = [part for part in _references(value) if part in template["Resources"]]
        value = template["Resources"][logical_id]["Properties"]["FunctionName"]
    return value


def _own_metrics(templates: list[Template]) -> set[tuple[str, str]]:
    """What metric filters make of log lines, by namespace and name; each is charged once it has
    data, and most have none in a month without trouble."""
    return {
        (made["MetricNamespace"], made["MetricName"])
        for found in _properties(templates, "AWS::Logs::MetricFilter")
        for made in found["MetricTransformations"]
    }


def _references(value: Any) -> Iterator[str]:
    """The logical ids that a value refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            yield name
        case {"Fn::Join": [_, parts]}:
            for part in parts:
                yield from _references(part)


def _count(templates: list[Template], type_: str) -> int:
    return sum(1 for _ in _properties(templates, type_))


def _properties(templates: list[Template], type_: str) -> Iterator[Mapping[str, Any]]:
    for template in templates:
        yield from _of_type(template, type_)


def _of_type(template: Template, type_: str) -> Iterator[Mapping[str, Any]]:
    for resource in template["Resources"].values():
        if resource["Type"] == type_:
            yield resource["Properties"]
