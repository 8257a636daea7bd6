"""The activities: an order's commands to its downstreams."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from benchmarks.peers.commands import Order, Refused, downstreams, send

client = downstreams()


@activity.defn
async def reserve(order: Order) -> str:
    return await _call("reserve", order)


@activity.defn
async def ship(order: Order) -> str:
    return await _call("ship", order)


@activity.defn
async def post(order: Order) -> str:
    return await _call("post", order)


@activity.defn
async def recall(order: Order) -> str:
    return await _call("recall", order)


@activity.defn
async def release(order: Order) -> str:
    return await _call("release", order)


@activity.defn
async def refund(order: Order) -> str:
    return await _call("refund", order)


ALL = [reserve, ship, post, recall, release, refund]


async def _call(step: str, order: Order) -> str:
    try:
        return await send(client, step, order)
    except Refused as refused:
        raise ApplicationError(str(refused), type="Refused", non_retryable=True) from refused
