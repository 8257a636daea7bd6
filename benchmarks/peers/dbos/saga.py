"""The order's life as a DBOS workflow."""

import asyncio

from dbos import DBOS

from benchmarks.peers.commands import Order, Refused
from benchmarks.peers.dbos.steps import Step, post, recall, refund, release, reserve, ship


@DBOS.workflow()
async def fulfil(order: Order) -> str:
    undo: list[Step] = [refund]  # the payment was taken before the order was sent
    try:
        await reserve(order)
        undo.append(release)
        outcomes: list[str | BaseException] = await asyncio.gather(
            asyncio.create_task(ship(order)),
            asyncio.create_task(post(order)),
            return_exceptions=True,
        )
        if isinstance(outcomes[0], str):
            undo.append(recall)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
    except Refused:
        for step in reversed(undo):
            await step(order)
        return "rejected"
    return "confirmed"
