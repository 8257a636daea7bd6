"""What the cost model says a stage deploys is what the templates have."""

from __future__ import annotations

import json

import pytest

from infra.access_log import ACCESS_LOG_FIELDS
from infra.event_sources import RELAY_BATCH_SIZE
from spillway.plan.cost.batches import CROWD
from spillway.plan.cost.deployed import deployed
from tests.infra.templates import Templates


@pytest.fixture(params=["dev", "prod"])
def stage(request: pytest.FixtureRequest, dev: Templates, prod: Templates) -> Templates:
    return {"dev": dev, "prod": prod}[request.param]


def test_every_function_has_the_memory_that_is_priced(stage: Templates) -> None:
    memory = {name: found["MemorySize"] for name, found in stage.functions().items()}
    assert memory == deployed(stage.stage.name).memory_mb


def test_what_is_paid_by_the_month_is_counted(stage: Templates) -> None:
    model = deployed(stage.stage.name)
    # An alarm on metric math is paid by the metric.
    assert model.alarms == sum(
        sum("MetricStat" in query for query in found.get("Metrics", ())) or 1
        for found in stage.resources("AWS::CloudWatch::Alarm")
    )
    assert model.dashboards == len(stage.resources("AWS::CloudWatch::Dashboard"))
    metrics = {
        (made["MetricNamespace"], made["MetricName"])
        for found in stage.resources("AWS::Logs::MetricFilter")
        for made in found["MetricTransformations"]
    }
    assert model.custom_metrics == len(metrics)
    # These would be paid for too, and the model has no word for them.
    assert not {"AWS::KMS::Key", "AWS::CloudWatch::CompositeAlarm"} & stage.types()


def test_every_mapping_polls_as_it_is_priced(stage: Templates) -> None:
    model = deployed(stage.stage.name)
    assert len(stage.resources("AWS::Lambda::EventSourceMapping")) == len(model.sources) + 2
    relay = stage.mapping_of("relay", stream=True)
    assert relay["BatchSize"] == RELAY_BATCH_SIZE == CROWD.relay
    assert relay.get("ParallelizationFactor", 1) == model.parallelization
    for name, source in model.sources.items():
        mapping = stage.mapping_of(name)
        assert mapping["BatchSize"] == source.batch_size
        assert mapping["ScalingConfig"]["MaximumConcurrency"] == source.concurrency_max
        assert mapping.get("MaximumBatchingWindowInSeconds", 0) == source.window_seconds


def test_logs_are_kept_and_priced_as_they_are_deployed(stage: Templates) -> None:
    model = deployed(stage.stage.name)
    groups = {group["LogGroupName"]: group for group in stage.resources("AWS::Logs::LogGroup")}
    assert {group["RetentionInDays"] for group in groups.values()} == {model.log_days}
    access = groups[f"/aws/vendedlogs/{stage.stage.resource_name('api')}"]
    assert access["LogGroupClass"] == "INFREQUENT_ACCESS"
    [api] = stage.resources("AWS::ApiGatewayV2::Stage")
    assert json.loads(api["AccessLogSettings"]["Format"]) == ACCESS_LOG_FIELDS


def test_the_api_lets_as_many_orders_through_as_the_solver_assumes(stage: Templates) -> None:
    model = deployed(stage.stage.name)
    [api] = stage.resources("AWS::ApiGatewayV2::Stage")
    throttle = api["RouteSettings"]["PUT /orders/{order_id}"]
    assert throttle["ThrottlingRateLimit"] == model.api_requests_per_second
    assert throttle["ThrottlingBurstLimit"] == model.api_burst


def test_the_table_begins_with_what_a_new_one_takes(stage: Templates) -> None:
    """As the solver assumes."""
    table = stage.resource(
        "AWS::DynamoDB::GlobalTable", TableName=stage.stage.resource_name("orders")
    )
    assert "WarmThroughput" not in table["Properties"]
