"""The one activity: a command to a downstream."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from benchmarks.peers.commands import Order, Refused, downstreams, send

client = downstreams()


@activity.defn
async def call(step: str, order: Order) -> str:
    try:
        return await send(client, step, order)
    except Refused as refused:
        raise ApplicationError(str(refused), type="Refused", non_retryable=True) from refused
