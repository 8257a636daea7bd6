"""The proxy as a child process: what the deployed functions take for AWS."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spillway.run.proxy.control import PREFIX, TOKEN_HEADER
from spillway.run.stack.health import wait_until_healthy
from spillway.run.stack.ports import LOOPBACK
from spillway.run.stack.processes import isolated_environment, tethered

LOG = "proxy.log"


@dataclass(frozen=True)
class RunningProxy:
    """A running proxy: its endpoint, its control's token and its process."""

    url: str
    token: str
    process: subprocess.Popen[bytes]


@contextmanager
def fault_injection_proxy(folder: Path, *, port: int, emulator: str) -> Iterator[RunningProxy]:
    """Run the proxy on `port`, before the emulator at that URL, until the block ends.

    Raises SpillwayError when it did not answer in time.
    """
    token, log = secrets.token_urlsafe(24), folder / LOG
    url = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "spillway.run.proxy"]
    command += ["--port", str(port), "--upstream", emulator]
    environment = isolated_environment(folder, SPILLWAY_PROXY_TOKEN=token)
    with tethered(command, environment=environment, log=log, cwd=folder) as process:
        wait_until_healthy(
            "fault-injection proxy",
            f"{url}{PREFIX}rules",
            headers={TOKEN_HEADER: token},
            process=process,
            log=log,
        )
        yield RunningProxy(url, token, process)
