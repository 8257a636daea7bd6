"""What runs, what it may do, and who may call it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from infra.bundle import ROOT
from infra.stage import API_TIMEOUT_SECONDS, DELIVERIES_MIN, Downstreams, Express
from orders import settings
from orders.domain.saga import DOWNSTREAMS, Downstream
from orders.wiring import CONCURRENT_MAX
from spillway.operate.status.alarms import Alarm
from tests.infra.templates import Templates

DELIVERIES = tuple(f"deliver-{downstream}" for downstream in DOWNSTREAMS)
FUNCTIONS = ("intake", "drain", "reads", "relay", *DELIVERIES, "watchdog")

READ_STREAM = {
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
}
CONSUME = {
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
}
WRITE_LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}


def delivery(downstream: str, *others: str) -> dict[str, set[str]]:
    """`others`: those that it calls on the express path."""
    keys = (f"parameter/spillway/dev/{each}/api-key" for each in (downstream, *others))
    return {
        f"/aws/lambda/spillway-dev-deliver-{downstream}": WRITE_LOGS,
        "spillway-dev-orders": {
            "dynamodb:ConditionCheckItem",
            "dynamodb:GetItem",
            "dynamodb:UpdateItem",
        },
        f"spillway-dev-{downstream}": CONSUME | {"sqs:SendMessage"},
        f"spillway-dev-{downstream}-dead-letters": {"sqs:SendMessage"},
        **{key: {"ssm:GetParameter"} for key in keys},
    }


PERMITTED = {
    "intake": {
        "/aws/lambda/spillway-dev-intake": WRITE_LOGS,
        "spillway-dev-orders": {
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
        },
        "spillway-dev-overflow": {"sqs:SendMessage"},
        "spillway-dev-coupons": {
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        },
        "parameter/spillway/dev/coupon-keys": {"ssm:GetParameter"},
        "parameter/spillway/dev/receipt-keys": {"ssm:GetParameter"},
        "/index.json": {"s3:GetObject"},
        "/books/*": {"s3:GetObject"},
        "/orders/*": {"s3:GetObject"},
    },
    "drain": {
        "/aws/lambda/spillway-dev-drain": WRITE_LOGS,
        "spillway-dev-orders": {"dynamodb:PutItem"},
        "spillway-dev-overflow": CONSUME,
        "spillway-dev-overflow-dead-letters": {"sqs:SendMessage"},
    },
    "watchdog": {
        "/aws/lambda/spillway-dev-watchdog": WRITE_LOGS,
        "spillway-dev-orders": {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem"},
        "spillway-dev-coupons": {"dynamodb:DeleteItem", "dynamodb:UpdateItem"},
        "spillway-dev-order-events": {"sns:Publish"},
        "spillway-dev-orders/stream": READ_STREAM,
        "spillway-dev-watchdog": CONSUME | {"sqs:SendMessage"},
        "spillway-dev-watchdog-dead-letters": {"sqs:SendMessage"},
        **{
            f"spillway-dev-{downstream}": {"sqs:GetQueueAttributes", "sqs:SendMessage"}
            for downstream in DOWNSTREAMS
        },
        **{
            f"spillway-dev-{downstream}-dead-letters": {"sqs:GetQueueAttributes"}
            for downstream in DOWNSTREAMS
        },
    },
    "reads": {
        "/aws/lambda/spillway-dev-reads": WRITE_LOGS,
        "spillway-dev-orders": {"dynamodb:Query"},
        "/orders/*": {"s3:GetObject"},
    },
    "relay": {
        "/aws/lambda/spillway-dev-relay": WRITE_LOGS,
        "spillway-dev-orders": {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"},
        "spillway-dev-coupons": {"dynamodb:DeleteItem", "dynamodb:UpdateItem"},
        "spillway-dev-orders/stream": READ_STREAM,
        "spillway-dev-inventory": {"sqs:SendMessage"},
        "spillway-dev-fulfilment": {"sqs:SendMessage"},
        "spillway-dev-accounting": {"sqs:SendMessage"},
        "spillway-dev-watchdog": {"sqs:SendMessage"},
        "spillway-dev-relay-dead-letters": {"sqs:SendMessage"},
        "spillway-dev-order-events": {"sns:Publish"},
    },
    "deliver-inventory": delivery("inventory", "fulfilment", "accounting"),
    "deliver-fulfilment": delivery("fulfilment"),
    "deliver-accounting": delivery("accounting"),
}


def test_there_is_one_function_for_each_step_and_downstream(dev: Templates) -> None:
    assert set(dev.functions()) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_exactly_what_it_needs(dev: Templates, function: str) -> None:
    assert dev.permissions_of(function) == PERMITTED[function]


def test_no_role_has_a_policy_beside_the_one_that_is_spelled_out(dev: Templates) -> None:
    roles = dev.resources("AWS::IAM::Role")
    assert len(roles) == len(FUNCTIONS)
    assert not [role for role in roles if {"ManagedPolicyArns", "Policies"} & set(role)]


def test_orders_leave_the_table_only_where_the_stage_says_so(
    dev: Templates, unusual: Templates
) -> None:
    assert dev.stage.keeping.days is None
    assert "archive" not in dev.functions()
    assert not dev.resources("AWS::Scheduler::Schedule")
    environment = environment_of(unusual, "archive")
    read = settings.ArchiveSettings.read(environment)
    assert (read.keep_days, read.keep_imported) == (90, "archive")
    assert read.run_seconds == unusual.functions()["archive"]["Timeout"] == 900
    assert environment.keys() == {*read.environment(), "AWS_SDK_UA_APP_ID"}
    assert unusual.permissions_of("archive") == {
        # Of X-Ray, which this stage has on.
        "*": {"xray:PutTelemetryRecords", "xray:PutTraceSegments"},
        "/aws/lambda/spillway-unusual-archive": WRITE_LOGS,
        "spillway-unusual-orders": {
            "dynamodb:BatchGetItem",
            "dynamodb:DeleteItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
        },
        "": {"s3:ListBucket"},
        "/orders/*": {"s3:GetObject", "s3:PutObject"},
        "/run.json": {"s3:GetObject", "s3:PutObject"},
    }


def test_payments_are_held_against_the_orders_only_where_the_stage_says_so(
    dev: Templates, unusual: Templates
) -> None:
    """The function makes ids void, and takes nothing away; of the queue it reads the depth."""
    assert "payments" not in dev.functions()
    environment = environment_of(unusual, "payments")
    read = settings.PaymentsSettings.read(environment)
    # An address is read from behind its first colon.
    assert (read.gateway_url, read.window_days, read.refunds_max) == (
        "//api.stripe.com",
        3,
        20,
    )
    assert read.run_seconds == unusual.functions()["payments"]["Timeout"] == 900
    assert environment.keys() == {*read.environment(), "AWS_SDK_UA_APP_ID"}
    assert unusual.permissions_of("payments") == {
        "*": {"xray:PutTelemetryRecords", "xray:PutTraceSegments"},
        "/aws/lambda/spillway-unusual-payments": WRITE_LOGS,
        "spillway-unusual-orders": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
        "spillway-unusual-overflow": {"sqs:GetQueueAttributes"},
        "spillway-unusual-overflow-dead-letters": {"sqs:GetQueueAttributes"},
        "spillway-unusual-order-events": {"sns:Publish"},
        "parameter/spillway/unusual/gateway-key": {"ssm:GetParameter"},
        "/orders/*": {"s3:GetObject"},
    }


@pytest.mark.parametrize(
    ("function", "times"), [("archive", "0 3 * * ? *"), ("payments", "10 * * * ? *")]
)
def test_what_runs_on_a_schedule_never_runs_twice(
    unusual: Templates, function: str, times: str
) -> None:
    schedule = unusual.resource("AWS::Scheduler::Schedule", Name=f"spillway-unusual-{function}")
    properties = schedule["Properties"]
    assert properties["ScheduleExpression"] == f"cron({times})"
    assert properties["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    for once in unusual.resources("AWS::Lambda::EventInvokeConfig"):
        assert (once["MaximumRetryAttempts"], once["Qualifier"]) == (0, "live")


def test_a_store_for_companies_says_so_to_both_and_takes_a_number_once(in_vpc: Templates) -> None:
    for function, kind in (("intake", settings.IntakeSettings), ("reads", settings.ReadsSettings)):
        read = kind.read(environment_of(in_vpc, function))
        claims = (read.retail_customer_claim, read.wholesale_customer_claim)
        assert claims == ("sub", "company_id")
    assert in_vpc.permissions_of("intake")["spillway-private-coupons"] == {"dynamodb:PutItem"}


def test_only_a_stage_that_holds_orders_has_a_way_to_decide_about_them(
    dev: Templates, in_vpc: Templates
) -> None:
    route = "POST /orders/{order_id}/approval"
    for stage, holds in ((dev, False), (in_vpc, True)):
        routes = {
            found["RouteKey"]: found["AuthorizationType"]
            for found in stage.resources("AWS::ApiGatewayV2::Route")
        }
        assert routes.get(route) == ("JWT" if holds else None)
        [api] = stage.resources("AWS::ApiGatewayV2::Stage")
        assert (route in api["RouteSettings"]) == holds
        groups = {one["GroupName"] for one in stage.resources("AWS::Cognito::UserPoolGroup")}
        assert groups == {"wholesale", *(("approvers",) if holds else ())}
        read = settings.IntakeSettings.read(environment_of(stage, "intake"))
        given = (read.limit_claim, read.approver_group, read.hold_days)
        assert given == (("order_limit", "approvers", 7) if holds else (None, None, None))
    # What else intake may do there, deciding needs too.
    own = dev.permissions_of("intake").get("spillway-dev-orders")
    assert in_vpc.permissions_of("intake")["spillway-private-orders"] == own


def test_a_delivery_may_invoke_its_downstream_s_function_and_no_other(
    to_function: Templates,
) -> None:
    # Inventory's, too: it calls accounting on the express path.
    for name in ("deliver-accounting", "deliver-inventory"):
        actions = {
            str(statement["Resource"]): statement
            for statement in to_function.statements_of(name)
            if "lambda:" in str(statement["Action"])
        }
        [(resource, statement)] = actions.items()
        assert resource.endswith(":function:post:live")
        assert (statement["Action"], "Condition" in statement) == ("lambda:InvokeFunction", False)
        read = settings.DeliverSettings.read(environment_of(to_function, name))
        assert read.called["accounting"].signing == ("lambda", "eu-west-1")
        assert "accounting" not in str(parameters(to_function.permissions_of(name)))


def test_a_signed_downstream_needs_no_key_and_may_be_invoked(unusual: Templates) -> None:
    permissions = unusual.permissions_of("deliver-inventory")
    assert permissions["abc/prod/POST/*"] == {"execute-api:Invoke"}
    assert parameters(permissions) == set()
    environment = environment_of(unusual, "deliver-inventory")
    read = settings.DeliverSettings.read(environment)
    called = read.called["inventory"]
    assert (called.auth, called.signing) == ("sigv4", ("execute-api", "eu-west-1"))


def parameters(permissions: Mapping[str, set[str]]) -> set[str]:
    return {on for on, actions in permissions.items() if "ssm:GetParameter" in actions}


def test_a_delivery_reads_the_certificate_that_it_shows_and_nothing_else(
    unusual: Templates,
) -> None:
    name = "/spillway/unusual/fulfilment/client-certificate"
    assert parameters(unusual.permissions_of("deliver-fulfilment")) == {f"parameter{name}"}
    read = settings.DeliverSettings.read(environment_of(unusual, "deliver-fulfilment"))
    called = read.called["fulfilment"]
    assert (called.auth, called.client_certificate_parameter) == ("none", name)


def test_a_delivery_reads_the_secret_of_its_oauth_client(in_vpc: Templates) -> None:
    place = "/spillway/private/accounting"
    # Inventory's, too: it calls accounting on the express path.
    for function in ("deliver-accounting", "deliver-inventory"):
        read = settings.DeliverSettings.read(environment_of(in_vpc, function))
        called = read.called["accounting"]
        assert called.oauth == settings.OAuthClient(
            token_url="https://login.example.com/token",
            client_id="spillway",
            secret_parameter=f"{place}/client-secret",
            scope="postings.write",
        )
        assert called.server_ca_parameter == f"{place}/server-ca"
        assert {
            f"parameter{place}/client-secret",
            f"parameter{place}/server-ca",
        } <= parameters(in_vpc.permissions_of(function))


def test_a_delivery_may_send_to_its_downstream_s_queue(in_vpc: Templates) -> None:
    permissions = in_vpc.permissions_of("deliver-fulfilment")
    assert permissions["ship.fifo"] == {"sqs:SendMessage"}
    arn = ":sqs:eu-west-1:111122223333:ship.fifo"
    assert arn in json.dumps(in_vpc.statements_of("deliver-fulfilment"))
    read = settings.DeliverSettings.read(environment_of(in_vpc, "deliver-fulfilment"))
    assert read.called["fulfilment"].signing == ("sqs", "eu-west-1")
    # Its outcomes come later, so the express path leaves it out.
    assert "fulfilment" not in in_vpc.stage.express_calls


def test_a_function_s_url_may_be_called_and_the_function_only_by_it(unusual: Templates) -> None:
    on_it = {
        statement["Action"]: statement.get("Condition")
        for statement in unusual.statements_of("deliver-accounting")
        if str(statement["Resource"]).endswith(":function:post")
    }
    assert on_it == {
        "lambda:InvokeFunctionUrl": None,
        "lambda:InvokeFunction": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
    }
    read = settings.DeliverSettings.read(environment_of(unusual, "deliver-accounting"))
    assert read.called["accounting"].signing == ("lambda", "us-east-2")


def test_a_vpc_lattice_service_may_be_invoked(in_vpc: Templates) -> None:
    permissions = in_vpc.permissions_of("deliver-inventory")
    assert permissions["service/svc-0123456789abcdef0/*"] == {"vpc-lattice-svcs:Invoke"}
    read = settings.DeliverSettings.read(environment_of(in_vpc, "deliver-inventory"))
    assert read.called["inventory"].signing == ("vpc-lattice-svcs", "eu-west-1")


@pytest.mark.parametrize(
    ("function", "idempotency"),
    [("deliver-inventory", "keys"), ("deliver-fulfilment", "lookup")],
)
def test_a_delivery_knows_whether_its_downstream_has_idempotency_keys(
    unusual: Templates, function: str, idempotency: str
) -> None:
    environment = environment_of(unusual, function)
    read = settings.DeliverSettings.read(environment)
    assert read.called[read.downstream].idempotency == idempotency


def environment_of(templates: Templates, function: str) -> dict[str, str]:
    variables = templates.functions()[function]["Environment"]["Variables"]
    return {name: templates.named(value) for name, value in variables.items()}


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("intake", settings.IntakeSettings),
        ("drain", settings.DrainSettings),
        ("watchdog", settings.WatchdogSettings),
        ("reads", settings.ReadsSettings),
        ("relay", settings.RelaySettings),
        *((name, settings.DeliverSettings) for name in DELIVERIES),
    ],
)
def test_a_function_has_all_variables_that_it_reads_and_no_others(
    dev: Templates, function: str, kind: type[settings.Settings]
) -> None:
    environment = environment_of(dev, function)
    read = kind.read(environment).environment()
    assert environment.keys() == {*read, "AWS_SDK_UA_APP_ID"}
    assert environment["AWS_SDK_UA_APP_ID"] == function


@pytest.mark.parametrize("downstream", DOWNSTREAMS)
def test_a_delivery_has_its_own_downstream_and_queues(dev: Templates, downstream: str) -> None:
    read = settings.DeliverSettings.read(environment_of(dev, f"deliver-{downstream}"))
    assert (read.downstream, read.queue_url, read.dead_letter_queue_url) == (
        downstream,
        f"spillway-dev-{downstream}",
        f"spillway-dev-{downstream}-dead-letters",
    )


def test_relay_has_each_downstream_s_own_queue(dev: Templates) -> None:
    read = settings.RelaySettings.read(environment_of(dev, "relay"))
    assert read.queue_urls == {name: f"spillway-dev-{name}" for name in DOWNSTREAMS}


def test_watchdog_has_each_downstream_s_own_queues(dev: Templates) -> None:
    read = settings.WatchdogSettings.read(environment_of(dev, "watchdog"))
    assert read.queue_urls == {name: f"spillway-dev-{name}" for name in DOWNSTREAMS}
    assert read.dead_letter_queue_urls == {
        name: f"spillway-dev-{name}-dead-letters" for name in DOWNSTREAMS
    }


@pytest.mark.parametrize("downstream", DOWNSTREAMS)
def test_a_fake_s_address_is_given_at_deployment(local: Templates, downstream: str) -> None:
    variables = local.functions()[f"deliver-{downstream}"]["Environment"]["Variables"]
    [_, parts] = variables["DOWNSTREAMS"]["Fn::Join"]
    assert {"Ref": f"{downstream.capitalize()}Url"} in parts


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_s_path_imports(dev: Templates, function: str) -> None:
    module, name = dev.functions()[function]["Handler"].rsplit(".", 1)
    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_made_the_same_way(dev: Templates, function: str) -> None:
    properties = dev.functions()[function]
    assert properties["Architectures"] == ["arm64"]
    assert properties["Runtime"] == "python3.13"
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    group = dev.named(properties["LoggingConfig"]["LogGroup"])
    assert group == f"/aws/lambda/spillway-dev-{function}"


def test_every_log_group_forgets(dev: Templates) -> None:
    groups = dev.resources("AWS::Logs::LogGroup")
    assert len(groups) == len(FUNCTIONS) + 1
    assert {group["RetentionInDays"] for group in groups} == {dev.stage.logs.retention_days}


@pytest.mark.parametrize("function", ["intake", "reads"])
def test_a_function_behind_the_api_ends_before_the_api_gives_up(
    dev: Templates, function: str
) -> None:
    assert dev.functions()[function]["Timeout"] < API_TIMEOUT_SECONDS


@pytest.mark.parametrize("downstream", DOWNSTREAMS)
def test_a_delivery_takes_batches_answers_in_part_and_keeps_to_its_concurrency(
    dev: Templates, downstream: Downstream
) -> None:
    mapping = dev.mapping_of(f"deliver-{downstream}")
    assert dev.named(mapping["EventSourceArn"]) == f"spillway-dev-{downstream}"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    allowed = dev.stage.deliveries_max[downstream]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": allowed}


@pytest.mark.parametrize("bears", [*product([3, 4, 5, 20], repeat=3)])
def test_a_downstream_is_called_by_no_more_deliveries_than_it_bears(
    dev: Templates, bears: tuple[int, ...]
) -> None:
    """By its own and, on the express path, by inventory's, each of which makes half as many calls
    there at once. None of them is left without deliveries."""
    limits = dict(zip(DOWNSTREAMS, bears, strict=True))
    downstreams = {
        name: replace(one, concurrency_max=limits[name])
        for name, one in dev.stage.downstreams.by_name().items()
    }
    stage = replace(dev.stage, downstreams=Downstreams(**downstreams), express=Express(1))
    assert min(stage.deliveries_max.values()) >= DELIVERIES_MIN
    for name, most in limits.items():
        callers = [each for each in DOWNSTREAMS if name in stage.called_by(each)]
        share = {each: 1 if each == name else settings.EXPRESS_SHARE for each in callers}
        assert sum(stage.deliveries_max[each] * share[each] for each in callers) <= most
    assert replace(stage, express=None).deliveries_max == limits


@pytest.mark.parametrize("downstream", DOWNSTREAMS)
def test_a_delivery_attends_to_its_whole_batch_at_once(dev: Templates, downstream: str) -> None:
    assert dev.mapping_of(f"deliver-{downstream}")["BatchSize"] <= CONCURRENT_MAX


@pytest.mark.parametrize(("function", "queue"), [("drain", "overflow"), ("watchdog", "watchdog")])
def test_drain_and_watchdog_answer_in_part_and_run_with_the_least_concurrency(
    dev: Templates, function: str, queue: str
) -> None:
    mapping = dev.mapping_of(function)
    assert dev.named(mapping["EventSourceArn"]) == f"spillway-dev-{queue}"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_a_batch_of_more_than_ten_has_the_window_that_it_needs(dev: Templates) -> None:
    mapping = dev.mapping_of("watchdog")
    assert mapping["BatchSize"] > 10
    assert mapping["MaximumBatchingWindowInSeconds"] >= 1


@pytest.mark.parametrize("function", ["relay", "watchdog"])
def test_what_reads_the_stream_never_drops_a_record(dev: Templates, function: str) -> None:
    mapping = dev.mapping_of(function, stream=True)
    assert dev.named(mapping["EventSourceArn"]) == "spillway-dev-orders/stream"
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["BisectBatchOnFunctionError"] is True
    destination = mapping["DestinationConfig"]["OnFailure"]["Destination"]
    assert dev.named(destination) == f"spillway-dev-{function}-dead-letters"


def test_the_relay_works_on_as_many_batches_of_a_shard_as_the_stage_says(dev: Templates) -> None:
    factor = dev.mapping_of("relay", stream=True)["ParallelizationFactor"]
    assert factor == dev.stage.relay.parallelization == 1


@pytest.mark.parametrize("function", ["relay", "watchdog"])
def test_a_record_is_given_up_while_the_stream_still_has_it(dev: Templates, function: str) -> None:
    stream_keeps_seconds = 24 * 60 * 60
    mapping = dev.mapping_of(function, stream=True)
    assert mapping["MaximumRecordAgeInSeconds"] < stream_keeps_seconds


def test_the_api_has_these_routes_and_every_one_asks_for_a_token(dev: Templates) -> None:
    routes = dev.resources("AWS::ApiGatewayV2::Route")
    assert {route["RouteKey"] for route in routes} == {
        "GET /orders",
        "GET /orders/{order_id}",
        "HEAD /orders",
        "HEAD /orders/{order_id}",
        "POST /quotes",
        "PUT /orders/{order_id}",
        "PUT /orders/{order_id}/cancellation",
    }
    assert {route["AuthorizationType"] for route in routes} == {"JWT"}


def test_every_route_asks_for_a_scope_which_an_id_token_has_not(
    dev: Templates, prod: Templates, unusual: Templates
) -> None:
    """A token of a sign-in by password, which only tests have, has no scope but Cognito's own."""
    by_password = "aws.cognito.signin.user.admin"
    for templates, scopes in ((prod, ["openid"]), (unusual, ["openid"])):
        for route in templates.resources("AWS::ApiGatewayV2::Route"):
            # A downstream has no token at all: tests/infra/test_outcomes.py.
            if route["RouteKey"] != "POST /outcomes/{downstream}":
                assert route["AuthorizationScopes"] == scopes
    for route in dev.resources("AWS::ApiGatewayV2::Route"):
        assert route["AuthorizationScopes"][0] == "openid"
        assert (by_password in route["AuthorizationScopes"]) == (
            dev.stage.identity.admin_password_sign_in  # type: ignore[union-attr]
        )


def test_puts_and_quotes_go_to_intake_and_looks_to_reads(dev: Templates) -> None:
    [service] = [name for name in dev.by_stack if name.endswith("-service")]
    resources = dev.by_stack[service]["Resources"]
    for route in dev.resources("AWS::ApiGatewayV2::Route"):
        _, [_, target] = route["Target"]["Fn::Join"]
        integration = resources[target["Ref"]]["Properties"]
        expected = "reads" if route["RouteKey"].startswith(("GET", "HEAD")) else "intake"
        assert dev.named(integration["IntegrationUri"]) == f"spillway-dev-{expected}:live"


def test_pages_of_another_origin_call_the_api_only_where_the_stage_allows_them(
    dev: Templates, unusual: Templates
) -> None:
    [closed] = dev.resources("AWS::ApiGatewayV2::Api")
    assert "CorsConfiguration" not in closed
    [open_to] = unusual.resources("AWS::ApiGatewayV2::Api")
    cors = open_to["CorsConfiguration"]
    assert cors["AllowOrigins"] == ["https://app.example.com"]
    assert not cors.get("AllowCredentials")
    # All that the contract asks clients to send, and to read.
    assert set(cors["AllowHeaders"]) >= {"authorization", "content-type", "if-none-match"}
    assert set(cors["ExposeHeaders"]) >= {"retry-after", "etag", "www-authenticate"}


def test_the_api_lies_under_api(dev: Templates) -> None:
    [stage] = dev.resources("AWS::ApiGatewayV2::Stage")
    assert stage["StageName"] == "api"


def test_every_route_has_its_own_share_of_the_account_s_requests(prod: Templates) -> None:
    [stage] = prod.resources("AWS::ApiGatewayV2::Stage")
    routes = {route["RouteKey"] for route in prod.resources("AWS::ApiGatewayV2::Route")}
    shares = {
        "PUT /orders/{order_id}": prod.stage.api.place,
        "PUT /orders/{order_id}/cancellation": prod.stage.api.cancel,
        "GET /orders/{order_id}": prod.stage.api.read,
        "HEAD /orders/{order_id}": prod.stage.api.read,
        "GET /orders": prod.stage.api.history,
        "HEAD /orders": prod.stage.api.history,
        "POST /quotes": prod.stage.api.quote,
    }
    assert set(shares) == routes
    assert stage["RouteSettings"] == {
        route: {
            "ThrottlingRateLimit": share.requests_per_second_max,
            "ThrottlingBurstLimit": share.burst_max,
        }
        for route, share in shares.items()
    }


def test_the_routes_are_there_before_their_shares(prod: Templates) -> None:
    """The gateway refuses settings for a route that it does not have."""
    [service] = [name for name in prod.by_stack if name.endswith("-service")]
    resources = prod.by_stack[service]["Resources"]
    [stage] = [found for found in resources.values() if found["Type"].endswith("V2::Stage")]
    routes = {name for name, found in resources.items() if found["Type"].endswith("V2::Route")}
    assert routes <= set(stage["DependsOn"])


def test_the_access_log_names_nobody(dev: Templates) -> None:
    [stage] = dev.resources("AWS::ApiGatewayV2::Stage")
    fields = stage["AccessLogSettings"]["Format"]
    assert "$context.requestId" in fields
    assert not [
        told for told in ("sourceIp", "userAgent", "claims", "context.path") if told in fields
    ]


def test_the_api_takes_the_pool_s_tokens_made_out_to_its_client(dev: Templates) -> None:
    [authorizer] = dev.resources("AWS::ApiGatewayV2::Authorizer")
    jwt = authorizer["JwtConfiguration"]
    assert [dev.named(audience) for audience in jwt["Audience"]] == ["spillway-dev-storefront"]
    _, [*scheme, _region, dot, _suffix, slash, pool] = jwt["Issuer"]["Fn::Join"]
    assert (scheme, dot, slash) == (["https://cognito-idp."], ".", "/")
    assert dev.named(pool) == "spillway-dev-customers"


def test_with_another_issuer_its_tokens_are_taken_and_there_is_no_pool(unusual: Templates) -> None:
    [authorizer] = unusual.resources("AWS::ApiGatewayV2::Authorizer")
    assert authorizer["JwtConfiguration"] == {
        "Issuer": "https://login.example.com/a/b/",
        "Audience": ["orders"],
    }
    assert "AWS::Cognito::UserPool" not in unusual.types()


SHIFTED = ("intake", *DELIVERIES)


def test_every_caller_calls_the_alias_of_a_version(dev: Templates) -> None:
    aliases = dev.resources("AWS::Lambda::Alias")
    named = {dev.named(alias["FunctionName"]).removeprefix("spillway-dev-") for alias in aliases}
    assert named == set(FUNCTIONS)
    assert {alias["Name"] for alias in aliases} == {"live"}
    assert {dev.named(alias["FunctionVersion"]) for alias in aliases} == {"version"}
    called = [
        *(mapping["FunctionName"] for mapping in dev.resources("AWS::Lambda::EventSourceMapping")),
        *(found["IntegrationUri"] for found in dev.resources("AWS::ApiGatewayV2::Integration")),
        *(found["FunctionName"] for found in dev.resources("AWS::Lambda::Permission")),
    ]
    assert {dev.named(function).rpartition(":")[2] for function in called} == {"live"}


def aliases_with_policy(templates: Templates) -> dict[str, Mapping[str, Any]]:
    return {
        templates.named(found["Properties"]["FunctionName"]).removeprefix(
            templates.stage.resource_name("")
        ): found.get("UpdatePolicy", {})
        for stack in templates.by_stack.values()
        for found in stack["Resources"].values()
        if found["Type"] == "AWS::Lambda::Alias"
    }


def test_intake_and_the_deliveries_move_to_a_new_version_bit_by_bit(prod: Templates) -> None:
    policies = aliases_with_policy(prod)
    assert {name for name, policy in policies.items() if policy} == set(SHIFTED)
    for name in SHIFTED:
        assert set(policies[name]) == {"CodeDeployLambdaAliasUpdate"}
    groups = prod.resources("AWS::CodeDeploy::DeploymentGroup")
    assert {group["DeploymentGroupName"] for group in groups} == {
        f"spillway-prod-{name}" for name in SHIFTED
    }
    for group in groups:
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"


def test_a_release_goes_back_when_its_function_fails_or_any_logs_a_fault(prod: Templates) -> None:
    alarms = {
        name: found["Properties"]
        for stack in prod.by_stack.values()
        for name, found in stack["Resources"].items()
        if found["Type"] == "AWS::CloudWatch::Alarm"
    }
    for group in prod.resources("AWS::CodeDeploy::DeploymentGroup"):
        assert group["AutoRollbackConfiguration"] == {
            "Enabled": True,
            "Events": [
                "DEPLOYMENT_FAILURE",
                "DEPLOYMENT_STOP_ON_REQUEST",
                "DEPLOYMENT_STOP_ON_ALARM",
            ],
        }
        watched = [alarms[alarm["Name"]["Ref"]] for alarm in group["AlarmConfiguration"]["Alarms"]]
        assert {alarm["AlarmName"] for alarm in watched} == {
            f"{group['DeploymentGroupName']}-release-errors",
            "spillway-prod-release-faults",
        }
        [errors] = [alarm for alarm in watched if alarm["Namespace"] == "AWS/Lambda"]
        dimensions = {found["Name"]: found["Value"] for found in errors["Dimensions"]}
        # All that the alias calls: a metric without the name would count what nobody called.
        function, alias = dimensions["Resource"]["Fn::Join"][1]
        assert prod.named(function) + alias == f"{group['DeploymentGroupName']}:live"
        for alarm in watched:
            assert (alarm["Threshold"], alarm["EvaluationPeriods"], alarm["Period"]) == (1, 1, 60)
            assert alarm["TreatMissingData"] == "notBreaching"


def test_a_fault_is_a_line_that_no_sound_version_writes(prod: Templates) -> None:
    filters = [
        found
        for found in prod.resources("AWS::Logs::MetricFilter")
        if found["MetricTransformations"][0]["MetricName"] == "spillway-prod-release-faults"
    ]
    assert {prod.named(found["LogGroupName"]) for found in filters} == {
        f"/aws/lambda/spillway-prod-{name}" for name in SHIFTED
    }
    for found in filters:
        assert found["FilterPattern"] == (
            '{ ($.outcome = "bug") || ($.outcome = "dead_lettered") ||'
            # All new environments ask at once, and are answered a moment later.
            ' (($.outcome = "unavailable")'
            ' && ($.detail != "GetParameter: ThrottlingException")) }'
        )
        # A default value would be a metric that is paid for while nothing happens.
        [transformation] = found["MetricTransformations"]
        assert "DefaultValue" not in transformation


def test_only_codedeploy_can_take_the_role_that_moves_aliases(prod: Templates) -> None:
    [role] = [role for role in prod.resources("AWS::IAM::Role") if "ManagedPolicyArns" in role]
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "codedeploy.amazonaws.com"}
    assert len(role["ManagedPolicyArns"]) == 1


def test_all_at_once_has_no_codedeploy_and_no_alarm_of_its_own(dev: Templates) -> None:
    assert dev.stage.releases.shifting == "all_at_once"
    assert not [type_ for type_ in dev.types() if "CodeDeploy" in type_]
    assert not [policy for policy in aliases_with_policy(dev).values() if policy]


def test_each_alarm_of_a_release_leads_to_the_page_that_says_what_to_do(prod: Templates) -> None:
    alarms = prod.resources("AWS::CloudWatch::Alarm")
    found = [alarm for alarm in alarms if "-release-" in alarm["AlarmName"]]
    assert len(found) == len(SHIFTED) + 1
    for alarm in found:
        name = alarm["AlarmName"].removeprefix("spillway-prod-")
        page = Alarm(name, "ALARM", None, "", None).runbook
        assert page in alarm["AlarmDescription"]
        assert (ROOT / page.partition("#")[0]).exists()
