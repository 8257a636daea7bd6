"""watchdog: checks orders that have not settled in time."""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.function import Deployment, OrderFunction
from infra.constructs.relay import allow_giving_back
from infra.constructs.table_stream import consume_stream
from infra.constructs.work_queue import Work, consume
from infra.event_sources import stream_sources


class Watchdog(Construct):
    """Reads from the table's stream which orders have not settled at once, checks each of them
    after the queue's delay, and at growing intervals until it has settled."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        checks: Work,
        commands: Iterable[Work],
        events: sns.ITopic,
        table: dynamodb.ITableV2,
        stream_arn: str,
        coupons: dynamodb.ITableV2,
        deployment: Deployment,
    ) -> None:
        super().__init__(scope, id_)
        watchdog = OrderFunction(self, "Watchdog", name="watchdog", deployment=deployment)
        watchdog.allow("dynamodb:Query", on=table.table_arn)
        allow_giving_back(watchdog, orders=table, coupons=coupons)
        watchdog.allow("sns:Publish", on=events.topic_arn)
        for work in commands:
            watchdog.allow("sqs:SendMessage", "sqs:GetQueueAttributes", on=work.queue.queue_arn)
            watchdog.allow("sqs:GetQueueAttributes", on=work.dead_letters.queue_arn)
        watchdog.allow("sqs:SendMessage", on=checks.queue.queue_arn)
        consume(self, "Watches", work=checks, function=watchdog)
        consume_stream(
            self,
            "Stream",
            stream_arn=stream_arn,
            source=stream_sources(deployment.stage)["watchdog"],
            dead_letters=checks.dead_letters,
            function=watchdog,
        )
