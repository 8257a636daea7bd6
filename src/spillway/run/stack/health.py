"""Waiting for a child process that serves HTTP."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from spillway.errors import SpillwayError

_START_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.02


def wait_until_healthy(
    name: str,
    url: str,
    *,
    process: subprocess.Popen[bytes],
    log: Path,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Wait until a GET of `url` succeeds.

    Raises SpillwayError when `process` ended, or it did not succeed in time.
    """
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    # trust_env: straight to the loopback interface, whatever proxy the user's environment names.
    with httpx.Client(trust_env=False, timeout=2, headers=headers) as client:
        while not _healthy(client, url):
            if process.poll() is not None:
                raise SpillwayError(f"The {name} ended while it started: its log is {log}.")
            if time.monotonic() > deadline:
                raise SpillwayError(
                    f"The {name} did not answer within {_START_TIMEOUT_SECONDS:.0f} s:"
                    f" its log is {log}."
                )
            time.sleep(_POLL_SECONDS)


def _healthy(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False
