"""A queue that a function works off, with the queue of those messages that a person must see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.function import OrderFunction
from orders.domain.backoff import Backoff

if TYPE_CHECKING:
    from infra.stage import Stage

#: The longest SQS keeps a message: a dead letter waits for a person over a long weekend and more.
RETENTION = Duration.days(14)
#: How long what a message is for may be down before the message counts as dead.
OUTAGE_SECONDS_MAX = 24 * 60 * 60
#: The most that SQS counts.
RECEIVES_MAX = 1_000
#: AWS's own advice: room for a batch to be retried while Lambda is throttled, without the queue
#: handing it to a second worker meanwhile.
VISIBILITY_TO_FUNCTION_TIMEOUT = 6


def receives_to_outlast(outage_seconds: int, backoff: Backoff) -> int:
    """Tries that a message has to be given so that none is dead before the outage has passed.

    Counted for the unluckiest: one whose every wait is the shortest that jitter allows.
    """
    waited_seconds = receives = 0
    while waited_seconds < outage_seconds:
        receives += 1
        waited_seconds += backoff.delay_seconds(receives, jitter=0.0)
    return receives + 1


class WorkQueue(Construct):
    """Messages for one function, and those that a person must look at."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        function_timeout_seconds: int,
        receives_max: int,
        stage: Stage,
        delay_seconds: int = 0,
    ) -> None:
        super().__init__(scope, id_)
        self.dead_letters = dead_letter_queue(
            self, "DeadLetters", name=f"{name}-dead-letters", stage=stage
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=stage.resource_name(name),
            visibility_timeout=Duration.seconds(
                VISIBILITY_TO_FUNCTION_TIMEOUT * function_timeout_seconds
            ),
            delivery_delay=Duration.seconds(delay_seconds),
            retention_period=RETENTION,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=receives_max
            ),
        )


def dead_letter_queue(scope: Construct, id_: str, *, name: str, stage: Stage) -> sqs.Queue:
    """A queue that nothing reads but a person."""
    return sqs.Queue(
        scope,
        id_,
        queue_name=stage.resource_name(name),
        retention_period=RETENTION,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )


def work_off(
    scope: Construct,
    id_: str,
    *,
    work: WorkQueue,
    function: OrderFunction,
    batch_size: int,
    concurrency_max: int,
    window_seconds: int = 0,
) -> None:
    """Have a function work a queue off, batch by batch, and hand back what must come again.

    `window_seconds` is how long a batch may wait to be filled.
    """
    function.allow(
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        on=work.queue.queue_arn,
    )
    function.allow("sqs:SendMessage", on=work.dead_letters.queue_arn)
    mapping = lambda_.CfnEventSourceMapping(
        scope,
        id_,
        function_name=function.function.function_arn,
        event_source_arn=work.queue.queue_arn,
        batch_size=batch_size,
        maximum_batching_window_in_seconds=window_seconds,
        function_response_types=["ReportBatchItemFailures"],
        scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
            maximum_concurrency=concurrency_max
        ),
    )
    # Lambda tries the role's permissions on the queue when the mapping is made.
    mapping.node.add_dependency(function.role)
