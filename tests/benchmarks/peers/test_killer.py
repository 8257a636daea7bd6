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


def _killer(victim: Any, seconds_max: float = 60.0) -> Killer:
    return Killer(cast("System", victim), "worker", up_seconds=0.0, seconds_max=seconds_max)


def test_it_kills_once_after_each_step_and_is_done_then() -> None:
    victim = _Victim()
    victim.up.set()
    killer = _killer(victim)
    for entry in entries(ORDER, *UNDONE, *UNDONE, "post"):
        assert not killer.is_done
        killer(entry)
        killer.wait()

    assert killer.is_done
    assert killer.after == {*UNDONE, "post"}
    assert victim.killed == len(killer.after) == len(killer.killed_at)


def test_nothing_dies_while_the_victim_is_down_or_when_nothing_was_done() -> None:
    victim = _Victim()
    killer = _killer(victim)
    for entry in entries(ORDER, *DONE, refused=("release",)):
        killer(entry)
    assert killer.after == {"reserve"}

    victim.up.set()
    killer.wait()
    for entry in entries(ORDER, *DONE[1:], refused=("release",)):
        killer(entry)
        killer.wait()
    assert killer.after == {"reserve", "ship", "post"}


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

    assert killer.after == {"reserve"}
