"""intake: accepts orders and cancellation requests."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction


class Intake(Construct):
    """Stores an order or a cancellation request with one conditional write. An order that the
    table doesn't take in time goes to the overflow queue.

    It reads for what the write alone can't answer: an id from outside the accepted time, and why a
    cancellation came too late.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        table: dynamodb.ITableV2,
        overflow: sqs.IQueue,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        self.function = intake = OrderFunction(self, "Intake", name="intake", deployment=deployment)
        intake.allow(
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:GetItem",
            "dynamodb:Query",
            on=table.table_arn,
        )
        intake.allow("sqs:SendMessage", on=overflow.queue_arn)
        intake.allow_parameter(deployment.stage.receipt_keys_parameter)
