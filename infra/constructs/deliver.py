"""deliver: brings commands to one downstream and records the outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.function import OrderFunction

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb

    from infra.constructs.command_queue import CommandQueue
    from infra.stage import Downstream, Stage

#: The most that SQS hands over without a batching window, which would delay every order.
BATCH_SIZE = 10


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
        commands: CommandQueue,
        table: dynamodb.ITableV2,
        stage: Stage,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id_)
        api_key = stage.parameter_name(f"{downstream}/api-key")
        deliver = OrderFunction(
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
        deliver.allow(
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes",
            on=commands.queue.queue_arn,
        )
        deliver.allow("sqs:SendMessage", on=commands.dead_letters.queue_arn)
        deliver.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=table.table_arn)
        if settings.invoke_arn is None:
            deliver.allow_parameter(api_key)
        else:
            deliver.allow("execute-api:Invoke", on=settings.invoke_arn)
        mapping = lambda_.CfnEventSourceMapping(
            self,
            "Commands",
            function_name=deliver.function.function_arn,
            event_source_arn=commands.queue.queue_arn,
            batch_size=BATCH_SIZE,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
                maximum_concurrency=settings.concurrency_max
            ),
        )
        # Lambda tries the role's permissions on the queue when the mapping is made.
        mapping.node.add_dependency(deliver.role)
