"""The AWS emulator and the fault-injection proxy before it, each a child process.

Both listen on one port of the loopback interface each; nothing is global to the machine.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from spillway.errors import SpillwayError
from spillway.run.loopback import http_client
from spillway.run.proxy.control import PREFIX, TOKEN_HEADER
from spillway.run.stack.cdk import node_binary
from spillway.run.stack.ports import LOOPBACK, free_port
from spillway.run.stack.processes import guarded, isolated_environment

# Far more than a busy machine needs: a server that ends is noticed at once.
_START_TIMEOUT_SECONDS = 300.0
_POLL_SECONDS = 0.02
_EMULATOR = Path(__file__).with_name("ministack_program.py")


@dataclass(frozen=True)
class Server:
    """A running child: its endpoint and its process. The emulator's has the Lambda workers."""

    url: str
    process: subprocess.Popen[bytes]


def emulator(
    folder: Path, *, functions_endpoint: str | None = None
) -> AbstractContextManager[Server]:
    """Run the emulator until the block ends; its log and temporary files are in `folder`.

    `functions_endpoint` is where its Lambda functions find AWS; None: at the emulator itself.
    """
    port = free_port()
    return _running(
        "AWS emulator",
        [sys.executable, "-P", str(_EMULATOR)],
        environment=_environment(folder, port, functions_endpoint),
        log=folder / "emulator.log",
        url=f"http://{LOOPBACK}:{port}",
        health="/_ministack/health",
    )


def fault_injection_proxy(
    folder: Path, *, port: int, emulator: str, token: str
) -> AbstractContextManager[Server]:
    """Run the proxy on `port`, before the emulator at that URL, until the block ends.

    `token` is what its control asks for.
    """
    return _running(
        "fault-injection proxy",
        [sys.executable, "-m", "spillway.run.proxy", str(port), emulator],
        environment=isolated_environment(folder, SPILLWAY_PROXY_TOKEN=token),
        log=folder / "proxy.log",
        url=f"http://{LOOPBACK}:{port}",
        health=f"{PREFIX}rules",
        headers={TOKEN_HEADER: token},
    )


@contextmanager
def _running(
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    url: str,
    health: str,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a server until the block ends, which begins when a GET of `health` succeeds."""
    with guarded(command, environment=environment, log=log, cwd=log.parent) as process:
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        with http_client(base_url=url, timeout=2, headers=headers) as client:
            while not _healthy(client, health):
                if process.poll() is not None:
                    raise SpillwayError(f"The {name} ended while it started: its log is {log}.")
                if time.monotonic() > deadline:
                    raise SpillwayError(
                        f"The {name} did not answer within {_START_TIMEOUT_SECONDS:.0f} s:"
                        f" its log is {log}."
                    )
                time.sleep(_POLL_SECONDS)
        yield Server(url, process)


def _healthy(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False


def _environment(folder: Path, port: int, functions_endpoint: str | None) -> dict[str, str]:
    """The emulator's settings. Its Lambda workers get a copy.

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
        # Its other listeners. MQTT would open at the start, on every interface; SFTP with the first
        # server.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        # It removes every container that it takes for its own, at start and end. With no daemon
        # at this address it leaves containers alone.
        DOCKER_HOST=f"unix://{folder / 'no-docker.sock'}",
        S3_DATA_DIR=str(folder / "tmp" / "s3"),
        STATE_DIR=str(folder / "tmp" / "state"),
    )
