"""archive: moves orders that settled long ago from the table to their bucket, once a day."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.review import accept_finding, as_cited
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
        lambda_.CfnEventInvokeConfig(
            self,
            "Once",
            function_name=function.function.function_name,
            qualifier=function.alias.alias_name,
            maximum_retry_attempts=0,
        )
        self._schedule(function, deployment)

    def _schedule(self, function: OrderFunction, deployment: Deployment) -> None:
        role = iam.Role(
            self,
            "ScheduleRole",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            description="Starts the archive function",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[function.alias.function_arn]
            )
        )
        schedule = scheduler.CfnSchedule(
            self,
            "Daily",
            name=deployment.stage.resource_name("archive"),
            description="Moves orders that settled long ago to the archive",
            schedule_expression="cron(0 3 * * ? *)",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function.alias.function_arn,
                role_arn=role.role_arn,
                input="{}",
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_retry_attempts=0),
            ),
        )
        schedule.node.add_dependency(role)


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
