"""intake: accepts orders and cancellation requests."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.archive import allow_reading_archive
from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.review import accept_finding, as_cited
from orders.settings import has_book


class Intake(Construct):
    """Stores an order, a cancellation request or a void id with one conditional write. An order
    that the table doesn't take in time goes to the overflow queue.

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
        prices: s3.IBucket,
        archive: s3.IBucket,
        coupons: dynamodb.ITableV2,
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
        # One that is cancelled comes back from there.
        allow_reading_archive(intake, archive)
        intake.allow("sqs:SendMessage", on=overflow.queue_arn)
        intake.allow_parameter(deployment.stage.receipt_keys_parameter)
        if deployment.stage.price_keys_parameter is not None:
            intake.allow_parameter(deployment.stage.price_keys_parameter)
        if deployment.stage.orders.purchase_orders_unique:
            # An order and its purchase order number are one transaction.
            intake.allow("dynamodb:PutItem", on=coupons.table_arn)
        if has_book(deployment.stage.orders.prices):
            # An order and the limited coupons that it uses up are one transaction.
            intake.allow(
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
                "dynamodb:BatchGetItem",
                on=coupons.table_arn,
            )
            intake.allow_parameter(deployment.stage.coupon_keys_parameter)
            books = prices.arn_for_objects("books/*")
            for objects in (prices.arn_for_objects("index.json"), books):
                intake.allow("s3:GetObject", on=objects)
            accept_finding(
                intake.role,
                f"AwsSolutions-IAM5[Resource::{as_cited(self, books)}]",
                reason="It reads whichever price book is in force. Each has a key of its own.",
            )
