"""The watchdog's batches."""

from __future__ import annotations

from typing import Any

from orders.aws.messages import batch_messages_of, check_message_of, messages_in
from orders.domain.backoff import Backoff
from orders.domain.saga import Outcome, Step
from orders.domain.units import Millis
from orders.flow.consumer import Consumer
from orders.flow.watchdog import Watchdog
from orders.handlers.watchdog import handle
from orders.ports import Check
from simulation.world.runtime import (
    MemoryBacklogs,
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
        )
        self.consumer = Consumer(
            "watchdog",
            self.inbox,
            SetClock(NOW),
            lambda: 0.0,
            self.log,
            Backoff(900, 14_400),
            unbatch=messages_in,
        )

    def handle(self, *records: dict[str, Any]) -> dict[str, Any]:
        return handle({"Records": list(records)}, self.consumer, self.watchdog)


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
    new, begun = accepted(), accepted()
    for order in (new, begun):
        bench.orders.place(order)
    bench.orders.record(begun.key, {Step.RESERVE: Outcome(Millis(NOW - 60_000))})
    bench.handle(*(record(check_message_of(Check(order.key))) for order in (new, begun)))
    told = [(line["status"], line["unsettled_s"], line["half_done_s"]) for line in bench.log.lines]
    assert told == [("accepted", 0, None), ("accepted", 60, 60)]


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
