"""drain: brings orders that overflowed into the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from infra.constructs.function import OrderFunction
from infra.constructs.work_queue import WorkQueue, work_off

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_lambda as lambda_

    from infra.stage import Stage


class Drain(Construct):
    """Works the overflow off, more slowly than orders come in."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        overflow: WorkQueue,
        table: dynamodb.ITableV2,
        stage: Stage,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id_)
        drain = OrderFunction(
            self,
            "Drain",
            name="drain",
            handler="drain",
            size=stage.functions.drain,
            environment={
                "ORDERS_TABLE": table.table_name,
                "QUEUE_URL": overflow.queue.queue_url,
                "DEAD_LETTER_QUEUE_URL": overflow.dead_letters.queue_url,
            },
            stage=stage,
            code=code,
        )
        drain.allow("dynamodb:PutItem", on=table.table_arn)
        work_off(self, "Overflow", work=overflow, function=drain)
