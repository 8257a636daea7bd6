"""The HTTP API: who may call what, and how often."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_logs as logs
from aws_cdk.aws_apigatewayv2_authorizers import HttpJwtAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.access_log import ACCESS_LOG_FIELDS
from infra.constructs.function import OrderFunction, log_group
from infra.constructs.review import accept_finding
from infra.stage import Stage, Throttle

#: The stage's name is the path's first part, which makes it the same behind CloudFront's /api/*.
STAGE_NAME = "api"


class OrdersApi(Construct):
    """An HTTP API, at a third of a REST API's price, with AWS's own check of the JWT before any
    code of ours runs or is paid for."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        issuer: str,
        audience: Sequence[str],
        intake: OrderFunction,
        reads: OrderFunction,
        outcomes: OrderFunction | None = None,
        stage: Stage,
    ) -> None:
        super().__init__(scope, id_)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            api_name=stage.resource_name("orders"),
            create_default_stage=False,
            default_authorizer=HttpJwtAuthorizer(
                "Customer", jwt_issuer=issuer, jwt_audience=list(audience)
            ),
            # So that an ID token, which has no scope, opens nothing.
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
            default_authorization_scopes=list(stage.api_scopes),
            cors_preflight=_cors(stage.api.allowed_origins),
        )
        access_log = log_group(
            self,
            "AccessLog",
            # AWS adds each log group it delivers to to a policy of limited size; all groups under
            # this prefix are one entry there.
            name=f"/aws/vendedlogs/{stage.resource_name('api')}",
            stage=stage,
            # A line for each request, looked at only when something never reached a function: at
            # half the price, and Logs Insights reads it all the same. Nothing else does, and a
            # group never changes its class.
            log_class=logs.LogGroupClass.INFREQUENT_ACCESS,
        )
        self.stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name=STAGE_NAME,
            auto_deploy=True,
        )
        # The CDK's own property for it takes an object that only TypeScript can write.
        resource = cast("apigateway.CfnStage", self.stage.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=access_log.log_group_arn, format=json.dumps(ACCESS_LOG_FIELDS)
        )
        to_intake = HttpLambdaIntegration("Intake", intake.alias)
        to_reads = HttpLambdaIntegration("Reads", reads.alias)
        throttles = {}
        get, head = apigateway.HttpMethod.GET, apigateway.HttpMethod.HEAD
        put, post = apigateway.HttpMethod.PUT, apigateway.HttpMethod.POST
        approval = ("/orders/{order_id}/approval", post, to_intake, stage.api.cancel)
        # No route for all the rest, which could answer 405 as a problem document: with it, what
        # browsers ask before a call (OPTIONS) would need a route without a token
        # (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html).
        for path, method, integration, throttle in (
            ("/orders", get, to_reads, stage.api.history),
            ("/orders", head, to_reads, stage.api.history),
            ("/orders/{order_id}", get, to_reads, stage.api.read),
            ("/orders/{order_id}", head, to_reads, stage.api.read),
            ("/orders/{order_id}", put, to_intake, stage.api.place),
            ("/orders/{order_id}/cancellation", put, to_intake, stage.api.cancel),
            ("/quotes", post, to_intake, stage.api.quote),
            *((approval,) if stage.orders.approvals else ()),
        ):
            routes = self.api.add_routes(path=path, methods=[method], integration=integration)
            throttles[f"{method.value} {path}"] = _throttle(throttle)
            # The gateway refuses settings for a route that isn't there yet.
            resource.node.add_dependency(*routes)
        if outcomes is not None and any(one.by == "callback" for one in stage.tellers.values()):
            # No customer calls this one: the function checks who signed.
            routes = self.api.add_routes(
                path="/outcomes/{downstream}",
                methods=[post],
                integration=HttpLambdaIntegration("Outcomes", outcomes.alias),
                authorizer=apigateway.HttpNoneAuthorizer(),
                authorization_scopes=[],
            )
            for route in routes:
                accept_finding(
                    route,
                    "AwsSolutions-APIG4",
                    reason="A downstream calls it, which has no token: its signature is checked by"
                    " the function, before anything of its message is read.",
                )
            throttles["POST /outcomes/{downstream}"] = _throttle(stage.api.outcomes)
            resource.node.add_dependency(*routes)
        resource.route_settings = throttles


def _throttle(throttle: Throttle) -> dict[str, int]:
    return {
        "ThrottlingRateLimit": throttle.requests_per_second_max,
        "ThrottlingBurstLimit": throttle.burst_max,
    }


def _cors(origins: Sequence[str]) -> apigateway.CorsPreflightOptions | None:
    """API Gateway answers the preflight itself, and adds these headers to every answer."""
    if not origins:
        return None
    return apigateway.CorsPreflightOptions(
        allow_origins=list(origins),
        allow_methods=[
            apigateway.CorsHttpMethod.GET,
            apigateway.CorsHttpMethod.HEAD,
            apigateway.CorsHttpMethod.POST,
            apigateway.CorsHttpMethod.PUT,
        ],
        allow_headers=["authorization", "content-type", "if-none-match", "traceparent"],
        # A script of another origin sees no other header than these.
        expose_headers=["date", "etag", "retry-after", "www-authenticate"],
        # The longest that Chromium takes: each preflight is a request that is paid for.
        max_age=Duration.hours(2),
    )
