"""The workflow changed: goods leave only once the order is booked.

Orders that began with the code before go on by it: the upgrade that DBOS's documentation asks for.
A deployment without that call is `PEERS_CODE=careless`.
"""

import asyncio
import os

from dbos import DBOS

from benchmarks.peers.commands import Order, Refused
from benchmarks.peers.dbos.steps import call

CARELESS = os.environ.get("PEERS_CODE") == "careless"


@DBOS.workflow()
async def fulfil(order: Order) -> str:
    undo = ["refund"]  # the payment was taken before the order was sent
    try:
        await call("reserve", order)
        undo.append("release")
        if CARELESS or await DBOS.patch_async("post before ship"):
            await call("post", order)
            await call("ship", order)
        else:
            await _as_before(order, undo)
    except Refused:
        for step in reversed(undo):
            await call(step, order)
        return "rejected"
    return "confirmed"


async def _as_before(order: Order, undo: list[str]) -> None:
    outcomes: list[str | BaseException] = await asyncio.gather(
        asyncio.create_task(call("ship", order)),
        asyncio.create_task(call("post", order)),
        return_exceptions=True,
    )
    if isinstance(outcomes[0], str):
        undo.append("recall")
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
