"""The order service as a DBOS application: one process, its state in PostgreSQL.

The request is answered once the workflow's row is written: from then on DBOS brings it to an end,
also after a crash, when the application starts again. Its id is the order's, so a repeated request
finds the workflow that is there.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from dbos import DBOS, DBOSConfig, SetWorkflowID
from fastapi import FastAPI

from benchmarks.peers.commands import Order

if os.environ.get("PEERS_CODE"):
    from benchmarks.peers.dbos.changed import fulfil
else:
    from benchmarks.peers.dbos.saga import fulfil


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
if os.environ.get("PEERS_VERSION"):
    # Patches need it: else DBOS makes a version of the code, and takes up only orders of its own.
    config["application_version"] = os.environ["PEERS_VERSION"]
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
