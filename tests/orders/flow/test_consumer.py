"""A message is done, comes back after a wait, or moves to the dead-letter queue."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orders.domain.backoff import DELIVER, Backoff
from orders.failures import Contradiction, Misconfigured, PermanentFailure, TransientFailure
from orders.flow.consumer import Consumer, Handle, RetryLater
from orders.ports import Message
from simulation.world.runtime import MemoryInbox, MemoryLog, SetClock
from tests.builders import NOW, order_key


class TiredInbox(MemoryInbox):
    def postpone(self, receipt: str, seconds: int) -> None:
        raise TransientFailure(f"can't postpone {receipt} by {seconds}")


class FullInbox(MemoryInbox):
    def requeue(self, messages: Sequence[tuple[str, int]]) -> None:
        raise TransientFailure(f"{len(messages)} not taken")


class Bench:
    def __init__(self, inbox: MemoryInbox | None = None, backoff: Backoff = DELIVER) -> None:
        self.inbox, self.log = inbox or MemoryInbox(), MemoryLog()
        self.consumer = Consumer(
            "deliver", self.inbox, SetClock(NOW), lambda: 0.0, self.log, backoff
        )

    def is_done(self, handle: Handle, attempt: int = 1) -> bool:
        message = Message("message-1", "the message", attempt, "receipt-1")
        return self.consumer.process(message, handle, begin_by=NOW).done

    def come_back(self, messages: Sequence[Message], handle: Handle) -> list[str]:
        """The ids of the messages that come back."""
        response = self.consumer.consume(messages, handle)
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def raising(failure: Exception) -> Handle:
    def handle(_: Message) -> str:
        raise failure

    return handle


def test_what_is_done_can_go() -> None:
    bench = Bench()
    assert bench.is_done(lambda _: "done")
    assert bench.log.lines == [
        {"step": "deliver", "outcome": "done", "attempt": None, "duration_ms": 0}
    ]


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (4, 2), (10, 7), (200, 90)])
def test_an_unknown_outcome_comes_again_ever_less_often(attempt: int, seconds: int) -> None:
    bench = Bench()
    assert not bench.is_done(raising(TransientFailure("timed out")), attempt)
    assert bench.inbox.postponed == {"receipt-1": seconds}
    assert bench.log.lines[0]["outcome"] == "postponed"
    assert bench.log.lines[0]["detail"] == "timed out"


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (200, 90)])
def test_an_answer_about_configuration_waits_as_well_under_a_word_of_its_own(
    attempt: int, seconds: int
) -> None:
    bench = Bench()
    assert not bench.is_done(raising(Misconfigured("POST /reservations: answered 401")), attempt)
    assert bench.inbox.postponed == {"receipt-1": seconds}
    assert bench.inbox.dead_letters == []
    [line] = bench.log.lines
    assert (line["outcome"], line["detail"]) == (
        "misconfigured",
        "POST /reservations: answered 401",
    )


def test_what_is_merely_early_comes_again_and_is_logged_under_its_own_word() -> None:
    bench = Bench(backoff=Backoff(900, 14_400))
    assert not bench.is_done(raising(RetryLater("stuck")), attempt=2)
    assert bench.inbox.postponed == {"receipt-1": 900}
    assert bench.log.lines[0]["outcome"] == "stuck"


def test_another_message_may_come_in_its_place_with_waits_and_attempts_of_its_own() -> None:
    bench = Bench()
    replaced = RetryLater("taken", backoff=Backoff(60, 900), body="taken already")
    assert bench.is_done(raising(replaced), attempt=5)
    assert bench.inbox.requeued == [("taken already", 30)]
    assert bench.inbox.postponed == {}
    assert bench.log.lines[0]["outcome"] == "taken"


def test_a_message_stays_where_none_can_be_sent_in_its_place() -> None:
    bench = Bench(FullInbox())
    assert not bench.is_done(raising(RetryLater("taken", body="taken already")))
    assert bench.log.lines[0]["outcome"] == "unavailable"


def test_a_consumer_may_have_a_shorter_longest_wait() -> None:
    bench = Bench(backoff=Backoff(2, 60))
    bench.is_done(raising(TransientFailure("throttled")), attempt=50)
    assert bench.inbox.postponed == {"receipt-1": 30}


def test_a_broken_contract_is_dead_lettered_at_once_with_its_reason() -> None:
    bench = Bench()
    assert bench.is_done(raising(PermanentFailure("answered 400")))
    assert bench.inbox.dead_letters == [("the message", "answered 400")]
    assert bench.log.lines[0]["outcome"] == "dead_lettered"


def test_a_message_that_cannot_even_be_postponed_stays_with_its_queue() -> None:
    bench = Bench(TiredInbox())
    assert not bench.is_done(raising(TransientFailure("timed out")))
    assert bench.log.lines[0]["outcome"] == "unavailable"


def test_a_bug_stays_with_its_queue_and_shows_no_data() -> None:
    bench = Bench()
    assert not bench.is_done(raising(KeyError("1 High Street, Leeds")))
    assert bench.log.lines[0]["outcome"] == "bug"
    assert str(bench.log.lines[0]["error"]).startswith("KeyError at handle")
    assert "High Street" not in str(bench.log.lines)


def test_what_tells_nothing_new_is_no_line() -> None:
    bench = Bench()
    assert bench.is_done(lambda _: None)
    assert bench.log.lines == []


def test_a_contradiction_is_dead_lettered_under_a_word_of_its_own() -> None:
    bench = Bench()
    assert bench.is_done(raising(Contradiction("done and refused")))
    assert bench.inbox.dead_letters == [("the message", "done and refused")]
    assert bench.log.lines[0]["outcome"] == "contradicted"


def test_an_order_is_named_in_the_log_only_by_what_is_an_order_id() -> None:
    bench = Bench()

    def handle(message: Message) -> str:
        message.log |= order_key("customer-ada", "Ada Fletcher").in_logs
        return "done"

    bench.is_done(handle)
    [line] = bench.log.lines
    assert line["order_id"] is None
    assert "Ada" not in str(line)


def batch(*bodies: str, attempt: int = 1) -> Message:
    return Message("batch", "the batch message", attempt, "receipt of batch", bodies)


class TestBatchMessage:
    def test_is_handled_message_by_message_and_gone_when_all_are_done(self) -> None:
        bench, handled = Bench(), []

        def handle(message: Message) -> str:
            handled.append((message.body, message.attempt))
            return "done"

        assert bench.come_back([batch("a", "b")], handle) == []
        assert handled == [("a", 1), ("b", 1)]
        assert bench.inbox.requeued == []
        assert [line["outcome"] for line in bench.log.lines] == ["done", "done"]

    def test_requeues_what_is_not_done_and_nothing_else(self) -> None:
        bench = Bench()

        def handle(message: Message) -> str:
            match message.body:
                case "slow":
                    raise TransientFailure("timed out")
                case "odd":
                    raise KeyError
                case "early":
                    raise RetryLater("stuck")
                case "locked out":
                    raise Misconfigured("answered 401")
                case "broken":
                    raise PermanentFailure("answered 400")
            return "done"

        messages = [batch("good", "slow", "odd", "early", "locked out", "broken")]
        assert bench.come_back(messages, handle) == []
        waiting = ["slow", "odd", "early", "locked out"]
        assert bench.inbox.requeued == [(body, 1) for body in waiting]
        assert bench.inbox.dead_letters == [("broken", "answered 400")]
        assert bench.inbox.postponed == {}

    def test_comes_back_when_its_queue_does_not_take_the_rest(self) -> None:
        bench = Bench(FullInbox())
        slow = raising(TransientFailure("timed out"))
        assert bench.come_back([batch("a", "b")], slow) == ["batch"]
        assert bench.inbox.postponed == {"receipt of batch": 1}
        assert bench.log.lines[-1]["detail"] == "2 not taken"

    def test_that_comes_back_is_split_without_being_handled(self) -> None:
        bench = Bench()
        handle = raising(AssertionError("it was handled"))
        assert bench.come_back([batch("a", "b", attempt=2)], handle) == []
        assert bench.inbox.requeued == [("a", 0), ("b", 0)]
        [line] = bench.log.lines
        assert (line["outcome"], line["messages"]) == ("split", 2)

    def test_that_cannot_be_split_comes_back(self) -> None:
        bench = Bench(FullInbox())
        again = batch("a", attempt=7)
        assert bench.come_back([again], raising(AssertionError())) == ["batch"]

    def test_lets_single_messages_go_first(self) -> None:
        bench, handled = Bench(), []

        def handle(message: Message) -> str:
            handled.append(message.body)
            if message.body == "alone":
                raise TransientFailure("timed out")
            return "done"

        messages = [batch("a", "b"), Message("1", "alone", 10, "receipt-1"), batch("c", "d")]
        assert bench.come_back(messages, handle) == ["1"]
        assert handled == ["alone", "a", "b", "c", "d"]
        assert bench.inbox.postponed == {"receipt-1": 7}
