"""deliver: brings commands to one downstream and records the outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from infra.constructs.function import OrderFunction
from infra.constructs.review import accept_finding
from infra.constructs.work_queue import work_off

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_lambda as lambda_

    from infra.constructs.work_queue import WorkQueue
    from infra.stage import Downstream, Stage


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
        settings: Downstream,
        url: str,
        commands: WorkQueue,
        table: dynamodb.ITableV2,
        stage: Stage,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id_)
        api_key = stage.parameter_name(f"{downstream}/api-key")
        self.function = deliver = OrderFunction(
            self,
            "Deliver",
            name=f"deliver-{downstream}",
            handler="deliver",
            size=stage.functions.deliver,
            environment={
                "ORDERS_TABLE": table.table_name,
                "DOWNSTREAM": downstream,
                "DOWNSTREAM_URL": url,
                "DOWNSTREAM_AUTH": settings.auth,
                "DOWNSTREAM_IDEMPOTENCY": settings.idempotency,
                "DOWNSTREAM_TIMEOUT_SECONDS": str(settings.timeout_seconds),
                "QUEUE_URL": commands.queue.queue_url,
                "DEAD_LETTER_QUEUE_URL": commands.dead_letters.queue_url,
                **(
                    {"DOWNSTREAM_API_KEY_PARAMETER": api_key} if settings.invoke_arn is None else {}
                ),
            },
            stage=stage,
            code=code,
        )
        deliver.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=table.table_arn)
        if settings.invoke_arn is None:
            deliver.allow_parameter(api_key)
        else:
            deliver.allow("execute-api:Invoke", on=settings.invoke_arn)
            accept_finding(
                deliver.role,
                f"AwsSolutions-IAM5[Resource::{settings.invoke_arn}]",
                reason="What of its downstream's API a delivery may call, the stage's settings say:"
                " as a rule one stage and method, all paths.",
            )
        # Messages of a batch message that must come back are requeued as single ones.
        deliver.allow("sqs:SendMessage", on=commands.queue.queue_arn)
        work_off(self, "Commands", work=commands, function=deliver)
