"""The trials with faults: what a system makes of them, and what a person then has to do for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import httpx

from benchmarks.peers import counting, tables, trials
from benchmarks.peers.audit import KINDS
from benchmarks.peers.commands import Order, Refused, send_sync
from benchmarks.peers.counting import Counted
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.trials import Load
from simulation.downstreams.fault_settings import FaultSettings
from spillway.run.workload import generate
from tests.benchmarks.peers.builders import client_of_sync
from tests.benchmarks.peers.systems import Inline

#: Nothing here works while the trial waits, so what does not move at once never will.
LOAD = Load(
    tuple(generate(seed=1, count=12)), refused_share=0.3, stall_seconds=0.0, recording_seconds=0.0
)
ATTEMPTS = 20


@dataclass(eq=False)
class Told(Fakes):
    """Tells `system` whenever its faults change."""

    system: Later | None = field(default=None, init=False)

    def misbehave(self, settings: Mapping[str, FaultSettings]) -> None:
        super().misbehave(settings)
        if self.system is not None:
            self.system.work()


class Later(Inline):
    """Acknowledges, and works at what is left whenever something has changed."""

    upgrades: ClassVar[Mapping[str, str]] = {"changed": "for all orders at once"}

    def __init__(self, folder: Path, fakes: Fakes) -> None:
        super().__init__(folder, fakes)
        if isinstance(fakes, Told):
            fakes.system = self
        self.downstreams = client_of_sync(fakes)
        self.code = ""
        self.left: list[tuple[str, Order]] = []

    async def place(self, request: httpx.Request) -> httpx.Response:
        self.left.append((self.code, json.loads(request.content)))
        self.work()
        return httpx.Response(201, json={})

    def deploy(self, upgrade: str) -> None:
        self.code = upgrade
        self.work()

    def restore(self) -> None:
        self.deploy("")

    def unfinished(self) -> set[str]:
        return {order["order_id"] for _, order in self.left}

    def work(self) -> None:
        self.left = [one for one in self.left if not self.is_done(*one)]

    def is_done(self, code: str, order: Order) -> bool:
        try:
            self.follow(code, order)
        except httpx.HTTPError:
            return False
        return True

    def follow(self, code: str, order: Order) -> None:
        """From the beginning: a repeat is no second effect."""
        ship, post = ("ship", "recall"), ("post", None)
        undo = ["refund"]
        try:
            for step, undoing in (
                ("reserve", "release"),
                *((post, ship) if code else (ship, post)),
            ):
                self.send(step, order)
                undo += [undoing] if undoing else []
        except Refused:
            for step in reversed(undo):
                self.send(step, order)

    def send(self, step: str, order: Order) -> None:
        """Again, where the answer is lost."""
        for _ in range(ATTEMPTS):
            with suppress(httpx.ReadError):
                send_sync(self.downstreams, step, order)
                return


class Pinned(Later):
    """Leaves alone what began with other code than it has."""

    def is_done(self, code: str, order: Order) -> bool:
        return code == self.code and super().is_done(code, order)


def _wrong(audit: Mapping[str, int]) -> dict[str, int]:
    return {kind: audit[kind] for kind in KINDS if audit[kind]}


def test_lost_answers_are_asked_for_again() -> None:
    fakes = Told("http://fakes")
    found = trials.answers_lost(Later(Path(), fakes), fakes, LOAD)

    assert _wrong(found["audit"]) == {}
    assert found["audit"]["acknowledged"] == 12
    assert found["by_hand"] == []


def test_after_an_outage_all_is_well_or_the_rest_is_named() -> None:
    fakes = Told("http://fakes")
    found = trials.outage(Later(Path(), fakes), fakes, LOAD, seconds=0.05)

    assert _wrong(found["audit"]) == {}
    assert found["seconds_until_whole"] is not None
    assert 0 < found["reserved"] <= 12

    silent = Fakes("http://fakes")  # it never learns that the outage is over
    found = trials.outage(Later(Path(), silent), silent, LOAD, seconds=0.05)

    assert _wrong(found["audit"]).keys() == {"stuck"}
    assert found["seconds_until_whole"] is None


def test_changed_code_finishes_what_the_old_code_began() -> None:
    fakes = Told("http://fakes")
    load = replace(LOAD, refused_share=0.0)
    found = trials.changed_code(Later(Path(), fakes), fakes, load, "changed")

    assert _wrong(found["audit"]) == {}
    assert found["in_flight"] == 6
    assert found["by_new_code"] == found["later_fulfilled"] == 6
    assert found["by_hand"] == []
    assert "before_a_person_came" not in found


def test_what_a_person_had_to_do_for_orders_of_the_old_code_is_done_and_told() -> None:
    fakes = Told("http://fakes")
    found = trials.changed_code(Pinned(Path(), fakes), fakes, LOAD, "changed")

    assert _wrong(found["before_a_person_came"]).keys() == {"stuck"}
    assert found["before_a_person_came"]["unfinished"] == 6
    assert _wrong(found["audit"]) == {}
    assert found["seconds_until_whole"] is not None
    assert len(found["by_hand"]) == 2
    system = {"title": "Pinned", "notes": [], "tests": {"changed code: changed": found}}
    results = {"machine": {}, "systems": {"pinned": system}}
    [shown] = tables.tables(results)
    assert shown.rows[0][-1] == "; ".join(found["by_hand"])


def test_operations_are_averaged_by_what_became_of_the_orders() -> None:
    def count(_: Path, fakes: Fakes, orders: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        system = Later(Path(), fakes)
        counted = []
        for order in map(json.loads, orders):
            system.follow("", order)
            done = sum(one.order_id == order["order_id"] for one in fakes.entries())
            counted.append({"operations": {"STEP": done}, "checkpoints": 2 * done})
        return counted

    def found(refused_share: float) -> dict[str, Any]:
        fakes, load = Fakes("http://fakes"), replace(LOAD, refused_share=refused_share)
        service = Counted("A service", (), count)
        found = counting.counted(Path(), fakes, service, load, lose_answers=False)
        assert _wrong(found["audit"]) == {}
        return found

    both = {"orders": 12, "operations": {"STEP": 3}, "checkpoints": 6}
    assert found(0.0)["fulfilled"] == both
    assert found(1.0)["undone"] == {**both, "operations": {"STEP": 2}, "checkpoints": 4}
