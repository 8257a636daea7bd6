"""The order service as a DBOS application: one process, its state in PostgreSQL.

The request is answered once the workflow's row is written: from then on DBOS brings it to an end,
also after a crash, when the application starts again. Its id is the order's, so a repeated request
finds the workflow that is there.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from dbos import DBOS, DBOSConfig, SetWorkflowID
from fastapi import FastAPI

from benchmarks.peers.commands import Order, Refused, downstreams, send

client = downstreams()


def _not_refused(error: BaseException) -> bool:
    return not isinstance(error, Refused)


# DBOS has no bound on the wait between two attempts below one hour, and none without end on their
# number: a steady wait, for longer than any outage that is tested.
@DBOS.step(
    retries_allowed=True,
    interval_seconds=2,
    backoff_rate=1,
    max_attempts=1_000_000,
    should_retry=_not_refused,
)
async def call(step: str, order: Order) -> str:
    return await send(client, step, order)


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


@asynccontextmanager
async def _launched(_: FastAPI) -> AsyncIterator[None]:
    DBOS.launch()
    yield
    DBOS.destroy()


config: DBOSConfig = {
    "name": "orders",
    "system_database_url": os.environ["PEERS_DATABASE_URL"],
    "log_level": "WARNING",
}
DBOS(config=config)
app = FastAPI(lifespan=_launched)


@app.put("/orders/{order_id}", status_code=201)
async def place(order_id: str, order: Order) -> dict[str, str]:
    with SetWorkflowID(order_id):
        await DBOS.start_workflow_async(fulfil, order)
    return {"order_id": order_id}


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "healthy"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PEERS_PORT"]), log_level="warning")
