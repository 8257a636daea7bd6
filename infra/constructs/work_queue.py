"""A queue that a function processes, with its dead-letter queue."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.function import OrderFunction
from infra.event_sources import RECEIVES_MAX, QueueSource
from infra.stage import Stage

#: The longest SQS keeps a message: a dead letter waits for a person over a long weekend and more.
RETENTION = Duration.days(14)
#: SQS's default for a new queue, 1 MiB; in some places it still is 256 KiB. A batch message of
#: large orders takes more than that.
MESSAGE_BYTES_MAX = 1_048_576


@dataclass(frozen=True, slots=True)
class Work:
    """Messages for one function, and those that need manual action, as that function's stack
    names them."""

    source: QueueSource
    queue: sqs.IQueue
    dead_letters: sqs.IQueue


class WorkQueue(Construct):
    """The two queues themselves."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        source: QueueSource,
        stage: Stage,
    ) -> None:
        super().__init__(scope, id_)
        self.source = source
        self.dead_letters = dead_letter_queue(
            self, "DeadLetters", name=f"{name}-dead-letters", of=name, stage=stage
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=stage.resource_name(name),
            visibility_timeout=Duration.seconds(source.visibility_seconds),
            delivery_delay=Duration.seconds(source.delay_seconds),
            retention_period=RETENTION,
            max_message_size_bytes=MESSAGE_BYTES_MAX,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=RECEIVES_MAX
            ),
        )


def dead_letter_queue(
    scope: Construct, id_: str, *, name: str, of: str | None = None, stage: Stage
) -> sqs.Queue:
    """A queue that only people read. `of`: the one queue whose messages SQS may move here, None
    where functions and Lambda send what it holds."""
    return sqs.Queue(
        scope,
        id_,
        queue_name=stage.resource_name(name),
        retention_period=RETENTION,
        max_message_size_bytes=MESSAGE_BYTES_MAX,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        redrive_allow_policy=_moved_from(scope, of, stage),
    )


def _moved_from(scope: Construct, name: str | None, stage: Stage) -> sqs.RedriveAllowPolicy:
    if name is None:
        return sqs.RedriveAllowPolicy(redrive_permission=sqs.RedrivePermission.DENY_ALL)
    # By its name, which is fixed: the queue itself refers to its dead-letter queue.
    arn = Stack.of(scope).format_arn(service="sqs", resource=stage.resource_name(name))
    return sqs.RedriveAllowPolicy(source_queues=[sqs.Queue.from_queue_arn(scope, "Source", arn)])


def consume(scope: Construct, id_: str, *, work: Work, function: OrderFunction) -> None:
    """Let a function process a queue batch by batch, and return messages that must come again."""
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
        function_name=function.alias.function_arn,
        event_source_arn=work.queue.queue_arn,
        batch_size=work.source.batch_size,
        maximum_batching_window_in_seconds=work.source.window_seconds,
        function_response_types=["ReportBatchItemFailures"],
        scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
            maximum_concurrency=work.source.concurrency_max
        ),
    )
    # Lambda tries the role's permissions on the queue when the mapping is made.
    mapping.node.add_dependency(function.role)
