"""relay: turns the table's changes into commands and events."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.event_sources import RECORD_AGE_SECONDS_MAX, RELAY_BATCH_SIZE

RETRIES_WITHOUT_END = -1


class Relay(Construct):
    """Reads the table's stream and sends what is owed. Nothing is dropped: see the mapping."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        table: dynamodb.ITableV2,
        stream_arn: str,
        coupons: dynamodb.ITableV2,
        queues: Iterable[sqs.IQueue],
        events: sns.ITopic,
        dead_letters: sqs.IQueue,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        relay = OrderFunction(self, "Relay", name="relay", deployment=deployment)
        for queue in (*queues, dead_letters):
            relay.allow("sqs:SendMessage", on=queue.queue_arn)
        relay.allow("sns:Publish", on=events.topic_arn)
        allow_giving_back(relay, orders=table, coupons=coupons)
        relay.allow(
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
            on=stream_arn,
        )
        mapping = lambda_.CfnEventSourceMapping(
            self,
            "Stream",
            function_name=relay.alias.function_arn,
            event_source_arn=stream_arn,
            starting_position="TRIM_HORIZON",
            batch_size=RELAY_BATCH_SIZE,
            parallelization_factor=deployment.stage.relay.parallelization,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=RETRIES_WITHOUT_END,
            maximum_record_age_in_seconds=RECORD_AGE_SECONDS_MAX,
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(
                    destination=dead_letters.queue_arn
                )
            ),
        )
        # Lambda tries the role's permissions on the stream when the mapping is made.
        mapping.node.add_dependency(relay.role)


def allow_giving_back(
    function: OrderFunction, *, orders: dynamodb.ITableV2, coupons: dynamodb.ITableV2
) -> None:
    """What an order that is undone has used up of limited coupons: read it, mark that it was given
    back, and give it back, in one transaction."""
    function.allow("dynamodb:BatchGetItem", "dynamodb:UpdateItem", on=orders.table_arn)
    function.allow("dynamodb:DeleteItem", "dynamodb:UpdateItem", on=coupons.table_arn)
