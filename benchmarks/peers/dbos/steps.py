"""The steps: an order's commands to its downstreams."""

from collections.abc import Awaitable, Callable

from dbos import DBOS

from benchmarks.peers.commands import Order, Refused, downstreams, send

Step = Callable[[Order], Awaitable[str]]
client = downstreams()


def _not_refused(error: BaseException) -> bool:
    return not isinstance(error, Refused)


# DBOS has no bound on the wait between two attempts below one hour, so it cannot have the others'
# waits; and none without end on their number. A steady wait, for longer than any outage.
_retried = DBOS.step(
    retries_allowed=True,
    interval_seconds=2,
    backoff_rate=1,
    max_attempts=1_000_000,
    should_retry=_not_refused,
)


@_retried
async def reserve(order: Order) -> str:
    return await send(client, "reserve", order)


@_retried
async def ship(order: Order) -> str:
    return await send(client, "ship", order)


@_retried
async def post(order: Order) -> str:
    return await send(client, "post", order)


@_retried
async def recall(order: Order) -> str:
    return await send(client, "recall", order)


@_retried
async def release(order: Order) -> str:
    return await send(client, "release", order)


@_retried
async def refund(order: Order) -> str:
    return await send(client, "refund", order)
