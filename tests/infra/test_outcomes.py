"""Downstreams that tell later what they decide have a way in, each its own, and nobody else has."""

from __future__ import annotations

import pytest

from infra.alarms import alarms
from infra.metrics import log_metrics_of
from tests.infra.templates import Templates

pytestmark = pytest.mark.cdk

CONSUME = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
}
ROUTE = "POST /outcomes/{downstream}"


@pytest.fixture
def calling_back(unusual: Templates) -> Templates:
    """Accounting calls back."""
    return unusual


@pytest.fixture
def by_queue(in_vpc: Templates) -> Templates:
    """Fulfilment sends to a queue."""
    return in_vpc


def test_only_a_stage_with_such_a_downstream_has_the_function_and_its_queues(
    dev: Templates, calling_back: Templates, by_queue: Templates
) -> None:
    assert "outcomes" not in dev.functions()
    for stage, name in ((calling_back, "accounting"), (by_queue, "fulfilment")):
        assert "outcomes" in stage.functions()
        queues = {queue["QueueName"] for queue in stage.resources("AWS::SQS::Queue")}
        own = stage.stage.resource_name(f"outcomes-{name}")
        assert {queue for queue in queues if "outcomes" in queue} == {own, f"{own}-dead-letters"}


def test_it_may_record_what_it_is_told_and_read_only_the_keys_of_callbacks(
    calling_back: Templates, by_queue: Templates
) -> None:
    keys = {"parameter/spillway/unusual/accounting/outcome-keys": {"ssm:GetParameter"}}
    for stage, name, more in ((calling_back, "accounting", keys), (by_queue, "fulfilment", {})):
        of_xray = {"*": {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}}
        permitted = stage.permissions_of("outcomes")
        assert permitted == more | (of_xray if stage.stage.xray else {}) | {
            f"/aws/lambda/{stage.stage.resource_name('outcomes')}": {
                "logs:CreateLogStream",
                "logs:PutLogEvents",
            },
            stage.stage.resource_name("orders"): {
                "dynamodb:ConditionCheckItem",
                "dynamodb:GetItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            },
            stage.stage.resource_name(f"outcomes-{name}"): CONSUME,
            stage.stage.resource_name(f"outcomes-{name}-dead-letters"): {"sqs:SendMessage"},
        }


def test_its_route_asks_for_no_token_and_has_a_share_of_its_own(
    calling_back: Templates, by_queue: Templates
) -> None:
    routes = {
        route["RouteKey"]: route for route in calling_back.resources("AWS::ApiGatewayV2::Route")
    }
    own = routes.pop(ROUTE)
    assert own["AuthorizationType"] == "NONE"
    assert not own.get("AuthorizationScopes")
    assert {route["AuthorizationType"] for route in routes.values()} == {"JWT"}
    [stage] = calling_back.resources("AWS::ApiGatewayV2::Stage")
    share = calling_back.stage.api.outcomes
    assert stage["RouteSettings"][ROUTE] == {
        "ThrottlingRateLimit": share.requests_per_second_max,
        "ThrottlingBurstLimit": share.burst_max,
    }
    # Nobody calls where all is told on queues.
    for route in by_queue.resources("AWS::ApiGatewayV2::Route"):
        assert route["RouteKey"] != ROUTE


def test_only_who_is_named_sends_to_a_queue_of_outcomes(
    calling_back: Templates, by_queue: Templates
) -> None:
    """Every other statement denies what does not come by TLS."""
    admitted = [
        (stage.named(statement["Resource"]), statement)
        for stage in (calling_back, by_queue)
        for policy in stage.resources("AWS::SQS::QueuePolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    [(queue, statement)] = admitted
    assert queue == "spillway-private-outcomes-fulfilment"
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Principal"] == {"AWS": "arn:aws:iam::444455556666:role/warehouse"}
    assert "Condition" not in statement


def test_each_queue_of_outcomes_is_read_and_watched(
    calling_back: Templates, by_queue: Templates
) -> None:
    for stage, name in ((calling_back, "accounting"), (by_queue, "fulfilment")):
        watched = {alarm.name for alarm in alarms(stage.stage)}
        assert f"outcomes-{name}-dead-letters" in watched
        assert ("outcomes-forged" in watched) == (stage is calling_back)
        own = stage.stage.resource_name(f"outcomes-{name}")
        [mapping] = [
            each
            for each in stage.resources("AWS::Lambda::EventSourceMapping")
            if stage.named(each["EventSourceArn"]) == own
        ]
        assert stage.named(mapping["FunctionName"]).endswith("-outcomes:live")
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_its_lines_are_counted(calling_back: Templates) -> None:
    filters = {
        found["MetricTransformations"][0]["MetricName"]
        for found in calling_back.resources("AWS::Logs::MetricFilter")
        if calling_back.named(found["LogGroupName"]).endswith("-outcomes")
    }
    assert filters == {metric.name for metric in log_metrics_of("outcomes")}
    assert {"ForgedOutcomes", "Contradictions", "NeedsFix", "SettleMs"} <= filters
