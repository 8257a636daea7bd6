"""The worker: a process that runs workflows and activities."""

import asyncio
import os

from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.peers.temporal.activities import ALL
from benchmarks.peers.temporal.changed import Careless, Patched
from benchmarks.peers.temporal.workflows import TASK_QUEUE, Fulfil

CODE = {"": Fulfil, "patched": Patched, "careless": Careless}


async def main() -> None:
    client = await Client.connect(os.environ["PEERS_TEMPORAL"])
    workflow = CODE[os.environ.get("PEERS_CODE", "")]
    await Worker(client, task_queue=TASK_QUEUE, workflows=[workflow], activities=ALL).run()


if __name__ == "__main__":
    asyncio.run(main())
