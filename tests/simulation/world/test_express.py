"""What the checker of the express path tells, and that it tells nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from simulation.world.chance import Chance
from simulation.world.express import EXPRESS_WITHIN_BOUNDS, ExpressChecker
from simulation.world.runtime import SetClock
from simulation.world.scheduler import Process, Task

KEY = ("ada", "1")
BODY = b'{"customer_id": "ada", "order_id": "1"}'
ORDER: dict[str, Any] = {"express": {"BOOL": True}}
DONE: dict[str, Any] = {"M": {"at": {"N": "1"}}}
REFUSED: dict[str, Any] = {"M": {"at": {"N": "1"}, "reason": {"S": "no"}}}


def task_of(function: str, *path: str) -> Task:
    process = Process(f"{function} reserve of order 1", 1_000_000, lambda _: None)
    return Task(" > ".join((process.name, *path)), process, Chance(0, "task"), lambda: None)


@dataclass
class World:
    """One order that goes by express."""

    clock: SetClock = field(default_factory=lambda: SetClock(0))
    order: dict[str, Any] = field(default_factory=lambda: {**ORDER})
    reserved: bool = True
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checker = ExpressChecker(
            now=self.clock.now,
            breaks=lambda promise, _, detail: self.broken.append(f"{promise}: {detail}"),
            item=lambda key: self.order if key == KEY else None,
            has_effect=lambda key, step: self.reserved and (key, step) == (KEY, "reserve"),
            budget_ms=1_000,
            calls_max={"inventory": 9, "fulfilment": 2, "accounting": 9},
            reachable=2,
        )

    def reserve(self) -> None:
        task = task_of("deliver-inventory", "message")
        call = self.checker.call_begins(task, "inventory", "/reservations", BODY, {})
        self.checker.call_ends(call, "done")

    def ship(self, function: str = "deliver-inventory") -> None:
        """Without an end."""
        task = task_of(function, "message", "fulfilment")
        self.checker.call_begins(task, "fulfilment", "/shipments", BODY, {})


def test_an_express_delivery_that_keeps_its_rules_is_counted() -> None:
    world = World()
    world.reserve()
    world.clock.milliseconds = 1_000
    world.ship()
    world.checker.progressed(
        KEY, {}, {"reserve": DONE, "ship": DONE, "express": {"S": "reserve ship"}}
    )
    assert world.broken == []
    assert world.checker.counts == {"calls": 1, "writes of 2 outcomes": 1}


def test_a_call_after_the_time_is_told() -> None:
    world = World()
    world.reserve()
    world.clock.milliseconds = 1_001
    world.ship()
    assert world.broken == [
        f"{EXPRESS_WITHIN_BOUNDS}: fulfilment called when the time of express was over"
    ]


def test_going_on_from_a_reservation_that_took_more_than_half_of_the_time_is_told() -> None:
    for took_ms, told in ((500, 0), (501, 1)):
        world = World()
        world.reserve()
        world.clock.milliseconds = took_ms
        world.checker.side_by_side(task_of("deliver-inventory", "message").name, ["fulfilment"])
        assert len(world.broken) == told


def test_a_shipment_without_a_reservation_is_told_whoever_commands_it() -> None:
    for function in ("deliver-inventory", "deliver-fulfilment"):
        world = World(reserved=False)
        world.reserve()
        world.ship(function)
        assert world.broken == ["never_half_done: told to ship before its stock was reserved"]


def test_an_order_that_has_not_express_on_record_is_told() -> None:
    world = World(order={})
    world.reserve()
    world.ship("deliver-fulfilment")
    assert world.broken == []
    world.ship()
    assert world.broken == [
        f"{EXPRESS_WITHIN_BOUNDS}: goes by express, which is not on record with it"
    ]


def test_calls_at_once_are_counted_over_all_deliveries() -> None:
    world = World()
    world.reserve()
    world.ship()
    world.ship("deliver-fulfilment")
    assert world.broken == []
    world.ship()
    assert world.broken == [
        f"{EXPRESS_WITHIN_BOUNDS}: fulfilment has more calls at once than it bears"
    ]


@pytest.mark.parametrize("after", [{}, {"ship": REFUSED}])
def test_a_note_that_names_what_is_not_done_is_told(after: dict[str, Any]) -> None:
    world = World()
    note = {"express": {"S": "reserve ship"}}
    world.checker.progressed(KEY, {}, {"reserve": DONE, **after, **note})
    assert world.broken == ["never_half_done: noted as reserve ship, and ship is not done"]
