"""The processes that descend from this one: what they hold at most, and that none is left."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchmarks.peers import usage

_PR_SET_CHILD_SUBREAPER = 36
_EACH_SECONDS = 1.0


@dataclass(slots=True)
class Peak:
    """The most that this process and its descendants have held at one time so far. A page that
    several of them share counts for each, so it is more than they took, never less."""

    memory_bytes: int = 0

    def look(self) -> None:
        held = sum(map(usage.resident_bytes, usage.tree(os.getpid())))
        self.memory_bytes = max(self.memory_bytes, held)


@contextmanager
def watched() -> Iterator[Peak]:
    """From here on a process whose parent has died descends from this one still, so that none that
    the block starts can get lost. What they hold is looked at every second."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while not over.wait(_EACH_SECONDS):
            peak.look()

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield peak
    finally:
        over.set()
        watching.join()


def end_all() -> list[str]:
    """Kill those that still run, and name them: after a run that was not interrupted there are
    none."""
    commands: list[str] = []
    while running := _running():
        commands += running.values()
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return commands


def _running() -> dict[int, str]:
    """The command of each. One that has ended and that nobody has asked about has none."""
    own = os.getpid()
    found = {pid: usage.command(pid) for pid in usage.tree(own) if pid != own}
    return {pid: command for pid, command in found.items() if command is not None}
