"""The worker: a process that runs workflows and activities, until it is told to end."""

import asyncio
import os
import signal

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from benchmarks.peers.temporal.activities import ALL
from benchmarks.peers.temporal.changed import Patched, Unpatched
from benchmarks.peers.temporal.workflows import START_TO_CLOSE, TASK_QUEUE, Fulfil

CODE = {"": Fulfil, "patched": Patched, "unpatched": Unpatched}


def deployment() -> WorkerDeploymentConfig | None:
    """With a version an order stays with workers of the version that it began with."""
    if not (build := os.environ.get("PEERS_VERSION")):
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name="orders", build_id=build),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def main() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with Worker(
        await Client.connect(os.environ["PEERS_TEMPORAL"]),
        task_queue=TASK_QUEUE,
        workflows=[CODE[os.environ.get("PEERS_CODE", "")]],
        activities=ALL,
        graceful_shutdown_timeout=START_TO_CLOSE,
        deployment_config=deployment(),
    ):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
