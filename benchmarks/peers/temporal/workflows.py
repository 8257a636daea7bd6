"""The order's life as a Temporal workflow."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from benchmarks.peers.commands import (
        RETRY_FIRST_SECONDS,
        RETRY_MAX_SECONDS,
        TIMEOUT_SECONDS,
        Order,
    )
    from benchmarks.peers.temporal.activities import post, recall, refund, release, reserve, ship

Step = Callable[[Order], Awaitable[str]]
TASK_QUEUE = "orders"
# A little more than the request in it may take. It also is how long Temporal waits for a worker
# that was killed before it gives the activity to another.
START_TO_CLOSE = timedelta(seconds=TIMEOUT_SECONDS + 1)
# Without end, by doubling waits, as its default; that would wait up to 100 s.
RETRIES = RetryPolicy(
    initial_interval=timedelta(seconds=RETRY_FIRST_SECONDS),
    maximum_interval=timedelta(seconds=RETRY_MAX_SECONDS),
)


@workflow.defn
class Fulfil:
    @workflow.run
    async def run(self, order: Order) -> str:
        undo: list[Step] = [refund]  # the payment was taken before the order was sent
        try:
            await do(reserve, order)
            undo.append(release)
            outcomes = await asyncio.gather(
                do(ship, order), do(post, order), return_exceptions=True
            )
            if isinstance(outcomes[0], str):
                undo.append(recall)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        except ActivityError as error:
            if not refused(error):
                raise
            for step in reversed(undo):
                await do(step, order)
            return "rejected"
        return "confirmed"


async def do(step: Step, order: Order) -> str:
    return await workflow.execute_activity(
        step, order, start_to_close_timeout=START_TO_CLOSE, retry_policy=RETRIES
    )


def refused(error: ActivityError) -> bool:
    return isinstance(error.cause, ApplicationError) and error.cause.type == "Refused"
