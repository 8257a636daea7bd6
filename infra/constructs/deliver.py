"""deliver: sends commands to one downstream and records the outcomes."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.review import accept_finding
from infra.constructs.work_queue import Work, consume
from infra.stage import Downstream
from orders.domain import saga


class Deliver(Construct):
    """One downstream's deliveries. The three are the same code, and share nothing else.

    So a downstream that is slow or down uses up its own concurrency and fills its own queue.
    `downstreams`: those that are called, on the express path more than one.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        downstreams: Mapping[saga.Downstream, Downstream],
        commands: Work,
        table: dynamodb.ITableV2,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        self.function = deliver = OrderFunction(
            self, "Deliver", name=f"deliver-{name}", deployment=deployment
        )
        deliver.allow(
            "dynamodb:GetItem",
            "dynamodb:UpdateItem",
            # A command that comes months late must not write to an order that was archived.
            "dynamodb:ConditionCheckItem",
            on=table.table_arn,
        )
        for called, downstream in downstreams.items():
            for parameter in deployment.stage.secret_parameters(called).values():
                deliver.allow_parameter(parameter)
            if downstream.by == "lambda":
                deliver.allow("lambda:InvokeFunction", on=downstream.url)
            elif downstream.by == "queue":
                deliver.allow("sqs:SendMessage", on=_queue_arn(self, downstream))
            elif downstream.invoke_arn is not None:
                _allow_invocation(deliver, downstream.invoke_arn)
        if deployment.stage.network is not None:
            deliver.join(deployment.stage.network)
        # Messages of a batch message that must come back are requeued as single ones.
        deliver.allow("sqs:SendMessage", on=commands.queue.queue_arn)
        consume(self, "Commands", work=commands, function=deliver)


def _queue_arn(scope: Construct, downstream: Downstream) -> str:
    region, account, name = downstream.queue
    return Stack.of(scope).format_arn(
        service="sqs",
        region=region,
        account=account,
        resource=name,
        arn_format=ArnFormat.NO_RESOURCE_NAME,
    )


def _allow_invocation(deliver: OrderFunction, arn: str) -> None:
    """Let signed requests through to what the stage's settings name."""
    match arn.split(":")[2]:
        case "lambda":
            deliver.allow("lambda:InvokeFunctionUrl", on=arn)
            # A URL made since October 2025 demands both, older ones from November 2026 on:
            # https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
            when = {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
            deliver.allow("lambda:InvokeFunction", on=arn, when=when)
        case "vpc-lattice":
            deliver.allow("vpc-lattice-svcs:Invoke", on=arn)
        case _:
            deliver.allow("execute-api:Invoke", on=arn)
    if "*" in arn:
        accept_finding(
            deliver.role,
            f"AwsSolutions-IAM5[Resource::{arn}]",
            reason="What of its downstream's API a delivery may call, the stage's settings say: as"
            " a rule one stage and method, all paths.",
        )
