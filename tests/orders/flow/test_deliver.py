"""deliver asks, records, and never mistakes an unknown outcome for a known one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orders.domain.order import OrderKey
from orders.domain.saga import Outcome, Step
from orders.failures import PermanentFailure, TransientFailure
from orders.flow.deliver import Attended, Deliver, Delivery
from orders.ports import Command
from simulation.world.outside import AnsweringDownstream, MemoryInbox
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, NOW, accepted, order_id

DONE = Outcome(NOW, reference="R-1")
REFUSED = Outcome(NOW, refusal="out_of_stock")


class Bench:
    """A deliver with everything around it in memory."""

    def __init__(self, answer: Callable[[Command], Outcome]) -> None:
        self.orders = MemoryOrders()
        self.order = accepted()
        self.orders.place(self.order)
        self.downstream = AnsweringDownstream(answer)
        self.inbox = MemoryInbox()
        self.deliver = Deliver(self.orders, self.downstream, self.inbox, jitter=lambda: 0.0)

    def attend(self, step: Step, attempt: int = 1) -> Attended:
        command = Command(self.order.key, step)
        return self.deliver.attend(Delivery(command, attempt, "receipt-1", "the message"))

    def recorded(self, step: Step) -> Outcome | None:
        progress = self.orders.progress(self.order.key)
        assert progress is not None
        return progress.facts.outcomes.get(step)


def raising(failure: Exception) -> Callable[[Command], Outcome]:
    def answer(_: Command) -> Outcome:
        raise failure

    return answer


def test_a_step_that_is_done_is_on_record_before_its_message_goes() -> None:
    bench = Bench(lambda _: DONE)
    assert bench.attend(Step.RESERVE) == Attended("done")
    assert bench.recorded(Step.RESERVE) == DONE


def test_a_refusal_is_an_outcome_like_any_other() -> None:
    bench = Bench(lambda _: REFUSED)
    assert bench.attend(Step.RESERVE) == Attended("refused", "out_of_stock")
    assert bench.recorded(Step.RESERVE) == REFUSED


def test_a_command_that_comes_twice_asks_twice_and_is_recorded_once() -> None:
    bench = Bench(lambda _: DONE)
    bench.attend(Step.RESERVE)
    assert bench.attend(Step.RESERVE, attempt=2).finished
    assert len(bench.downstream.asked) == 2
    assert len([change for change in bench.orders.stream if hasattr(change, "after")]) == 1


def test_an_unknown_outcome_is_not_recorded_and_the_message_comes_again_later() -> None:
    bench = Bench(raising(TransientFailure("timed out")))
    for attempt, seconds in ((1, 1), (2, 2), (5, 16)):
        attended = bench.attend(Step.SHIP, attempt)
        assert attended == Attended("postponed", "timed out")
        assert not attended.finished
        assert bench.inbox.postponed == {"receipt-1": seconds}
    assert bench.recorded(Step.SHIP) is None


def test_a_broken_contract_goes_to_a_person_at_once_with_its_reason() -> None:
    bench = Bench(raising(PermanentFailure("answered 400")))
    assert bench.attend(Step.POST) == Attended("set_aside", "answered 400")
    assert bench.inbox.dead_letters == [("the message", "answered 400")]
    assert bench.recorded(Step.POST) is None


@pytest.mark.parametrize("step", [Step.RELEASE, Step.REFUND, Step.RECALL_SHIPMENT])
def test_a_refusal_to_undo_breaks_the_contract(step: Step) -> None:
    bench = Bench(lambda _: REFUSED)
    assert bench.attend(step).result == "set_aside"
    assert bench.recorded(step) is None


def test_two_different_answers_under_one_key_are_for_a_person_and_the_first_stands() -> None:
    answers = iter([DONE, REFUSED])
    bench = Bench(lambda _: next(answers))
    bench.attend(Step.RESERVE)
    assert bench.attend(Step.RESERVE, attempt=2).result == "set_aside"
    assert bench.recorded(Step.RESERVE) == DONE


@pytest.mark.parametrize(
    ("step", "reads"),
    [(Step.SHIP, True), (Step.POST, True), (Step.REFUND, True), (Step.RELEASE, False)],
)
def test_the_order_is_read_only_for_steps_that_need_its_content(step: Step, reads: bool) -> None:
    bench = Bench(lambda _: DONE)
    bench.attend(step)
    assert bench.downstream.asked[0].order == (bench.order.order if reads else None)


def test_an_order_that_cannot_be_read_yet_is_asked_for_again_later() -> None:
    bench = Bench(lambda _: DONE)
    command = Command(OrderKey(CUSTOMER, order_id()), Step.SHIP)
    attended = bench.deliver.attend(Delivery(command, 1, "receipt-1", "m"))
    assert attended == Attended("postponed", "the order is not readable yet")
    assert bench.downstream.asked == []
