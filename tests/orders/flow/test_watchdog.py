"""watchdog sends again what is lost, and nothing that is merely late."""

from __future__ import annotations

import pytest

from orders.domain.events import EventType
from orders.domain.order import OrderKey
from orders.domain.saga import Outcome, Step
from orders.failures import TransientFailure
from orders.flow.watchdog import Checked, Watchdog
from orders.ports import Watch
from simulation.world.outside import (
    MemoryBacklogs,
    MemoryCommands,
    MemoryEvents,
    MemoryWatches,
)
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, NOW, accepted, order_id


class Bench:
    def __init__(self, *done: Step) -> None:
        self.orders, self.backlogs = MemoryOrders(), MemoryBacklogs()
        self.commands, self.events = MemoryCommands(), MemoryEvents()
        self.watches = MemoryWatches()
        self.watchdog = Watchdog(
            self.orders, self.backlogs, self.commands, self.events, self.watches
        )
        self.order = accepted()
        self.key = self.order.key
        self.orders.place(self.order)
        for step in done:
            self.orders.record(self.key, step, Outcome(NOW))


def test_a_settled_order_is_left_alone() -> None:
    bench = Bench(Step.RESERVE, Step.SHIP, Step.POST)
    assert bench.watchdog.check(Watch(bench.key)) == Checked("settled")
    assert not bench.commands.sent
    assert not bench.watches.pending
    assert not bench.events.published


def test_what_is_owed_and_waits_nowhere_is_sent_again_and_looked_at_again() -> None:
    bench = Bench(Step.RESERVE, Step.SHIP)
    checked = bench.watchdog.check(Watch(bench.key))
    assert checked == Checked("stuck", owed=[Step.POST], sent=[Step.POST], look_again=True)
    assert [(command.step, command.order) for command in bench.commands.sent] == [
        (Step.POST, bench.order.order)
    ]
    assert bench.watches.pending == []  # the same watch comes again


def test_what_is_being_tried_is_not_multiplied() -> None:
    """Accounting is down: its command waits in the queue, with many others."""
    bench = Bench(Step.RESERVE)
    bench.backlogs.waiting["accounting"] = 7
    checked = bench.watchdog.check(Watch(bench.key))
    assert checked == Checked("stuck", [Step.POST, Step.SHIP], [Step.SHIP], look_again=True)


def test_an_order_whose_relay_never_came_starts_all_the_same() -> None:
    bench = Bench()
    assert bench.watchdog.check(Watch(bench.key)).sent == [Step.RESERVE]


def test_an_operator_who_insists_has_everything_sent_and_announced_again() -> None:
    bench = Bench(Step.RESERVE)
    bench.backlogs.waiting |= {"fulfilment": 1, "accounting": 1}
    checked = bench.watchdog.check(Watch(bench.key, insist=True))
    assert checked == Checked("stuck", [Step.POST, Step.SHIP], [Step.POST, Step.SHIP])
    assert [event.type for event in bench.events.published] == [EventType.ACCEPTED]
    assert bench.watches.pending == [Watch(bench.key)]  # which no longer insists


def test_insisting_on_a_settled_order_announces_its_end_and_commands_nothing() -> None:
    bench = Bench(Step.RESERVE, Step.SHIP, Step.POST)
    assert bench.watchdog.check(Watch(bench.key, insist=True)) == Checked("settled")
    assert [event.type for event in bench.events.published] == [
        EventType.ACCEPTED,
        EventType.CONFIRMED,
    ]
    assert bench.commands.sent == []


def test_an_order_that_is_gone_is_no_longer_watched() -> None:
    bench = Bench()
    assert bench.watchdog.check(Watch(OrderKey(CUSTOMER, order_id()))) == Checked("gone")
    assert bench.watches.pending == []


def test_a_watch_is_kept_when_its_commands_could_not_be_sent() -> None:
    bench = Bench()
    bench.commands.failing = True
    with pytest.raises(TransientFailure):
        bench.watchdog.check(Watch(bench.key))
    assert bench.watches.pending == []
