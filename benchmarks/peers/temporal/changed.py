"""The workflow changed: goods leave only once the order is booked.

With `Patched` orders that began with the code before go on by it. `Unpatched` does without: it is
for workers of a version of their own, which Temporal's documentation prefers, and careless
otherwise.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from benchmarks.peers.commands import Order
    from benchmarks.peers.temporal.activities import post, recall, refund, release, reserve, ship
    from benchmarks.peers.temporal.workflows import Step, do, refused


async def _life(order: Order, *, post_first: bool) -> str:
    undo: list[Step] = [refund]  # the payment was taken before the order was sent
    try:
        await do(reserve, order)
        undo.append(release)
        if post_first:
            await do(post, order)
            await do(ship, order)
        else:
            await _as_before(order, undo)
    except ActivityError as error:
        if not refused(error):
            raise
        for step in reversed(undo):
            await do(step, order)
        return "rejected"
    return "confirmed"


async def _as_before(order: Order, undo: list[Step]) -> None:
    outcomes = await asyncio.gather(do(ship, order), do(post, order), return_exceptions=True)
    if isinstance(outcomes[0], str):
        undo.append(recall)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


@workflow.defn(name="Fulfil")
class Patched:
    @workflow.run
    async def run(self, order: Order) -> str:
        return await _life(order, post_first=workflow.patched("post before ship"))


@workflow.defn(name="Fulfil")
class Unpatched:
    @workflow.run
    async def run(self, order: Order) -> str:
        return await _life(order, post_first=True)
