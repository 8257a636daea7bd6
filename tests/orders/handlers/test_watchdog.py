"""The watchdog's batches: of checks, and of the table's changes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from orders.aws.messages import batch_messages_of, check_message_of, messages_in
from orders.domain.backoff import Backoff
from orders.domain.order import OrderKey
from orders.domain.parcels import WHOLE_ORDER, News, What
from orders.domain.saga import Facts, Outcome, Step
from orders.domain.units import Millis
from orders.failures import PermanentFailure, TransientFailure
from orders.flow.consumer import Consumer
from orders.flow.watch import Watch
from orders.flow.watchdog import Watchdog
from orders.handlers.watchdog import handle
from orders.ports import Check
from simulation.world.runtime import (
    MemoryBacklogs,
    MemoryChangeDeadLetters,
    MemoryChecks,
    MemoryCommands,
    MemoryEvents,
    MemoryInbox,
    MemoryLog,
    SetClock,
)
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, NOW, accepted, order_key
from tests.orders.handlers.test_deliver import record
from tests.orders.handlers.test_relay import placed, progressed


class Bench:
    def __init__(self) -> None:
        self.orders, self.commands, self.log = MemoryOrders(), MemoryCommands(), MemoryLog()
        self.inbox = MemoryInbox()
        self.watchdog = Watchdog(
            self.orders,
            MemoryBacklogs(),
            self.commands,
            MemoryEvents(),
            MemoryChecks(),
            self.orders.coupons,
            SetClock(NOW),
        )
        self.checks, self.dead_letters = MemoryChecks(), MemoryChangeDeadLetters()
        self.consumer = Consumer(
            "watchdog",
            self.inbox,
            SetClock(NOW),
            lambda: 0.0,
            self.log,
            Backoff(900, 14_400),
            unbatch=messages_in,
        )

    def handle(self, *records: dict[str, Any]) -> dict[str, Any] | None:
        watch = Watch(self.checks, self.dead_letters)
        return handle({"Records": list(records)}, self.consumer, self.watchdog, watch)


def test_a_stuck_order_is_looked_at_again_and_a_poison_message_is_dead_lettered() -> None:
    bench = Bench()
    order = accepted()
    bench.orders.place(order)
    messages = [record("[]", name="poison"), record(check_message_of(Check(order.key)))]
    assert bench.handle(*messages) == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    assert bench.inbox.postponed == {"receipt of message-1": 450}
    assert bench.inbox.dead_letters == [("[]", "not a check: ValidationError")]
    assert [command.step for command in bench.commands.sent] == [Step.RESERVE]
    stuck = bench.log.lines[1]
    assert (stuck["outcome"], stuck["owed"], stuck["sent"]) == ("stuck", ["reserve"], ["reserve"])


def test_a_check_of_what_is_no_order_id_is_finished_and_stops_no_other_of_its_batch() -> None:
    bench = Bench()
    order = accepted()
    bench.orders.place(order)
    checks = [Check(order_key(CUSTOMER, "Zaphira")), Check(order.key)]
    messages = [record(check_message_of(check), name=str(n)) for n, check in enumerate(checks)]
    assert bench.handle(*messages) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert [line["outcome"] for line in bench.log.lines] == ["gone", "stuck"]


def test_a_watch_that_fails_comes_again() -> None:
    bench = Bench()
    order = accepted()
    bench.orders.place(order)
    bench.commands.failing = True
    message = record(check_message_of(Check(order.key)), name="m1")
    assert bench.handle(message) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_a_stuck_order_tells_its_age_and_whether_it_is_half_done() -> None:
    bench = Bench()
    new, begun, returned = accepted(), accepted(), accepted()
    for order in (new, begun, returned):
        bench.orders.place(order)
    bench.orders.record(begun.key, {Step.RESERVE: Outcome(Millis(NOW - 60_000))})
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        bench.orders.record(returned.key, {step: Outcome(Millis(NOW - 9_000_000))})
    back = News(WHOLE_ORDER, What.RETURNED, Millis(NOW - 30_000))
    bench.orders.record_news(returned.key, back)
    bench.handle(*(record(check_message_of(Check(order.key))) for order in (new, begun, returned)))
    told = [(line["status"], line["unsettled_s"], line["half_done_s"]) for line in bench.log.lines]
    assert told == [("accepted", 0, None), ("accepted", 60, 60), ("confirmed", 30, 30)]


def test_an_order_that_has_settled_is_no_line() -> None:
    bench = Bench()
    order = accepted()
    bench.orders.place(order)
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        bench.orders.record(order.key, {step: Outcome(NOW)})
    bench.handle(record(check_message_of(Check(order.key))))
    assert bench.log.lines == []


def test_of_many_watches_in_one_only_those_of_unsettled_orders_go_on() -> None:
    bench = Bench()
    settled, stuck, poison = accepted(), accepted(), '{"order_id":7}'
    for order in (settled, stuck):
        bench.orders.place(order)
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        bench.orders.record(settled.key, {step: Outcome(NOW)})
    bodies = [check_message_of(Check(order.key)) for order in (settled, stuck)]
    [batch] = batch_messages_of([*bodies, poison], 3)
    assert bench.handle(record(batch)) == {"batchItemFailures": []}
    assert bench.inbox.requeued == [(bodies[1], 450)]
    assert bench.inbox.dead_letters == [(poison, "not a check: ValidationError")]
    assert [line["outcome"] for line in bench.log.lines] == ["stuck", "dead_lettered"]


RESERVED = Facts({Step.RESERVE: Outcome(NOW)})
CONFIRMED = Facts({step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)})


def test_of_a_batch_of_changes_only_the_orders_that_have_not_settled_get_a_check() -> None:
    bench = Bench()
    settled, stuck = accepted(), accepted()
    bench.handle(
        placed(settled),
        placed(stuck),
        progressed(settled, Facts(), RESERVED),
        progressed(settled, RESERVED, CONFIRMED),
    )
    assert bench.checks.pending == [Check(stuck.key)]
    assert bench.log.lines == []


def test_an_order_whose_change_cannot_be_read_is_checked_whatever_it_says() -> None:
    bench = Bench()
    unread, order = accepted(), accepted()
    poison = placed(unread)
    poison["dynamodb"]["NewImage"]["content"] = {"B": base64.b64encode(b"?").decode()}
    bench.handle(poison, placed(order))
    assert bench.checks.pending == [Check(unread.key), Check(order.key)]
    [line] = bench.log.lines
    assert (line["outcome"], line["order_id"]) == ("unread", unread.key.order_id)


def test_a_batch_whose_checks_could_not_be_set_raises_so_that_the_stream_brings_it_again() -> None:
    bench = Bench()
    bench.checks.failing = True
    with pytest.raises(TransientFailure):
        bench.handle(placed(accepted()))
    [line] = bench.log.lines
    assert (line["step"], line["outcome"], line["records"]) == ("watchdog", "unsent", 1)


class TakesNone(MemoryChecks):
    """Never takes a check of one order."""

    hopeless: OrderKey | None = None

    def set(self, checks: Sequence[Check]) -> None:
        if any(check.key == self.hopeless for check in checks):
            raise PermanentFailure("SendMessageBatch: 1 not taken (InvalidMessageContents)")
        super().set(checks)


def test_a_check_that_its_queue_will_never_take_is_dead_lettered_and_holds_up_no_other() -> None:
    bench, orders = Bench(), [accepted() for _ in range(3)]
    bench.checks = TakesNone()
    bench.checks.hopeless = orders[1].key
    bench.handle(*map(placed, orders))
    assert {check.key for check in bench.checks.pending} == {orders[0].key, orders[2].key}
    [(key, reason)] = bench.dead_letters.dead_letters
    assert (key, "InvalidMessageContents" in reason) == (orders[1].key, True)
    [line] = bench.log.lines
    assert (line["step"], line["outcome"]) == ("watchdog", "dead_lettered")
