"""The state of a stack on disk: private, and never taken for alive when it is not."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spillway.errors import SpillwayError
from spillway.run.stack.folder import StackFolder, forget_dead


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPILLWAY_HOME", str(tmp_path))


def _claim_in_another_process(port: int) -> "subprocess.Popen[str]":
    """A process that owns the stack's folder until it is killed."""
    program = (
        "import time; from spillway.run.stack.folder import StackFolder;"
        f"StackFolder({port}).claim(); print('claimed', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    return process


def test_what_is_published_can_be_read_back_and_only_by_its_owner(tmp_path: Path) -> None:
    folder = StackFolder(8080)
    folder.claim()

    folder.publish(b'{"origin": "http://127.0.0.1:8080"}')

    assert folder.published() == b'{"origin": "http://127.0.0.1:8080"}'
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()}
    assert modes == {"lock": 0o600, "stack.json": 0o600}
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_second_owner_is_refused_with_the_next_step() -> None:
    owner = _claim_in_another_process(8080)
    try:
        with pytest.raises(SpillwayError, match=r"already runs on port 8080.*spillway down --port"):
            StackFolder(8080).claim()
        assert StackFolder(8080).owner() == owner.pid
    finally:
        owner.kill()
        owner.wait()


def test_the_state_of_a_killed_owner_is_stale_and_makes_way() -> None:
    owner = _claim_in_another_process(8080)
    folder = StackFolder(8080)
    (folder.path / "stack.json").write_text('{"pid": 1}')
    owner.kill()
    owner.wait()

    assert folder.owner() is None

    folder.claim()
    assert folder.published() is None


def test_ending_waits_until_the_owner_is_gone() -> None:
    owner = _claim_in_another_process(8080)

    assert StackFolder(8080).end_owner(timeout_seconds=60) is True

    assert owner.wait() != 0


def test_there_is_nothing_to_end_where_nothing_runs() -> None:
    assert StackFolder(8080).end_owner(timeout_seconds=60) is False


def test_the_dead_are_forgotten_after_a_day_and_the_living_never(tmp_path: Path) -> None:
    owner = _claim_in_another_process(8080)
    try:
        for port in (8081, 8082):
            StackFolder(port).path.mkdir()
        (tmp_path / "cache").mkdir()
        two_days_ago = time.time() - 2 * 24 * 60 * 60
        for name in ("8080", "8081", "cache"):
            os.utime(tmp_path / name, (two_days_ago, two_days_ago))

        forget_dead()

        assert {path.name for path in tmp_path.iterdir()} == {"8080", "8082", "cache"}
    finally:
        owner.kill()
        owner.wait()
