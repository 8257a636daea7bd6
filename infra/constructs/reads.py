"""reads: shows a customer their orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from infra.constructs.function import OrderFunction

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_lambda as lambda_

    from infra.stage import Stage


class Reads(Construct):
    """Reads by key. It may not scan, and it may not write."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        table: dynamodb.ITableV2,
        stage: Stage,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id_)
        reads = OrderFunction(
            self,
            "Reads",
            name="reads",
            handler="reads",
            size=stage.functions.reads,
            environment={"ORDERS_TABLE": table.table_name},
            stage=stage,
            code=code,
        )
        reads.allow("dynamodb:Query", on=table.table_arn)
        self.function = reads
