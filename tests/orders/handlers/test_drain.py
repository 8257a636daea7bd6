"""The overflow queue's batches: one after the other, and none once the table is tired."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orders.aws.messages import overflow_message_of
from orders.domain.backoff import DRAIN
from orders.domain.order import AcceptedOrder, VoidId
from orders.domain.units import Millis
from orders.failures import TransientFailure
from orders.flow.consumer import Consumer
from orders.flow.drain import Drain
from orders.handlers.drain import handle
from simulation.world.runtime import MemoryInbox, MemoryLog, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import NOW, accepted, line
from tests.orders.handlers.test_deliver import record


class TiringOrders(MemoryOrders):
    """Takes so many orders, then throttles."""

    def __init__(self, takes: int) -> None:
        super().__init__()
        self.takes = takes
        self.asked: list[AcceptedOrder] = []

    def place(self, order: AcceptedOrder) -> AcceptedOrder | VoidId | None:
        self.asked.append(order)
        if len(self.asked) > self.takes:
            raise TransientFailure("PutItem: ThrottlingException")
        return super().place(order)


class Bench:
    def __init__(self, takes: int = 1_000) -> None:
        self.orders, self.inbox, self.log = TiringOrders(takes=takes), MemoryInbox(), MemoryLog()
        self.consumer = Consumer("drain", self.inbox, SetClock(NOW), lambda: 0.0, self.log, DRAIN)

    def handle(self, *records: dict[str, Any]) -> list[str]:
        """The ids of the messages that are to come again."""
        answer = handle({"Records": list(records)}, self.consumer, Drain(self.orders))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_good_order_is_placed_and_a_poison_message_is_dead_lettered() -> None:
    bench = Bench()
    order = accepted()
    assert bench.handle(record("{", name="poison"), record(overflow_message_of(order))) == []
    assert bench.orders.find(order.key) == order
    assert bench.inbox.dead_letters == [("{", "not an order: DecodeError")]
    assert [line_["outcome"] for line_ in bench.log.lines] == ["dead_lettered", "placed"]


def test_a_clash_is_dead_lettered_with_its_reason_and_changes_nothing() -> None:
    bench = Bench()
    first = accepted()
    second = overflow_message_of(accepted(first.key, lines=[line(quantity=9)]))
    bench.orders.place(first)
    assert bench.handle(record(second)) == []
    assert bench.inbox.dead_letters == [(second, "the order id already holds another order")]
    assert bench.orders.find(first.key) == first


def test_the_first_throttle_leaves_the_rest_of_the_batch_for_later() -> None:
    bench = Bench(takes=1)
    orders = [accepted() for _ in range(4)]
    messages = [
        record(overflow_message_of(order), receives=3, name=f"m{n}")
        for n, order in enumerate(orders)
    ]
    assert bench.handle(*messages) == ["m1", "m2", "m3"]
    assert bench.orders.asked == orders[:2]
    assert bench.inbox.postponed == {f"receipt of m{n}": 4 for n in (1, 2, 3)}


def test_every_order_that_is_left_for_later_tells_its_age() -> None:
    bench = Bench(takes=0)
    orders = [replace(accepted(), accepted_at=Millis(NOW - age * 1_000)) for age in (90, 3_600)]
    bench.handle(*(record(overflow_message_of(order)) for order in orders))
    assert [line_["buffered_s"] for line_ in bench.log.lines] == [90, 3_600]
