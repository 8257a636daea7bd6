"""Queue messages in, outcomes on record; only what must come again is handed back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from orders.aws.messages import batch_messages_of, command_of, message_of, messages_in
from orders.domain.backoff import DELIVER, TOLD
from orders.domain.order import AcceptedOrder
from orders.domain.parcels import News, What
from orders.domain.saga import Facts, Outcome, Step
from orders.domain.trace import Trace
from orders.domain.units import Millis
from orders.failures import PermanentFailure, TransientFailure
from orders.flow.consumer import Consumer
from orders.flow.deliver import TAKEN_MAX, Deliver
from orders.handlers.deliver import handle
from orders.ports import Command, Later, Taken
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
        record(reserve(orders[0]), receives=10, name="slow"),
        record(reserve(orders[1]), name="good"),
    )
    assert again == ["slow"]
    assert bench.inbox.postponed == {"receipt of slow": 7}


class TestTaken:
    """A downstream has taken a command and decides it later."""

    def bench(
        self, *answers: Outcome | Later, asked: Sequence[Outcome | Later | None] = ()
    ) -> Bench:
        given = iter(answers)
        bench = Bench(lambda _: next(given))
        told = iter(asked)
        bench.downstream.decides = lambda _: next(told)
        return bench

    def message(self, order: AcceptedOrder, at: int = NOW, ask: str | None = "/jobs/1") -> str:
        command = Command(order.key, Step.RESERVE, order.order)
        return message_of(replace(command, taken=Taken(Millis(at), ask)))

    def facts(self, bench: Bench, order: AcceptedOrder) -> Facts:
        return bench.orders.facts(order.key)

    def test_it_waits_with_a_note_of_that_and_with_nothing_written(self) -> None:
        bench = self.bench(Later("/jobs/1"))
        order = bench.order()
        assert bench.handle(record(reserve(order), receives=5)) == []
        assert bench.inbox.requeued == [(self.message(order), 1)]
        assert [line["outcome"] for line in bench.log.lines] == ["taken"]
        assert self.facts(bench, order) == Facts()

    def test_one_of_a_batch_is_requeued_together_with_what_else_comes_back(self) -> None:
        orders: list[AcceptedOrder] = []

        def answer(command: Command) -> Outcome | Later:
            if command.key == orders[0].key:
                return Later("/jobs/1")
            if command.key == orders[1].key:
                raise TransientFailure("POST /reservations: answered 503")
            return done(command)

        bench = Bench(answer)
        orders += [bench.order() for _ in range(3)]
        [batch] = batch_messages_of([*map(reserve, orders)], 3)
        assert bench.handle(record(batch)) == []
        assert bench.inbox.requeued == [(self.message(orders[0]), 1), (reserve(orders[1]), 1)]

    def test_it_is_asked_for_where_its_downstream_said_and_recorded_when_it_is_decided(
        self,
    ) -> None:
        bench = self.bench(asked=[Later(), Outcome(NOW, reference="RES-1")])
        order = bench.order()
        assert bench.handle(record(self.message(order), receives=3)) == ["message-1"]
        assert bench.inbox.postponed == {"receipt of message-1": 4}
        assert bench.handle(record(self.message(order), receives=4)) == []
        assert bench.downstream.asked_at == ["/jobs/1", "/jobs/1"]
        assert (bench.downstream.asked, bench.inbox.requeued) == ([], [])
        assert self.facts(bench, order).done(Step.RESERVE)

    def test_it_is_given_again_under_its_key_where_nothing_is_known_of_it(self) -> None:
        bench = self.bench(Later("/jobs/1"), Later("/jobs/2"), asked=[None, None])
        order = bench.order()
        assert bench.handle(record(self.message(order))) == ["message-1"]
        assert bench.inbox.requeued == []
        assert bench.handle(record(self.message(order))) == []
        [(body, _)] = bench.inbox.requeued
        assert command_of(body).taken == Taken(NOW, "/jobs/2", times=2)

    def test_a_downstream_that_always_names_another_place_does_not_make_messages_for_ever(
        self,
    ) -> None:
        bench = self.bench(*(Later(f"/jobs/{n}") for n in range(20)), asked=[None] * 20)
        body = reserve(bench.order())
        for _ in range(20):
            bench.handle(record(body))
            body = bench.inbox.requeued[-1][0]
        assert len(bench.inbox.requeued) == TAKEN_MAX
        assert len(bench.downstream.asked) == 20

    def test_it_is_over_when_its_outcome_is_on_record_and_nobody_is_asked(self) -> None:
        bench = self.bench()
        order = bench.order()
        bench.orders.record(order.key, {Step.RESERVE: Outcome(NOW)})
        assert bench.handle(record(self.message(order))) == []
        assert (bench.downstream.asked, bench.downstream.asked_at) == ([], [])
        assert bench.log.lines == []

    def test_what_it_answers_when_asked_may_contradict_what_is_on_record(self) -> None:
        """Its message and its answer cross: the first stays, and a person sees the other."""
        bench = self.bench(asked=[Outcome(NOW, refusal="out_of_stock")])
        order = bench.order()
        deliver = bench.deliver

        def decides(_: str | None) -> Outcome:
            bench.orders.record(order.key, {Step.RESERVE: Outcome(NOW)})
            return Outcome(NOW, refusal="out_of_stock")

        bench.downstream.decides = decides
        assert bench.handle(record(self.message(order))) == []
        assert bench.inbox.dead_letters[0][0] == self.message(order)
        assert [line["outcome"] for line in bench.log.lines] == ["contradicted"]
        assert deliver.orders.facts(order.key).done(Step.RESERVE)

    def test_who_sends_what_it_decides_is_asked_later(self) -> None:
        bench = self.bench(Later())
        bench.deliver = replace(bench.deliver, asks=TOLD)
        order = bench.order()
        bench.handle(record(reserve(order)))
        assert bench.inbox.requeued == [(self.message(order, ask=None), 30)]


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


def test_the_refund_of_a_return_is_as_old_as_the_return_and_settles_nothing() -> None:
    """So no alarm rings at its first failure, and no order seems to have settled in weeks."""
    answers: list[Outcome] = []

    def answer(_: Command) -> Outcome:
        if not answers:
            raise TransientFailure("POST /refunds: answered 503")
        return answers[0]

    bench = Bench(answer)
    order = replace(accepted(), accepted_at=Millis(NOW - 9_000_000))
    bench.orders.place(order)
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        bench.orders.record(order.key, {step: Outcome(order.accepted_at)})
    bench.orders.record_news(order.key, News("1", What.RETURNED, Millis(NOW - 30_000), parcels=1))
    refund = message_of(Command(order.key, Step.REFUND))
    bench.handle(record(refund))
    answers.append(Outcome(NOW))
    bench.handle(record(refund))
    failed, done = bench.log.lines
    assert (failed["unsettled_s"], failed["half_done_s"]) == (30, 30)
    assert (done["outcome"], done["status"], done["settle_ms"]) == ("done", "confirmed", None)


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
