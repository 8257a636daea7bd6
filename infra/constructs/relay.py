"""relay: turns the table's changes into commands and events."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.table_stream import consume_stream
from infra.event_sources import stream_sources


class Relay(Construct):
    """Reads the table's stream and sends what is owed."""

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
        for queue in queues:
            relay.allow("sqs:SendMessage", on=queue.queue_arn)
        relay.allow("sns:Publish", on=events.topic_arn)
        allow_giving_back(relay, orders=table, coupons=coupons)
        consume_stream(
            self,
            "Stream",
            stream_arn=stream_arn,
            source=stream_sources(deployment.stage)["relay"],
            dead_letters=dead_letters,
            function=relay,
        )


def allow_giving_back(
    function: OrderFunction, *, orders: dynamodb.ITableV2, coupons: dynamodb.ITableV2
) -> None:
    """What an order that is undone has used up of limited coupons: read it, mark that it was given
    back, and give it back, in one transaction."""
    function.allow("dynamodb:BatchGetItem", "dynamodb:UpdateItem", on=orders.table_arn)
    function.allow("dynamodb:DeleteItem", "dynamodb:UpdateItem", on=coupons.table_arn)
