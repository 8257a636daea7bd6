"""The one step: a command to a downstream."""

from dbos import DBOS

from benchmarks.peers.commands import Order, Refused, downstreams, send

client = downstreams()


def _not_refused(error: BaseException) -> bool:
    return not isinstance(error, Refused)


# DBOS has no bound on the wait between two attempts below one hour, so it cannot have the others'
# waits; and none without end on their number. A steady wait, for longer than any outage.
@DBOS.step(
    retries_allowed=True,
    interval_seconds=2,
    backoff_rate=1,
    max_attempts=1_000_000,
    should_retry=_not_refused,
)
async def call(step: str, order: Order) -> str:
    return await send(client, step, order)
