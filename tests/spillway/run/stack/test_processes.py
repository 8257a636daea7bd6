"""Children: in an environment of our choosing, and never orphans."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spillway.run.stack.processes import children, guarded, isolated_environment

pytestmark = pytest.mark.timeout(120)

# A command with a child of its own, as the emulator has Lambda workers; both say who they are.
_PARENT_AND_CHILD = (
    "import subprocess, sys, os, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(os.getpid(), child.pid, flush=True); time.sleep(60)"
)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)


def _pids(log: Path) -> list[int]:
    _wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
    return [int(pid) for pid in log.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
class TestGuarded:
    def test_the_command_and_its_children_end_with_the_block(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        with guarded(
            [sys.executable, "-c", _PARENT_AND_CHILD],
            environment=isolated_environment(tmp_path),
            log=log,
            cwd=tmp_path,
        ) as process:
            pids = _pids(log)
            assert pids[0] == process.pid
            assert children(process.pid).keys() >= {pids[1]}

        _wait_until(lambda: not any(map(_is_alive, pids)))

    def test_they_end_when_the_starter_is_killed_without_warning(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        starter = (
            "import sys, time; from pathlib import Path;"
            "from spillway.run.stack.processes import *;"
            f"here = Path({str(tmp_path)!r});"
            f"command = [sys.executable, '-c', {_PARENT_AND_CHILD!r}];"
            "environment = isolated_environment(here);"
            f"run = guarded(command, environment=environment, log=Path({str(log)!r}), cwd=here);"
            "run.__enter__(); time.sleep(60)"
        )
        process = subprocess.Popen([sys.executable, "-c", starter])  # noqa: S603
        pids = _pids(log)
        assert all(map(_is_alive, pids))

        process.send_signal(signal.SIGKILL)
        process.wait()

        _wait_until(lambda: not any(map(_is_alive, pids)))

    def test_what_a_crashed_command_left_behind_ends_too(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        with guarded(
            [sys.executable, "-c", _PARENT_AND_CHILD],
            environment=isolated_environment(tmp_path),
            log=log,
            cwd=tmp_path,
        ) as process:
            command, child = _pids(log)
            os.kill(command, signal.SIGKILL)
            process.wait()
            assert _is_alive(child)

        _wait_until(lambda: not _is_alive(child))


def test_a_child_sees_nothing_of_the_callers_aws_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.2/")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    environment = isolated_environment(tmp_path, AWS_ENDPOINT_URL="http://127.0.0.1:1")

    assert {name: value for name, value in environment.items() if name.startswith("AWS_")} == {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    assert environment["HOME"] == str(tmp_path / "home")
    assert "PYTHONDONTWRITEBYTECODE" not in environment
