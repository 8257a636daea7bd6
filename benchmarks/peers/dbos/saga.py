"""The order's life as a DBOS workflow."""

import asyncio

from dbos import DBOS

from benchmarks.peers.commands import Order, Refused
from benchmarks.peers.dbos.steps import call


@DBOS.workflow()
async def fulfil(order: Order) -> str:
    undo = ["refund"]  # the payment was taken before the order was sent
    try:
        await call("reserve", order)
        undo.append("release")
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
    except Refused:
        for step in reversed(undo):
            await call(step, order)
        return "rejected"
    return "confirmed"
