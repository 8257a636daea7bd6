"""payments: holds what the gateway has taken against the orders, once an hour."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.archive import allow_reading_archive
from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.scheduled import run_on_schedule
from infra.constructs.work_queue import Work


class Payments(Construct):
    """It may read orders and make ids void, which is putting where no order is. Of the
    overflow queue it learns only how many messages it holds."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        table: dynamodb.ITableV2,
        archive: s3.IBucket,
        overflow: Work,
        events: sns.ITopic,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        function = OrderFunction(self, "Payments", name="payments", deployment=deployment)
        function.allow("dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", on=table.table_arn)
        allow_reading_archive(function, archive)
        for queue in (overflow.queue, overflow.dead_letters):
            function.allow("sqs:GetQueueAttributes", on=queue.queue_arn)
        function.allow("sns:Publish", on=events.topic_arn)
        function.allow_parameter(deployment.stage.gateway_key_parameter)
        run_on_schedule(
            self,
            function,
            id_="Hourly",
            expression="cron(10 * * * ? *)",
            description="Holds payments against the orders",
            deployment=deployment,
        )
