"""A message is attended to, comes again later, or lies where a person sees it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orders.domain.backoff import DELIVER, Backoff
from orders.domain.order import OrderKey
from orders.failures import Contradiction, PermanentFailure, TransientFailure
from orders.flow.desk import Attend, Desk, Message, RetryLater
from simulation.world.runtime import MemoryInbox, MemoryLog, SetClock
from tests.builders import NOW


class TiredInbox(MemoryInbox):
    def postpone(self, receipt: str, seconds: int) -> None:
        raise TransientFailure(f"can't postpone {receipt} by {seconds}")


class FullInbox(MemoryInbox):
    def requeue(self, messages: Sequence[tuple[str, int]]) -> None:
        raise TransientFailure(f"{len(messages)} not taken")


class Bench:
    def __init__(self, inbox: MemoryInbox | None = None, backoff: Backoff = DELIVER) -> None:
        self.inbox, self.log = inbox or MemoryInbox(), MemoryLog()
        self.desk = Desk("deliver", self.inbox, SetClock(NOW), lambda: 0.0, self.log, backoff)

    def is_finished(self, attend: Attend, attempt: int = 1) -> bool:
        return self.desk.is_finished(
            Message("message-1", "the message", "receipt-1", attempt), attend
        )


def raising(failure: Exception) -> Attend:
    def attend(_: Message) -> str:
        raise failure

    return attend


def test_what_is_done_can_go() -> None:
    bench = Bench()
    assert bench.is_finished(lambda _: "done")
    assert bench.log.lines == [
        {"step": "deliver", "outcome": "done", "attempt": None, "duration_ms": 0}
    ]


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (5, 16), (200, 450)])
def test_an_unknown_outcome_comes_again_ever_less_often(attempt: int, seconds: int) -> None:
    bench = Bench()
    assert not bench.is_finished(raising(TransientFailure("timed out")), attempt)
    assert bench.inbox.postponed == {"receipt-1": seconds}
    assert bench.log.lines[0]["outcome"] == "postponed"
    assert bench.log.lines[0]["detail"] == "timed out"


def test_what_is_merely_early_comes_again_and_is_logged_under_its_own_word() -> None:
    bench = Bench(backoff=Backoff(900, 14_400))
    assert not bench.is_finished(raising(RetryLater("stuck")), attempt=2)
    assert bench.inbox.postponed == {"receipt-1": 900}
    assert bench.log.lines[0]["outcome"] == "stuck"


def test_a_desk_may_have_a_shorter_longest_wait() -> None:
    bench = Bench(backoff=Backoff(2, 60))
    bench.is_finished(raising(TransientFailure("throttled")), attempt=50)
    assert bench.inbox.postponed == {"receipt-1": 30}


def test_a_broken_contract_is_dead_lettered_at_once_with_its_reason() -> None:
    bench = Bench()
    assert bench.is_finished(raising(PermanentFailure("answered 400")))
    assert bench.inbox.dead_letters == [("the message", "answered 400")]
    assert bench.log.lines[0]["outcome"] == "set_aside"


def test_a_message_that_cannot_even_be_postponed_stays_with_its_queue() -> None:
    bench = Bench(TiredInbox())
    assert not bench.is_finished(raising(TransientFailure("timed out")))
    assert bench.log.lines[0]["outcome"] == "unavailable"


def test_a_bug_stays_with_its_queue_and_shows_no_data() -> None:
    bench = Bench()
    assert not bench.is_finished(raising(KeyError("1 High Street, Leeds")))
    assert bench.log.lines[0]["outcome"] == "bug"
    assert str(bench.log.lines[0]["error"]).startswith("KeyError at attend")
    assert "High Street" not in str(bench.log.lines)


def test_what_tells_nothing_new_is_no_line() -> None:
    bench = Bench()
    assert bench.is_finished(lambda _: None)
    assert bench.log.lines == []


def test_a_contradiction_is_dead_lettered_under_a_word_of_its_own() -> None:
    bench = Bench()
    assert bench.is_finished(raising(Contradiction("done and refused")))
    assert bench.inbox.dead_letters == [("the message", "done and refused")]
    assert bench.log.lines[0]["outcome"] == "contradicted"


def test_an_order_is_named_in_the_log_only_by_what_is_an_order_id() -> None:
    bench = Bench()

    def attend(message: Message) -> str:
        message.is_about(OrderKey("customer-ada", "Ada Fletcher"))
        return "done"

    bench.is_finished(attend)
    [line] = bench.log.lines
    assert line["order_id"] is None
    assert "Ada" not in str(line)


def pack(*bodies: str, attempt: int = 1) -> Message:
    return Message("pack", "the pack", "receipt of pack", attempt, bodies)


class TestPack:
    def test_is_tried_message_by_message_and_gone_when_all_are_done(self) -> None:
        bench, attended = Bench(), []

        def attend(message: Message) -> str:
            attended.append((message.body, message.attempt))
            return "done"

        assert bench.desk.all_finished([pack("a", "b")], attend) == [True]
        assert attended == [("a", 1), ("b", 1)]
        assert bench.inbox.sent_on == []
        assert [line["outcome"] for line in bench.log.lines] == ["done", "done"]

    def test_sends_on_what_did_not_come_to_an_end_and_nothing_else(self) -> None:
        bench = Bench()

        def attend(message: Message) -> str:
            match message.body:
                case "slow":
                    raise TransientFailure("timed out")
                case "odd":
                    raise KeyError
                case "early":
                    raise RetryLater("stuck")
                case "broken":
                    raise PermanentFailure("answered 400")
            return "done"

        messages = [pack("good", "slow", "odd", "early", "broken")]
        assert bench.desk.all_finished(messages, attend) == [True]
        assert bench.inbox.sent_on == [("slow", 1), ("odd", 1), ("early", 1)]
        assert bench.inbox.dead_letters == [("broken", "answered 400")]
        assert bench.inbox.postponed == {}

    def test_whose_rest_is_not_taken_comes_again_itself(self) -> None:
        bench = Bench(FullInbox())
        slow = raising(TransientFailure("timed out"))
        assert bench.desk.all_finished([pack("a", "b")], slow) == [False]
        assert bench.inbox.postponed == {"receipt of pack": 1}
        assert bench.log.lines[-1]["detail"] == "2 not taken"

    def test_that_comes_again_is_taken_apart_untried(self) -> None:
        bench = Bench()
        attend = raising(AssertionError("it was tried"))
        assert bench.desk.all_finished([pack("a", "b", attempt=2)], attend) == [True]
        assert bench.inbox.sent_on == [("a", 0), ("b", 0)]
        [line] = bench.log.lines
        assert (line["outcome"], line["messages"]) == ("taken_apart", 2)

    def test_that_cannot_be_taken_apart_comes_again(self) -> None:
        bench = Bench(FullInbox())
        again = pack("a", attempt=7)
        assert bench.desk.all_finished([again], raising(AssertionError())) == [False]

    def test_lets_what_came_by_itself_go_first(self) -> None:
        bench, attended = Bench(), []

        def attend(message: Message) -> str:
            attended.append(message.body)
            if message.body == "alone":
                raise TransientFailure("timed out")
            return "done"

        messages = [pack("a", "b"), Message("1", "alone", "receipt-1", 3), pack("c", "d")]
        assert bench.desk.all_finished(messages, attend) == [True, False, True]
        assert attended == ["alone", "a", "b", "c", "d"]
        assert bench.inbox.postponed == {"receipt-1": 4}
