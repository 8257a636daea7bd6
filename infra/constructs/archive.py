"""archive: moves orders that settled long ago from the table to their bucket, once a day."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.review import accept_finding, as_cited
from infra.constructs.scheduled import run_on_schedule
from orders.aws.archive_file import PREFIX
from orders.aws.archiving import JOURNAL_KEY


class Archive(Construct):
    """It may read and replace every order, and delete nothing but the progress of one that it has
    archived: the bucket's objects it can only write anew.

    One run at a time, and none a second time: what a run leaves, the next day's puts right.
    """

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
        function = OrderFunction(self, "Archive", name="archive", deployment=deployment)
        function.allow(
            "dynamodb:Scan",
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            "dynamodb:DeleteItem",
            on=table.table_arn,
        )
        objects = archive.arn_for_objects(f"{PREFIX}*")
        for each in (objects, archive.arn_for_objects(JOURNAL_KEY)):
            function.allow("s3:GetObject", "s3:PutObject", on=each)
        # Without it S3 does not say that an object is not there.
        function.allow("s3:ListBucket", on=archive.bucket_arn)
        accept_finding(
            function.role,
            f"AwsSolutions-IAM5[Resource::{as_cited(self, objects)}]",
            reason="Each day and run has an object of its own.",
        )
        run_on_schedule(
            self,
            function,
            id_="Daily",
            expression="cron(0 3 * * ? *)",
            description="Moves orders that settled long ago to the archive",
            deployment=deployment,
        )


def allow_reading_archive(function: OrderFunction, archive: s3.IBucket) -> None:
    """Read orders that have left the table: with a stub's own key and bytes, never a list."""
    objects = archive.arn_for_objects(f"{PREFIX}*")
    function.allow("s3:GetObject", on=objects)
    accept_finding(
        function.role,
        f"AwsSolutions-IAM5[Resource::{as_cited(function, objects)}]",
        reason="Each day and run of the archive has an object of its own; a stub in the table names"
        " the one that an order is in.",
    )
