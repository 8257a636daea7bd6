"""What must outlive every deployment: the orders, and what is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sns as sns

from infra.constructs.review import accept_finding
from infra.constructs.work_queue import WorkQueue, dead_letter_queue
from infra.event_sources import queue_sources

if TYPE_CHECKING:
    from constructs import Construct

    from infra.stage import Stage


class DataStack(Stack):
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
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing=dynamodb.Billing.on_demand(),
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            encryption=dynamodb.TableEncryptionV2.dynamo_owned_key(),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        sources = queue_sources(stage)
        self.commands = {
            downstream: WorkQueue(
                self,
                downstream.capitalize(),
                name=downstream,
                source=sources[downstream],
                stage=stage,
            )
            for downstream in stage.downstreams.by_name()
        }
        self.overflow = WorkQueue(
            self, "Overflow", name="overflow", source=sources["overflow"], stage=stage
        )
        # These alone can hold an order that was acknowledged and is not in the table yet.
        for queue in (self.overflow.queue, self.overflow.dead_letters):
            queue.apply_removal_policy(RemovalPolicy.RETAIN)
        self.checks = WorkQueue(
            self, "Watchdog", name="watchdog", source=sources["watchdog"], stage=stage
        )
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
        self._output()

    def _output(self) -> None:
        CfnOutput(self, "OrdersTableName", value=self.table.table_name)
        works = {**self.commands, "overflow": self.overflow, "watchdog": self.checks}
        for name, work in works.items():
            CfnOutput(self, f"{name.capitalize()}QueueUrl", value=work.queue.queue_url)
            CfnOutput(
                self, f"{name.capitalize()}DeadLetterQueueUrl", value=work.dead_letters.queue_url
            )
        CfnOutput(self, "RelayDeadLetterQueueUrl", value=self.relay_dead_letters.queue_url)
        CfnOutput(self, "EventsTopicArn", value=self.events.topic_arn)
