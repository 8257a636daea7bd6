"""The workflow changed: goods leave only once the order is booked.

Orders that began with the code before go on by it: one of the two upgrades in DBOS's documentation.
Without that call it is `PEERS_CODE=unpatched`: the other upgrade, or none.
"""

import asyncio
import os

from dbos import DBOS

from benchmarks.peers.commands import Order, Refused
from benchmarks.peers.dbos.steps import Step, post, recall, refund, release, reserve, ship

UNPATCHED = os.environ.get("PEERS_CODE") == "unpatched"


@DBOS.workflow()
async def fulfil(order: Order) -> str:
    # Asked before the first step: that is on record when the others begin. Asked where the change
    # is, an old order that was shipped and has no record of that yet would go on as a new one.
    post_first = UNPATCHED or await DBOS.patch_async("post before ship")
    undo: list[Step] = [refund]  # the payment was taken before the order was sent
    try:
        await reserve(order)
        undo.append(release)
        if post_first:
            await post(order)
            await ship(order)
        else:
            await _as_before(order, undo)
    except Refused:
        for step in reversed(undo):
            await step(order)
        return "rejected"
    return "confirmed"


async def _as_before(order: Order, undo: list[Step]) -> None:
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
