"""What is done to a stack beside fault settings and faults, without one."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, cast

from orders.domain.order import OrderKey
from spillway.prove.chaos import disruptions
from spillway.prove.chaos.disruptions import LOST_AFTER_SECONDS, IdleDetector, Killer, poison
from spillway.target.records import Depth

if TYPE_CHECKING:
    from spillway.run.stack import Stack


class Emulated:
    """As much of a stack as is looked at: its emulator is this process."""

    def __init__(self, emulator_pid: int) -> None:
        self.emulator_pid = emulator_pid


def stack(emulator_pid: int = 0) -> Stack:
    return cast("Stack", Emulated(emulator_pid))


def depth(queue: str, **messages: int) -> Depth:
    return Depth(queue, **({"visible": 0, "in_flight": 0, "delayed": 0} | messages))


EMPTY = [depth("inventory"), depth("watchdog"), depth("relay_dead_letter")]


def test_orders_are_lost_when_every_queue_stays_empty() -> None:
    idle_detector = IdleDetector(stack())

    assert not idle_detector.lasts(EMPTY, now=100.0)
    assert not idle_detector.lasts(EMPTY, now=100.0 + LOST_AFTER_SECONDS - 0.1)
    assert idle_detector.lasts(EMPTY, now=100.0 + LOST_AFTER_SECONDS)


def test_whatever_is_under_way_gives_hope_again() -> None:
    for waiting in (
        depth("inventory", visible=1),
        depth("inventory", in_flight=1),
        depth("watchdog", delayed=1),
    ):
        idle_detector = IdleDetector(stack())
        idle_detector.lasts(EMPTY, now=100.0)

        assert not idle_detector.lasts([waiting], now=200.0)
        assert not idle_detector.lasts(EMPTY, now=201.0)


def test_a_dead_letter_is_no_hope() -> None:
    idle_detector = IdleDetector(stack())
    dead = [depth("relay_dead_letter", visible=1)]
    idle_detector.lasts(dead, now=100.0)

    assert idle_detector.lasts(dead, now=100.0 + LOST_AFTER_SECONDS)


def test_where_nothing_runs_nothing_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        killer = Killer(stack(bystander.pid), random.Random(1))

        killer.kill_one()

        assert killer.fired() == 0
        assert bystander.poll() is None
        bystander.kill()


def test_a_worker_is_known_by_its_folder() -> None:
    name = "/tmp/ministack-lambda-spillway-local-deliver-inventory-0a1b2c/code/_worker.py"  # noqa: S108

    match = disruptions.FUNCTION.search(f"python {name}")

    assert match is not None
    assert match[1] == "deliver-inventory"


def test_there_is_poison_for_every_queue_that_is_worked_off_and_for_relay() -> None:
    planted = poison(OrderKey("nobody", "0"))

    assert set(planted.messages) == {
        *("inventory", "fulfilment", "accounting"),
        *("overflow", "watchdog"),
    }
    assert len(set(planted.messages.values())) == len(planted.messages)
    assert planted.fired() == 6
