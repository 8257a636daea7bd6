"""deliver: sends commands to one downstream and records the outcomes."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.review import accept_finding
from infra.constructs.work_queue import Work, consume


class Deliver(Construct):
    """One downstream's deliveries. The three are the same code, and share nothing else.

    So a downstream that is slow or down uses up its own concurrency and fills its own queue.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        downstream: str,
        invoke_arn: str | None,
        commands: Work,
        table: dynamodb.ITableV2,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        self.function = deliver = OrderFunction(
            self, "Deliver", name=f"deliver-{downstream}", deployment=deployment
        )
        deliver.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=table.table_arn)
        if invoke_arn is None:
            deliver.allow_parameter(deployment.stage.api_key_parameter(downstream))
        else:
            deliver.allow("execute-api:Invoke", on=invoke_arn)
            accept_finding(
                deliver.role,
                f"AwsSolutions-IAM5[Resource::{invoke_arn}]",
                reason="What of its downstream's API a delivery may call, the stage's settings say:"
                " as a rule one stage and method, all paths.",
            )
        # Messages of a batch message that must come back are requeued as single ones.
        deliver.allow("sqs:SendMessage", on=commands.queue.queue_arn)
        consume(self, "Commands", work=commands, function=deliver)
