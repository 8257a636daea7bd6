"""The AWS emulator as a child process: one port, loopback only, nothing global."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spillway.run.stack.cdk import node_binary
from spillway.run.stack.health import wait_until_healthy
from spillway.run.stack.ports import LOOPBACK, free_port
from spillway.run.stack.processes import isolated_environment, tethered

LOG = "emulator.log"


@dataclass(frozen=True)
class Emulator:
    """A running emulator: its endpoint and its process, the Lambda workers' parent."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def emulator(folder: Path, *, functions_endpoint: str | None = None) -> Iterator[Emulator]:
    """Run the emulator until the block ends; its log and temporary files are in `folder`.

    `functions_endpoint` is where its Lambda functions find AWS; None: at the emulator itself.

    Raises SpillwayError when it did not answer in time.
    """
    port = free_port()
    log = folder / LOG
    with tethered(
        [sys.executable, "-m", "ministack"],
        environment=_environment(folder, port, functions_endpoint),
        log=log,
        cwd=folder,
    ) as process:
        url = f"http://{LOOPBACK}:{port}"
        wait_until_healthy("AWS emulator", f"{url}/_ministack/health", process=process, log=log)
        yield Emulator(url, process)


def _environment(folder: Path, port: int, functions_endpoint: str | None) -> dict[str, str]:
    """The emulator's settings, of which its Lambda workers get a copy.

    `PYTHONDONTWRITEBYTECODE` is left out with all else: with it every cold start compiles anew.
    """
    # Only the Lambda workers look at it: the emulator itself calls no AWS.
    endpoint = {} if functions_endpoint is None else {"AWS_ENDPOINT_URL": functions_endpoint}
    return isolated_environment(
        folder,
        **endpoint,
        # It runs CloudFront's functions on Node.
        PATH=os.pathsep.join([str(node_binary().parent), os.environ.get("PATH", os.defpath)]),
        GATEWAY_PORT=str(port),
        BIND_HOST=LOOPBACK,
        # In the queue URLs and the like: saves resolving "localhost", which may be ::1.
        MINISTACK_HOST=LOOPBACK,
        # Each request takes one of its threads, and so does each call that the function behind it
        # makes: 64 requests at once would leave none of its own 64 for those calls.
        MINISTACK_WORKER_THREADS="512",
        # Its other listeners: MQTT opens by itself, on every interface; SFTP with the first server.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        # It removes every container that it takes for its own, at start and end. With no daemon
        # at this address it leaves containers alone.
        DOCKER_HOST=f"unix://{folder / 'no-docker.sock'}",
        S3_DATA_DIR=str(folder / "tmp" / "s3"),
        STATE_DIR=str(folder / "tmp" / "state"),
    )
