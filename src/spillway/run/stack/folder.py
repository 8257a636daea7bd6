"""Where a stack keeps its state: `.spillway/<port>/`, readable by its owner only.

The folder's lock says whether the stack is alive. The kernel frees it with the process that holds
it. A pid file could name another process that later got the same id.
"""

import fcntl
import os
import shutil
import signal
import time
from contextlib import suppress
from typing import IO

from spillway.errors import SpillwayError, why_not
from spillway.paths import home

_POLL_SECONDS = 0.02
_DAY_SECONDS = 24 * 60 * 60
_PUBLISHED, _LOCK = "stack.json", "lock"


def running_ports() -> list[int]:
    """The ports of the stacks that run."""
    ports = (int(folder.name) for folder in home().glob("*") if folder.name.isdecimal())
    return sorted(port for port in ports if StackFolder(port).owner() is not None)


class StackFolder:
    """The folder of the stack whose origin is on `port`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.path = home() / str(port)
        self._lock_file = self.path / _LOCK

    def claim(self) -> None:
        """Make this process the stack's owner and empty the folder, until the process ends."""
        try:
            lock = self._lock()
        except OSError as error:
            raise SpillwayError(
                f"{self.path} cannot be written ({why_not(error)}):"
                " name another folder with SPILLWAY_HOME."
            ) from error
        for left_over in self.path.iterdir():
            if left_over.is_dir() and not left_over.is_symlink():
                shutil.rmtree(left_over, ignore_errors=True)
            elif left_over.name != _LOCK:
                left_over.unlink(missing_ok=True)
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())

    def _lock(self) -> int:
        """A descriptor and no file: only the process's end closes it."""
        while True:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
            if not _flock(lock, fcntl.LOCK_EX):
                os.close(lock)
                raise SpillwayError(
                    f"A stack already runs on port {self.port}: end it with"
                    f" `spillway down --port {self.port}`, or choose another port with --port."
                )
            if os.fstat(lock).st_nlink:
                return lock
            os.close(lock)  # the former owner removed the folder between our open and our lock

    def owner(self) -> int | None:
        """The process id of the live owner; None when the stack is not running."""
        with suppress(FileNotFoundError), self._lock_file.open("rb") as lock:
            if not _is_free(lock):
                return int(lock.read() or 0) or None
        return None

    def end_owner(self, timeout_seconds: float) -> bool:
        """Ask the live owner to end and wait until it has; False when there is none."""
        owner = self.owner()
        if owner is None:
            return False
        # The lock's own file is watched: the owner removes the folder before it ends.
        with suppress(FileNotFoundError), self._lock_file.open("rb") as lock:
            os.kill(owner, signal.SIGTERM)
            deadline = time.monotonic() + timeout_seconds
            while not _is_free(lock):
                if time.monotonic() > deadline:
                    raise SpillwayError(
                        f"The stack on port {self.port} did not end within {timeout_seconds:.0f} s:"
                        f" end it with `kill -9 {owner}`."
                    )
                time.sleep(_POLL_SECONDS)
            return True
        return False

    def publish(self, stack: bytes) -> None:
        """Write what others read once the stack is ready: never half written, not for a moment."""
        draft = self.path / f"{_PUBLISHED}.draft"
        draft.touch(mode=0o600)
        draft.write_bytes(stack)
        draft.replace(self.path / _PUBLISHED)

    def published(self) -> bytes | None:
        """What the owner published; None before it is ready."""
        try:
            return (self.path / _PUBLISHED).read_bytes()
        except FileNotFoundError:
            return None

    def discard(self) -> None:
        """Remove the folder: a stack that ended cleanly leaves nothing. For the owner."""
        shutil.rmtree(self.path, ignore_errors=True)

    def discard_if_dead(self) -> None:
        """Remove what an owner that was killed, or that could not start, left behind."""
        try:
            with self._lock_file.open("rb") as lock:
                # Locked while it goes, so that no new owner moves in meanwhile.
                if _flock(lock, fcntl.LOCK_EX):
                    self.discard()
        except FileNotFoundError:
            self.discard()


def forget_dead() -> None:
    """Remove the folders of stacks that were killed or failed more than a day ago."""
    yesterday = time.time() - _DAY_SECONDS
    for path in home().iterdir():
        if path.name.isdigit() and path.stat().st_mtime < yesterday:
            StackFolder(int(path.name)).discard_if_dead()


def _is_free(lock: IO[bytes]) -> bool:
    # Shared, so that two who look at the same time do not take each other for the owner.
    if not _flock(lock, fcntl.LOCK_SH):
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


def _flock(lock: int | IO[bytes], kind: int) -> bool:
    """Lock the file until it is closed or this process ends; False when another has it."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
