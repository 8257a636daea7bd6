"""watchdog: looks after orders that have not settled in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from infra.constructs.function import OrderFunction
from infra.constructs.work_queue import WorkQueue, work_off

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sns as sns

    from infra.stage import Stage


class Watchdog(Construct):
    """Looks at each order once after the queue's delay, and ever less often while it is not
    settled."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        checks: WorkQueue,
        commands: Mapping[str, WorkQueue],
        events: sns.ITopic,
        table: dynamodb.ITableV2,
        stage: Stage,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id_)
        watchdog = OrderFunction(
            self,
            "Watchdog",
            name="watchdog",
            handler="watchdog",
            size=stage.functions.watchdog,
            environment={
                "ORDERS_TABLE": table.table_name,
                "EVENTS_TOPIC_ARN": events.topic_arn,
                "DELAY_SECONDS": str(stage.watchdog.delay_seconds),
                "QUEUE_URL": checks.queue.queue_url,
                "DEAD_LETTER_QUEUE_URL": checks.dead_letters.queue_url,
                **{
                    f"{name.upper()}_QUEUE_URL": work.queue.queue_url
                    for name, work in commands.items()
                },
                **{
                    f"{name.upper()}_DEAD_LETTER_QUEUE_URL": work.dead_letters.queue_url
                    for name, work in commands.items()
                },
            },
            stage=stage,
            code=code,
        )
        watchdog.allow("dynamodb:BatchGetItem", "dynamodb:Query", on=table.table_arn)
        watchdog.allow("sns:Publish", on=events.topic_arn)
        for work in commands.values():
            watchdog.allow("sqs:SendMessage", "sqs:GetQueueAttributes", on=work.queue.queue_arn)
            watchdog.allow("sqs:GetQueueAttributes", on=work.dead_letters.queue_arn)
        watchdog.allow("sqs:SendMessage", on=checks.queue.queue_arn)
        work_off(self, "Watches", work=checks, function=watchdog)
