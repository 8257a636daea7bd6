"""drain: brings orders that overflowed into the table."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.work_queue import Work, consume


class Drain(Construct):
    """Places orders from the overflow queue, more slowly than orders come in."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        overflow: Work,
        table: dynamodb.ITableV2,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        drain = OrderFunction(self, "Drain", name="drain", deployment=deployment)
        drain.allow("dynamodb:PutItem", on=table.table_arn)
        consume(self, "Overflow", work=overflow, function=drain)
