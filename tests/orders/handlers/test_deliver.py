"""Queue messages in, outcomes on record; only what must come again is handed back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from orders.aws.messages import batch_messages_of, message_of, messages_in
from orders.domain.backoff import DELIVER
from orders.domain.order import AcceptedOrder
from orders.domain.saga import Facts, Outcome, Step
from orders.domain.trace import Trace
from orders.domain.units import Millis
from orders.failures import PermanentFailure, TransientFailure
from orders.flow.consumer import Consumer
from orders.flow.deliver import Deliver
from orders.handlers.deliver import handle
from orders.ports import Command, Later
from orders.wiring import CONCURRENT_MAX
from simulation.world.runtime import AnsweringDownstream, MemoryInbox, MemoryLog, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import NOW, accepted


def record(body: str, receives: int = 1, name: str = "message-1") -> dict[str, Any]:
    """As Lambda hands it over: recorded from SQS, with this test's body in it."""
    return {
        "messageId": name,
        "receiptHandle": f"receipt of {name}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": str(NOW),
            "SenderId": "AROAEXAMPLE:spillway-dev-relay",
            "ApproximateFirstReceiveTimestamp": str(NOW + 3),
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:spillway-dev-inventory",
        "awsRegion": "eu-west-1",
    }


class Bench:
    def __init__(self, answer: Callable[[Command], Outcome | Later]) -> None:
        self.orders, self.inbox, self.log = MemoryOrders(), MemoryInbox(), MemoryLog()
        self.downstream = AnsweringDownstream(answer)
        self.deliver = Deliver(
            self.orders, self.downstream, "inventory", SetClock(NOW), turns_ms=5_000
        )
        self.consumer = Consumer(
            "deliver",
            self.inbox,
            SetClock(NOW),
            lambda: 0.0,
            self.log,
            DELIVER,
            concurrent_map=ThreadPoolExecutor(CONCURRENT_MAX).map,
            unbatch=messages_in,
        )

    def order(self) -> AcceptedOrder:
        order = accepted()
        self.orders.place(order)
        return order

    def handle(self, *records: dict[str, Any]) -> list[str]:
        """The ids of the messages that are to come again."""
        answer = handle({"Records": list(records)}, self.consumer, self.deliver)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def reserve(order: AcceptedOrder) -> str:
    return message_of(Command(order.key, Step.RESERVE, order.order))


def done(_: Command) -> Outcome:
    return Outcome(NOW, reference="RES-1")


def test_a_good_message_is_delivered_and_a_poison_one_is_dead_lettered() -> None:
    bench = Bench(done)
    order = bench.order()
    again = bench.handle(record("{not a command", name="poison"), record(reserve(order)))
    assert again == []
    assert bench.inbox.dead_letters == [("{not a command", "not a command: DecodeError")]
    progress = bench.orders.progress(order.key)
    assert progress is not None
    assert progress.facts.done(Step.RESERVE)


def test_only_the_message_with_the_unknown_outcome_comes_again() -> None:
    orders: list[AcceptedOrder] = []

    def answer(command: Command) -> Outcome:
        if command.key == orders[0].key:
            raise TransientFailure("/reservations: ReadTimeoutError")
        return done(command)

    bench = Bench(answer)
    orders += [bench.order(), bench.order()]
    again = bench.handle(
        record(reserve(orders[0]), receives=3, name="slow"), record(reserve(orders[1]), name="good")
    )
    assert again == ["slow"]
    assert bench.inbox.postponed == {"receipt of slow": 4}


def test_a_step_that_is_decided_later_comes_again_and_has_no_outcome() -> None:
    bench = Bench(lambda _: Later())
    order = bench.order()
    assert bench.handle(record(reserve(order), receives=3)) == ["message-1"]
    assert bench.inbox.postponed == {"receipt of message-1": 4}
    assert [line["outcome"] for line in bench.log.lines] == ["taken"]
    progress = bench.orders.progress(order.key)
    assert progress is not None
    assert progress.facts == Facts()


def test_a_bug_in_one_message_leaves_its_neighbours_alone() -> None:
    orders: list[AcceptedOrder] = []

    def answer(command: Command) -> Outcome:
        if command.key == orders[0].key:
            raise KeyError("1 High Street, Leeds")
        return done(command)

    bench = Bench(answer)
    orders += [bench.order(), bench.order()]
    assert bench.handle(
        record(reserve(orders[0]), name="odd"), record(reserve(orders[1]), name="good")
    ) == ["odd"]
    [bug] = [line for line in bench.log.lines if line["outcome"] == "bug"]
    assert str(bug["error"]).startswith("KeyError at answer")
    assert "High Street" not in str(bench.log.lines)


def test_a_broken_contract_is_dead_lettered_and_its_message_goes() -> None:
    def answer(_: Command) -> Outcome:
        raise PermanentFailure("/reservations: answered 400")

    bench = Bench(answer)
    message = reserve(bench.order())
    assert bench.handle(record(message)) == []
    assert bench.inbox.dead_letters == [(message, "/reservations: answered 400")]


def test_a_full_batch_is_delivered_side_by_side() -> None:
    together = threading.Barrier(CONCURRENT_MAX, timeout=10)

    def answer(command: Command) -> Outcome:
        together.wait()  # passes only when all ten calls are under way at once
        return done(command)

    bench = Bench(answer)
    messages = [record(reserve(bench.order()), name=f"m{n}") for n in range(CONCURRENT_MAX)]
    assert bench.handle(*messages) == []


def test_each_delivery_is_one_line_in_the_log() -> None:
    bench = Bench(done)
    order = bench.order()
    bench.handle(record(reserve(order), receives=2))
    assert bench.log.lines == [
        {
            "step": "deliver",
            "outcome": "done",
            "command": "reserve",
            "order_id": order.key.order_id,
            "customer": order.key.customer_hash,
            "attempt": 2,
            "trace": None,
            "reason": None,
            "express": None,
            "status": None,
            "settle_ms": None,
            "duration_ms": 0,
        }
    ]


def test_a_delivery_that_fails_tells_the_order_s_age_and_whether_it_is_half_done() -> None:
    def answer(_: Command) -> Outcome:
        raise TransientFailure("POST /shipments: answered 503")

    bench = Bench(answer)
    order = replace(accepted(), accepted_at=Millis(NOW - 60_000))
    bench.orders.place(order)
    ship = message_of(Command(order.key, Step.SHIP))
    bench.handle(record(reserve(bench.order())), record(ship))
    lines = sorted(bench.log.lines, key=lambda line: str(line["command"]))
    assert [(line["unsettled_s"], line["half_done_s"]) for line in lines] == [(0, None), (60, 60)]


def test_the_delivery_that_settles_an_order_tells_so() -> None:
    bench = Bench(lambda _: Outcome(Millis(NOW + 1_500)))
    order = bench.order()
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        bench.handle(record(message_of(Command(order.key, step))))
    assert [line["status"] for line in bench.log.lines] == [None, None, "confirmed"]
    assert bench.log.lines[-1]["settle_ms"] == 1_500


def test_a_trace_that_the_client_named_is_in_the_line_and_goes_to_the_downstream() -> None:
    bench = Bench(done)
    trace = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
    order = replace(accepted(), trace=trace)
    bench.orders.place(order)
    bench.handle(record(message_of(Command(order.key, Step.RELEASE))))
    assert bench.log.lines[0]["trace"] == trace.trace_id
    assert bench.downstream.asked[0].trace == trace


def test_one_command_of_a_batch_that_fails_goes_on_by_itself_and_its_neighbours_are_done() -> None:
    orders: list[AcceptedOrder] = []

    def answer(command: Command) -> Outcome:
        if command.key == orders[1].key:
            raise TransientFailure("POST /reservations: answered 503")
        return done(command)

    bench = Bench(answer)
    orders += [bench.order() for _ in range(3)]
    [batch] = batch_messages_of([*map(reserve, orders)], 3)
    assert bench.handle(record(batch), record(reserve(bench.order()), name="alone")) == []
    assert bench.inbox.requeued == [(reserve(orders[1]), 1)]
    assert [line["outcome"] for line in bench.log.lines].count("done") == 3


def test_a_batch_s_command_that_cannot_be_read_is_a_dead_letter_by_itself() -> None:
    bench = Bench(done)
    order = bench.order()
    assert bench.handle(record(f'{{"batch":[{{"step":"fly"}},{reserve(order)}]}}')) == []
    assert bench.inbox.dead_letters == [('{"step":"fly"}', "not a command: ValidationError")]
    assert bench.downstream.asked[0].key == order.key


def test_a_batch_s_commands_that_had_no_turn_in_time_are_left_for_later() -> None:
    """The function's own time would end with them under way, and bring the whole batch again."""
    clock = SetClock(NOW)

    def slow(command: Command) -> Outcome:
        clock.milliseconds += 2_600
        return done(command)

    bench = Bench(slow)
    consumer = replace(bench.consumer, clock=clock, concurrent_map=map)
    orders = [bench.order() for _ in range(5)]
    [batch] = batch_messages_of([*map(reserve, orders)], 5)
    assert handle({"Records": [record(batch)]}, consumer, bench.deliver) == {
        "batchItemFailures": []
    }
    assert [command.key for command in bench.downstream.asked] == [each.key for each in orders[:2]]
    assert bench.inbox.requeued == [(reserve(each), 1) for each in orders[2:]]
    assert {line["detail"] for line in bench.log.lines[2:]} == {"left for later"}
