"""The API: a process of its own that starts workflows.

The request is answered once Temporal has the workflow. Its id is the order's, and an id is never
used twice, so a repeated request finds the workflow that is there.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Response
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from benchmarks.peers.commands import Order
from benchmarks.peers.temporal.workflows import TASK_QUEUE, Fulfil


@asynccontextmanager
async def _connected(app: FastAPI) -> AsyncIterator[None]:
    app.state.temporal = await Client.connect(os.environ["PEERS_TEMPORAL"])
    yield


app = FastAPI(lifespan=_connected)


@app.put("/orders/{order_id}", status_code=201)
async def place(order_id: str, order: Order, response: Response) -> dict[str, str]:
    try:
        await app.state.temporal.start_workflow(
            Fulfil.run,
            order,
            id=order_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
    except WorkflowAlreadyStartedError:
        response.status_code = 200
    return {"order_id": order_id}


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "healthy"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PEERS_PORT"]), log_level="warning")
