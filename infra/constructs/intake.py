"""intake: takes orders and cancellations in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from infra.constructs.function import OrderFunction

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sqs as sqs

    from infra.stage import Stage


class Intake(Construct):
    """Writes an order, or the wish to cancel one, with one conditional write; an order that the
    table won't take in time goes to the overflow queue.

    The reads are for what the write alone can't answer: an id from outside the accepted time, and
    what a cancellation came too late for.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        table: dynamodb.ITableV2,
        overflow: sqs.IQueue,
        stage: Stage,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id_)
        receipt_keys = stage.parameter_name("receipt-keys")
        intake = OrderFunction(
            self,
            "Intake",
            name="intake",
            handler="intake",
            size=stage.functions.intake,
            environment={
                "ORDERS_TABLE": table.table_name,
                "TABLE_TIMEOUT_SECONDS": str(stage.orders.table_timeout_seconds),
                "OVERFLOW_QUEUE_URL": overflow.queue_url,
                "RECEIPT_KEYS_PARAMETER": receipt_keys,
                "CURRENCIES": ",".join(stage.orders.currencies),
                "GROUPS_CLAIM": stage.orders.groups_claim,
                "WHOLESALE_GROUP": stage.orders.wholesale_group,
            },
            stage=stage,
            code=code,
        )
        intake.allow(
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:GetItem",
            "dynamodb:Query",
            on=table.table_arn,
        )
        intake.allow("sqs:SendMessage", on=overflow.queue_arn)
        intake.allow_parameter(receipt_keys)
        self.function = intake
