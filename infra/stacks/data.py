"""What must outlive every deployment: the orders, and what is under way."""

from __future__ import annotations

from typing import Any, cast

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.reference import reference
from infra.constructs.review import accept_finding
from infra.constructs.work_queue import WorkQueue, dead_letter_queue
from infra.event_sources import queue_sources
from infra.stage import Stage

#: What is kept when the stack goes, and goes when its creation fails: what is left of a first
#: deployment that failed would be in the way of the next one.
KEPT = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
#: How far back a table can be restored, which is DynamoDB's own default.
RECOVERY_DAYS = 35
KEYS = ("pk", "sk")
#: None: the template says nothing of it, so a table that is there is not updated for it.
TABLE_CLASSES = {
    None: None,
    "standard": dynamodb.TableClass.STANDARD,
    "infrequent_access": dynamodb.TableClass.STANDARD_INFREQUENT_ACCESS,
}
STREAM = dynamodb.StreamViewType.NEW_AND_OLD_IMAGES


class DataStack(Stack):
    """Other stacks refer to it through `infra.constructs.named_data`."""

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(
            scope,
            id_,
            description="Spillway: orders, queues, events",
            termination_protection=True,
        )
        self.table = dynamodb.TableV2(
            self,
            "Orders",
            # A fixed name keeps CloudFormation from ever replacing the table by an empty one.
            table_name=stage.resource_name("orders"),
            partition_key=_text(KEYS[0]),
            sort_key=_text(KEYS[1]),
            dynamo_stream=STREAM,
            # Of order ids that were made void, and of nothing else: orders stay.
            time_to_live_attribute="expires_at",
            table_class=TABLE_CLASSES[stage.keeping.table_class],
            **_kept(),
        )
        # Its own, so that no customer's id can be the key of a coupon's use.
        self.coupons = dynamodb.TableV2(
            self,
            "Coupons",
            table_name=stage.resource_name("coupons"),
            partition_key=_text("pk"),
            # Of what customers have tried; a coupon's uses have no such attribute, and stay.
            time_to_live_attribute="expires_at",
            **_kept(),
        )
        #: By the queue's name: one per downstream, overflow, watchdog, and per downstream that
        #: tells.
        self.queues = {
            name: WorkQueue(self, _id(name), name=name, source=source, stage=stage)
            for name, source in queue_sources(stage).items()
        }
        for name, downstream in stage.downstreams.by_name().items():
            if downstream.outcomes_from is not None:
                self.queues[f"outcomes-{name}"].queue.add_to_resource_policy(
                    iam.PolicyStatement(
                        principals=[iam.ArnPrincipal(downstream.outcomes_from)],
                        actions=["sqs:SendMessage"],
                        resources=[self.queues[f"outcomes-{name}"].queue.queue_arn],
                    )
                )
        # These alone can hold an order that was acknowledged and is not in the table yet.
        overflow = self.queues["overflow"]
        for queue in (overflow.queue, overflow.dead_letters):
            queue.apply_removal_policy(KEPT)
        self.relay_dead_letters = dead_letter_queue(
            self, "RelayDeadLetters", name="relay-dead-letters", stage=stage
        )
        accept_finding(
            self.relay_dead_letters,
            "AwsSolutions-SQS3",
            reason="It is a dead-letter queue itself: of the stream's mapping, as its on-failure"
            " destination, and of relay, for records that it can't read.",
        )
        self.events = sns.Topic(
            self, "Events", topic_name=stage.resource_name("order-events"), enforce_ssl=True
        )
        self.prices = self._prices_bucket()
        self.archive = self._archive_bucket()
        #: References to the things here whose names are AWS's.
        self.stream_arn = reference(
            "OrdersStreamArn",
            cast("str", self.table.table_stream_arn),
            to=self.table,
            recreated=stage.recreated.data,
            made_by=(stage.resource_name("orders"), *KEYS, STREAM.value),
        )
        self.prices_bucket = reference(
            "PricesBucketName",
            self.prices.bucket_name,
            to=self.prices,
            recreated=stage.recreated.data,
        )
        self.archive_bucket = reference(
            "ArchiveBucketName",
            self.archive.bucket_name,
            to=self.archive,
            recreated=stage.recreated.data,
        )
        self._output()

    def _prices_bucket(self) -> s3.Bucket:
        """The published price books. Without them no order can be taken, so what is overwritten or
        deleted by mistake can be had back: a version of the list is a few hundred bytes.

        It has no name of its own, because all of AWS shares those: one with the account in it would
        be taken when the stack is deployed again, for the bucket is kept.
        """
        return self._private_bucket(
            "Prices",
            why_no_access_log="Intake and the store's own people read it. Who publishes is in"
            " CloudTrail's data events, where a store wants them; access logs would need a bucket"
            " of their own.",
        )

    def _archive_bucket(self) -> s3.Bucket:
        """Settled orders that have left the table. It is here whether orders leave or not: those
        that have left must be found also when the setting is taken back.

        An erasure writes over lines, so former versions must go: in as many days as the table's
        point-in-time recovery keeps.
        """
        return self._private_bucket(
            "Archive",
            why_no_access_log="The service alone reads it, and an operator who erases a customer."
            " Access logs would name customers' orders, and need a bucket of their own.",
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=Duration.days(RECOVERY_DAYS),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
        )

    def _private_bucket(self, id_: str, *, why_no_access_log: str, **others: Any) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            id_,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            removal_policy=KEPT,
            **others,
        )
        accept_finding(bucket, "AwsSolutions-S1", reason=why_no_access_log)
        return bucket

    def _output(self) -> None:
        CfnOutput(self, "OrdersTableName", value=self.table.table_name)
        CfnOutput(self, "PricesBucketName", value=self.prices.bucket_name)
        CfnOutput(self, "ArchiveBucketName", value=self.archive.bucket_name)
        CfnOutput(self, "CouponsTableName", value=self.coupons.table_name)
        for name, work in self.queues.items():
            CfnOutput(self, f"{_id(name)}QueueUrl", value=work.queue.queue_url)
            CfnOutput(self, f"{_id(name)}DeadLetterQueueUrl", value=work.dead_letters.queue_url)
        CfnOutput(self, "RelayDeadLetterQueueUrl", value=self.relay_dead_letters.queue_url)
        CfnOutput(self, "EventsTopicArn", value=self.events.topic_arn)


def _id(queue: str) -> str:
    return "".join(part.capitalize() for part in queue.split("-"))


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _kept() -> dict[str, Any]:
    """How a table is billed, and kept from being lost."""
    return {
        "billing": dynamodb.Billing.on_demand(),
        "encryption": dynamodb.TableEncryptionV2.dynamo_owned_key(),
        "point_in_time_recovery_specification": dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        "deletion_protection": True,
        "removal_policy": KEPT,
    }
