"""The order service as a Restate workflow. Restate's own ingress is the API: a request to it is
answered once the call is in its log, and its key, the order's id, runs once."""

import asyncio
import os
from datetime import timedelta

import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config
from restate import (
    InvocationRetryPolicy,
    RestateDurableFuture,
    RunOptions,
    TerminalError,
    Workflow,
    WorkflowContext,
)

from benchmarks.peers.commands import (
    RETRY_FIRST_SECONDS,
    RETRY_MAX_SECONDS,
    Order,
    Refused,
    downstreams,
    send,
)

client = downstreams()
# Without end: left to its default an invocation that has failed 70 times waits for a person.
RETRIES: RunOptions[str] = RunOptions(
    initial_retry_interval=timedelta(seconds=RETRY_FIRST_SECONDS),
    max_retry_interval=timedelta(seconds=RETRY_MAX_SECONDS),
)
# The same where all of an invocation is tried again, for its program has died.
AGAIN = InvocationRetryPolicy(
    initial_interval=timedelta(seconds=RETRY_FIRST_SECONDS),
    max_interval=timedelta(seconds=RETRY_MAX_SECONDS),
)
# Restate's own connections to a program, as its documentation sets them for production: Hypercorn
# would end each after 1,000 requests, or 5 s without one, and take 100 at a time.
UNBOUNDED = 2**31 - 1
orders = Workflow("Orders", invocation_retry_policy=AGAIN)


async def call(step: str, order: Order) -> str:
    try:
        return await send(client, step, order)
    except Refused as refused:
        raise TerminalError(str(refused)) from refused


def do(ctx: WorkflowContext, step: str, order: Order) -> RestateDurableFuture[str]:
    return ctx.run_typed(step, call, RETRIES, step=step, order=order)


@orders.main()
async def run(ctx: WorkflowContext, order: Order) -> str:
    undo = ["refund"]  # the payment was taken before the order was sent
    try:
        await do(ctx, "reserve", order)
        undo.append("release")
        shipping, posting = do(ctx, "ship", order), do(ctx, "post", order)
        await restate.gather(shipping, posting)
        try:
            await shipping
            undo.append("recall")
        finally:
            await posting
    except TerminalError:
        for step in reversed(undo):
            await do(ctx, step, order)
        return "rejected"
    return "confirmed"


def main(workflow: Workflow) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{os.environ['PEERS_PORT']}"]
    config.h2_max_concurrent_streams = UNBOUNDED
    config.keep_alive_max_requests = UNBOUNDED
    config.keep_alive_timeout = UNBOUNDED
    asyncio.run(serve(restate.app([workflow]), config))


if __name__ == "__main__":
    main(orders)
