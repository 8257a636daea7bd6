"""The workflow changed: goods leave only once the order is booked. Nothing in it is for orders that
began with the code before: those stay with the endpoint that has it."""

from restate import TerminalError, Workflow, WorkflowContext

from benchmarks.peers.commands import Order
from benchmarks.peers.restate.program import AGAIN, do, main

orders = Workflow("Orders", invocation_retry_policy=AGAIN)


@orders.main()
async def run(ctx: WorkflowContext, order: Order) -> str:
    undo = ["refund"]  # the payment was taken before the order was sent
    try:
        await do(ctx, "reserve", order)
        undo.append("release")
        await do(ctx, "post", order)
        await do(ctx, "ship", order)
    except TerminalError:
        for step in reversed(undo):
            await do(ctx, step, order)
        return "rejected"
    return "confirmed"


if __name__ == "__main__":
    main(orders)
