"""watchdog sends again what is lost, and nothing that is merely late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.domain.coupon_limits import Use
from orders.domain.events import EventType
from orders.domain.order import OrderKey
from orders.domain.saga import Outcome, Step
from orders.failures import TransientFailure
from orders.flow.watchdog import Checked, Watchdog
from orders.ports import Check, Command
from simulation.world.runtime import (
    MemoryBacklogs,
    MemoryChecks,
    MemoryCommands,
    MemoryEvents,
    SetClock,
)
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, NOW, a_coupon, accepted, order_id

SETTLED = (Step.RESERVE, Step.SHIP, Step.POST)


class Bench:
    def __init__(self, *done: Step) -> None:
        self.orders, self.backlogs = MemoryOrders(), MemoryBacklogs()
        self.commands, self.events = MemoryCommands(), MemoryEvents()
        self.checks, self.clock = MemoryChecks(), SetClock(NOW)
        self.watchdog = Watchdog(
            self.orders,
            self.backlogs,
            self.commands,
            self.events,
            self.checks,
            self.orders.coupons,
            self.clock,
        )
        self.order = accepted()
        self.key = self.order.key
        self.orders.place(self.order)
        for step in done:
            self.orders.record(self.key, {step: Outcome(NOW)})


def test_a_settled_order_is_left_alone() -> None:
    bench = Bench(Step.RESERVE, Step.SHIP, Step.POST)
    assert bench.watchdog.check(Check(bench.key)) == Checked("settled")
    assert not bench.commands.sent
    assert not bench.checks.pending
    assert not bench.events.published


def test_what_is_owed_and_waits_nowhere_is_sent_again_and_looked_at_again() -> None:
    bench = Bench(Step.RESERVE, Step.SHIP)
    checked = bench.watchdog.check(Check(bench.key))
    assert checked == Checked("stuck", owed=[Step.POST], sent=[Step.POST], look_again=True)
    assert bench.commands.sent == [Command(bench.key, Step.POST)]
    assert bench.checks.pending == []  # the same check comes again


def test_what_is_being_tried_is_not_multiplied() -> None:
    """Accounting is down: its command waits in the queue, with many others."""
    bench = Bench(Step.RESERVE)
    bench.backlogs.waiting["accounting"] = 7
    checked = bench.watchdog.check(Check(bench.key))
    assert checked == Checked("stuck", [Step.POST, Step.SHIP], [Step.SHIP], look_again=True)


def test_a_batch_read_is_enough_for_what_has_settled_and_for_what_is_being_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(Step.RESERVE, Step.SHIP)
    check = Check(bench.key)
    bench.backlogs.waiting["accounting"] = 7
    fetched = bench.watchdog.batch_get_progress([check, check], NOW)
    monkeypatch.setattr(bench.orders, "progress", unread)
    assert bench.watchdog.check(check, fetched[bench.key]) == Checked(
        "stuck", owed=[Step.POST], look_again=True
    )
    settled = replace(fetched[bench.key], outcomes={step: Outcome(NOW) for step in SETTLED})
    assert bench.watchdog.check(check, settled) == Checked("settled")


def test_what_a_batch_read_calls_lost_is_read_again_before_it_is_sent() -> None:
    """The batch read is a moment old: meanwhile accounting has answered."""
    bench = Bench(Step.RESERVE, Step.SHIP)
    fetched = bench.watchdog.batch_get_progress([Check(bench.key)], NOW)
    bench.orders.record(bench.key, {Step.POST: Outcome(NOW)})
    assert bench.watchdog.check(Check(bench.key), fetched[bench.key]) == Checked("settled")
    assert not bench.commands.sent


def test_orders_are_looked_at_one_by_one_when_the_batch_read_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(*SETTLED)
    monkeypatch.setattr(bench.orders, "batch_get_progress", unread)
    assert bench.watchdog.batch_get_progress([Check(bench.key)], NOW) == {}
    assert bench.watchdog.check(Check(bench.key)) == Checked("settled")


def unread(_key: object) -> None:
    raise TransientFailure("the table is not asked")


def test_an_order_whose_relay_never_came_starts_all_the_same() -> None:
    bench = Bench()
    assert bench.watchdog.check(Check(bench.key)).sent == [Step.RESERVE]


def test_an_operator_who_forces_a_check_has_everything_sent_and_announced_again() -> None:
    bench = Bench(Step.RESERVE)
    bench.backlogs.waiting |= {"fulfilment": 1, "accounting": 1}
    checked = bench.watchdog.check(Check(bench.key, force=True))
    assert checked == Checked("stuck", [Step.POST, Step.SHIP], [Step.POST, Step.SHIP])
    assert [event.type for event in bench.events.published] == [EventType.ACCEPTED]
    assert bench.checks.pending == [Check(bench.key)]  # no longer forced


def test_forcing_a_check_of_a_settled_order_announces_its_end_and_commands_nothing() -> None:
    bench = Bench(Step.RESERVE, Step.SHIP, Step.POST)
    assert bench.watchdog.check(Check(bench.key, force=True)) == Checked("settled")
    assert [event.type for event in bench.events.published] == [
        EventType.ACCEPTED,
        EventType.CONFIRMED,
    ]
    assert bench.commands.sent == []


def test_an_order_that_is_gone_is_no_longer_watched() -> None:
    bench = Bench()
    assert bench.watchdog.check(Check(OrderKey(CUSTOMER, order_id()))) == Checked("gone")
    assert bench.checks.pending == []


def test_a_watch_is_kept_when_its_commands_could_not_be_sent() -> None:
    bench = Bench()
    bench.commands.failing = True
    with pytest.raises(TransientFailure):
        bench.watchdog.check(Check(bench.key))
    assert bench.checks.pending == []


@pytest.mark.parametrize("force", [False, True])
def test_it_gives_back_the_coupons_that_relay_did_not(force: bool) -> None:
    bench = Bench()
    order = accepted()
    use = Use(a_coupon("FIRST", limit=1), "FIRST", 0)
    bench.orders.coupons.place(order, [use])
    refused = Outcome(NOW, refusal="out_of_stock")
    bench.orders.record(order.key, {Step.RESERVE: refused})
    fetched = bench.orders.record(order.key, {Step.REFUND: Outcome(NOW)})
    for known in (fetched, None):
        assert bench.watchdog.check(Check(order.key, force=force), known) == Checked("settled")
    assert [item["used"] for item in bench.orders.claimed.items()] == [{"N": "0"}]
