"""Refuses to start a server or a browser that the running test is not marked for.

`tests/conftest.py` runs this module in pytest's own process, and names this folder in PYTHONPATH,
so that each Python that a test starts runs it as well.
"""

import os
import sys
from collections.abc import Sequence

#: The environment variable with the marks of the running test; without it everything may start.
ALLOWED = "SPILLWAY_TEST_MAY_START"
#: By mark, what its command lines hold.
COMMANDS = {
    "emulator": ("ministack",),
    "mysql": ("mariadbd", "mariadb-install-db", "mysqld"),
    "browser": ("playwright", "chromium", "google-chrome", "bin/firefox"),
    "cdk": ("aws-cdk/bin/cdk", "jsii-runtime"),
}


class NotMarkedError(RuntimeError):
    """A test starts what it is not marked for."""


def needed_for(command: Sequence[object]) -> set[str]:
    """The marks that a test needs for starting this command."""
    line = " ".join(map(os.fsdecode, command))  # type: ignore[arg-type]
    return {mark for mark, names in COMMANDS.items() if any(name in line for name in names)}


def _refuse_unmarked(event: str, arguments: tuple[object, ...]) -> None:
    if event != "subprocess.Popen" or ALLOWED not in os.environ:
        return
    command = arguments[1]
    if isinstance(command, (str, bytes, os.PathLike)):
        command = [command]
    allowed = set(os.environ[ALLOWED].split(","))
    if "emulator" in allowed:
        allowed.add("cdk")  # which deploys to it
    missing = needed_for(command) - allowed  # type: ignore[arg-type]
    if missing:
        raise NotMarkedError(
            f"This test starts {' and '.join(sorted(missing))} without the mark: let it use the"
            f" fixture that starts it, or `@starts` of tests/needs.py. The command: {command}"
        )


sys.addaudithook(_refuse_unmarked)
