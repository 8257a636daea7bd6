"""reads: shows a customer their orders."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.archive import allow_reading_archive
from infra.constructs.function import Deployment, OrderFunction


class Reads(Construct):
    """Reads by key. It may not scan, and it may not write."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        table: dynamodb.ITableV2,
        archive: s3.IBucket,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        self.function = OrderFunction(self, "Reads", name="reads", deployment=deployment)
        self.function.allow("dynamodb:Query", on=table.table_arn)
        allow_reading_archive(self.function, archive)
