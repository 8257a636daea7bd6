"""The order's life as a Lambda durable function. What starts it, an API or a queue, is not here:
this runs in the SDK's local runner, which is no server that takes orders."""

from aws_durable_execution_sdk_python import (
    DurableContext,
    StepContext,
    durable_execution,
    durable_step,
)
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    Duration,
    ParallelBranch,
    ParallelConfig,
    StepConfig,
)
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

from benchmarks.peers.commands import (
    RETRY_FIRST_SECONDS,
    Order,
    Refused,
    downstreams_sync,
    send_sync,
)

client = downstreams_sync()

#: Longer than the others': each attempt is an operation, and an execution has 3,000 at most, which
#: at this wait, half of it on average, last for a day.
RETRY_MAX_SECONDS = 60
# The SDK's own default gives up after six attempts, which is less than an outage.
UNTIL_ANSWERED = StepConfig(
    retry_strategy=create_retry_strategy(
        RetryStrategyConfig(
            max_attempts=1_000_000,
            initial_delay=Duration.from_seconds(int(RETRY_FIRST_SECONDS)),
            max_delay=Duration.from_seconds(RETRY_MAX_SECONDS),
        )
    )
)
REFUSED = "refused"


@durable_step
def call(_: StepContext, step: str, order: Order) -> str:
    """The downstream's reference. A refusal is an answer like another: it is not retried."""
    try:
        return send_sync(client, step, order)
    except Refused:
        return REFUSED


def do(context: DurableContext, step: str, order: Order) -> bool:
    return context.step(call(step, order), name=step, config=UNTIL_ANSWERED) != REFUSED


@durable_execution
def handler(order: Order, context: DurableContext) -> str:
    undo = ["refund"]  # the payment was taken before the order was sent
    if do(context, "reserve", order):
        undo.append("release")
        shipped, posted = context.parallel(
            [
                ParallelBranch(lambda branch: do(branch, "ship", order), name="ship"),
                ParallelBranch(lambda branch: do(branch, "post", order), name="post"),
            ],
            name="ship and post",
            config=ParallelConfig(completion_config=CompletionConfig.all_completed()),
        ).get_results()
        if shipped and posted:
            return "confirmed"
        if shipped:
            undo.append("recall")
    for step in reversed(undo):
        do(context, step, order)
    return "rejected"
