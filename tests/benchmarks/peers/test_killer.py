"""The killer strikes after each step, and never while the last victim is still down."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from benchmarks.peers.system import System
from benchmarks.peers.trials import Killer
from tests.benchmarks.peers.builders import DONE, UNDONE, entries, placed

[ORDER] = placed(1)


class _Victim:
    """Comes back when `up` is set."""

    def __init__(self) -> None:
        self.killed = 0
        self.up = threading.Event()
        self.failure: Exception | None = None

    def kill(self, victim: str) -> None:
        self.killed += 1

    def revive(self, victim: str) -> None:
        self.up.wait(10)
        if self.failure is not None:
            raise self.failure


def _killer(victim: Any, each: int = 1, seconds_max: float = 60.0) -> Killer:
    return Killer(cast("System", victim), "worker", each, up_seconds=0.0, seconds_max=seconds_max)


def test_each_step_has_its_kills_and_no_more() -> None:
    victim = _Victim()
    victim.up.set()
    killer = _killer(victim, each=2)
    for entry in 3 * entries(ORDER, *UNDONE):
        killer(entry)
        killer.wait()

    assert killer.after == dict.fromkeys(UNDONE, 2)
    assert victim.killed == 2 * len(UNDONE) == len(killer.killed_at)


def test_nothing_dies_while_the_victim_is_down_or_when_nothing_was_done() -> None:
    victim = _Victim()
    killer = _killer(victim)
    for entry in entries(ORDER, *DONE, refused=("release",)):
        killer(entry)
    assert dict(killer.after) == {"reserve": 1}

    victim.up.set()
    killer.wait()
    for entry in entries(ORDER, *DONE[1:], refused=("release",)):
        killer(entry)
        killer.wait()
    assert dict(killer.after) == {"reserve": 1, "ship": 1, "post": 1}


def test_a_victim_that_does_not_come_back_fails_the_trial() -> None:
    victim = _Victim()
    victim.failure = RuntimeError("it is gone")
    victim.up.set()
    killer = _killer(victim)
    killer(entries(ORDER, "reserve")[0])

    with pytest.raises(RuntimeError, match="it is gone"):
        killer.wait()


def test_when_its_time_is_over_nothing_more_is_killed() -> None:
    victim = _Victim()
    victim.up.set()
    killer = _killer(victim, seconds_max=-1.0)
    for entry in entries(ORDER, *DONE):
        killer(entry)
        killer.wait()

    assert killer.after == {"reserve": 1}
