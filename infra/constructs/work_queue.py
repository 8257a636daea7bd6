"""The queue between relay and one downstream's deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from orders.domain.backoff import delay_seconds

if TYPE_CHECKING:
    from infra.stage import Stage

#: The longest SQS keeps a message: a dead letter waits for a person over a long weekend and more.
RETENTION = Duration.days(14)
#: How long a downstream may be down before a command counts as dead.
OUTAGE_SECONDS_MAX = 24 * 60 * 60
#: AWS's own advice: room for a batch to be retried while Lambda is throttled, without the queue
#: handing it to a second worker meanwhile.
VISIBILITY_TO_FUNCTION_TIMEOUT = 6


def receives_to_outlast(outage_seconds: int) -> int:
    """Tries that a command has to be given so that none is dead before the outage has passed.

    Counted for the unluckiest: a message whose every wait is the shortest that jitter allows.
    """
    waited_seconds = receives = 0
    while waited_seconds < outage_seconds:
        receives += 1
        waited_seconds += delay_seconds(receives, jitter=0.0)
    return receives + 1


class CommandQueue(Construct):
    """A downstream's commands, and those that a person must look at."""

    def __init__(self, scope: Construct, id_: str, *, downstream: str, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.dead_letters = dead_letter_queue(
            self, "DeadLetters", name=f"{downstream}-dead-letters", stage=stage
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=stage.resource_name(downstream),
            visibility_timeout=Duration.seconds(
                VISIBILITY_TO_FUNCTION_TIMEOUT * stage.functions.deliver.timeout_seconds
            ),
            retention_period=RETENTION,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters,
                max_receive_count=receives_to_outlast(OUTAGE_SECONDS_MAX),
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
