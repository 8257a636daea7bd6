"""What is done to a stack beside fault settings and the proxy's faults, without one."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest

from spillway.prove.chaos import disruptions
from spillway.prove.chaos.disruptions import IDLE_AFTER_SECONDS, IdleDetector, Killer, Poison
from spillway.prove.chaos.recorder import ResponseRecorder
from spillway.run.load.patience import Patience
from spillway.target.records import Depth
from spillway.target.service import QUEUES
from tests.builders import order_key

if TYPE_CHECKING:
    from spillway.run.stack import Stack


class Emulated:
    """The only part of a stack that is needed: its emulator's process id."""

    def __init__(self, emulator_pid: int) -> None:
        self.emulator_pid = emulator_pid


def stack(emulator_pid: int = 0) -> Stack:
    return cast("Stack", Emulated(emulator_pid))


def depth(queue: str, **messages: int) -> Depth:
    return Depth(queue, **({"visible": 0, "in_flight": 0, "delayed": 0} | messages))


EMPTY = [depth("inventory"), depth("watchdog"), depth("relay_dead_letter")]


def idle(*looks: tuple[float, list[Depth]]) -> list[bool]:
    """What the detector says at each of these looks: seconds, and the depths then."""
    times: list[float] = []
    detector = IdleDetector(stack(), Patience(IDLE_AFTER_SECONDS, now=lambda: times[-1]))
    found = []
    for at, depths in looks:
        times.append(at)
        found.append(detector.is_idle(depths))
    return found


def test_orders_are_lost_when_every_queue_stays_empty() -> None:
    end = 100.0 + IDLE_AFTER_SECONDS

    assert idle((100.0, EMPTY), (end, EMPTY), (end + 0.1, EMPTY)) == [False, False, True]


@pytest.mark.parametrize(
    "waiting",
    [depth("inventory", visible=1), depth("inventory", in_flight=1), depth("watchdog", delayed=1)],
)
def test_no_order_is_lost_while_a_message_is_under_way(waiting: Depth) -> None:
    later = 101.0 + IDLE_AFTER_SECONDS

    assert not any(idle((100.0, EMPTY), (later, [waiting]), (later + 1.0, EMPTY)))
    assert not any(idle((100.0, [waiting]), (later, [waiting])))


def test_a_dead_letter_is_not_under_way() -> None:
    dead = [depth("relay_dead_letter", visible=1)]

    assert idle((100.0, dead), (101.0 + IDLE_AFTER_SECONDS, dead)) == [False, True]


def test_no_process_is_killed_when_no_function_runs() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        killer = Killer(stack(bystander.pid), random.Random(1))

        killer.kill_one()

        assert killer.fired() == 0
        assert bystander.poll() is None
        bystander.kill()


def test_each_acknowledged_order_pays_for_one_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disruptions, "KILL_WITHIN_SECONDS", 0.0)
    monkeypatch.setattr(disruptions, "running_functions", lambda _: {})
    killer, recorder = Killer(stack(), random.Random(1)), ResponseRecorder()
    kills: list[bool] = []

    async def acknowledge() -> None:
        with killer.killing(recorder):
            for _ in range(3):
                recorder.on_acknowledged()
            kills.append(killer.has_tried_all())
            await asyncio.sleep(0.01)
            kills.append(killer.has_tried_all())
            recorder.on_acknowledged()
        recorder.on_acknowledged()
        await asyncio.sleep(0.01)

    asyncio.run(acknowledge())

    assert kills == [False, True]
    assert not killer.has_tried_all()
    assert killer.fired() == 0


def test_only_the_processes_of_one_function_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    running = {1: "intake", 2: "deliver-inventory", 3: "relay"}
    monkeypatch.setattr(disruptions, "running_functions", lambda _: running)
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, _: killed.append(pid))
    killer = Killer(stack(), random.Random(1), only="deliver-inventory")

    for _ in range(5):
        killer.kill_one()

    assert killed == [2] * 5
    assert killer.killed == {"deliver-inventory": 5}


def test_a_worker_is_known_by_its_folder() -> None:
    name = "/tmp/ministack-lambda-spillway-local-deliver-inventory-0a1b2c/code/_worker.py"  # noqa: S108

    match = disruptions.FUNCTION.search(f"python {name}")

    assert match is not None
    assert match[1] == "deliver-inventory"


def test_there_is_poison_for_relay_and_every_queue_that_a_function_reads() -> None:
    queues = [*QUEUES, "outcomes-inventory"]
    dead_letters = [f"{queue}_dead_letter" for queue in (*queues, "relay")]
    made = Poison.of([*queues, *dead_letters], order_key("nobody", "0"))

    assert [*made.messages] == queues
    assert len(set(made.messages.values())) == len(made.messages)
    assert made.fired() == len(queues) + 1
