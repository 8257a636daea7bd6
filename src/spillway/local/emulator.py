"""The AWS emulator as a child process: one port, loopback only, nothing global."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from spillway.errors import SpillwayError
from spillway.local.ports import LOOPBACK, free_port
from spillway.local.processes import isolated_environment, tethered

LOG = "emulator.log"
_START_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Emulator:
    """A running emulator: its endpoint and its process, the Lambda workers' parent."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def emulator(folder: Path) -> Iterator[Emulator]:
    """Run the emulator until the block ends; its log and temporary files are in ``folder``.

    Raises:
        SpillwayError: it did not answer in time.
    """
    port = free_port()
    log = folder / LOG
    with tethered(
        [sys.executable, "-m", "ministack"],
        environment=_environment(folder, port),
        log=log,
        cwd=folder,
    ) as process:
        url = f"http://{LOOPBACK}:{port}"
        _wait_until_healthy(url, process, log)
        yield Emulator(url, process)


def _environment(folder: Path, port: int) -> dict[str, str]:
    """The emulator's settings, of which its Lambda workers get a copy.

    ``PYTHONDONTWRITEBYTECODE`` is left out with all else: with it every cold start compiles anew.
    """
    return isolated_environment(
        folder,
        GATEWAY_PORT=str(port),
        BIND_HOST=LOOPBACK,
        # In the queue URLs and the like: saves resolving "localhost", which may be ::1.
        MINISTACK_HOST=LOOPBACK,
        # Its other listeners: MQTT opens by itself, on every interface; SFTP with the first server.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        # It removes every container that it takes for its own, at start and end. With no daemon
        # at this address it leaves containers alone.
        DOCKER_HOST=f"unix://{folder / 'no-docker.sock'}",
        S3_DATA_DIR=str(folder / "tmp" / "s3"),
        STATE_DIR=str(folder / "tmp" / "state"),
    )


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    # trust_env: straight to the loopback interface, whatever proxy the user's environment names.
    with httpx.Client(trust_env=False, timeout=2) as client:
        while not _healthy(client, url):
            if process.poll() is not None:
                raise SpillwayError(f"The AWS emulator ended while it started: its log is {log}.")
            if time.monotonic() > deadline:
                raise SpillwayError(
                    f"The AWS emulator did not answer within {_START_TIMEOUT_SECONDS:.0f} s:"
                    f" its log is {log}."
                )
            time.sleep(_POLL_SECONDS)


def _healthy(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/_ministack/health").is_success
    except httpx.TransportError:
        return False
