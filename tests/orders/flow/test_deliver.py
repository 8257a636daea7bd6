"""deliver asks, records, and never mistakes an unknown outcome for a known one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orders.domain.order import OrderKey
from orders.domain.saga import Outcome, Step
from orders.failures import PermanentFailure, TransientFailure
from orders.flow.deliver import Deliver
from orders.flow.relay import FactsChanged
from orders.ports import Command
from simulation.world.outside import AnsweringDownstream
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
        self.deliver = Deliver(self.orders, self.downstream)

    def do(self, step: Step) -> Outcome:
        return self.deliver.deliver(Command(self.order.key, step))

    def recorded(self, step: Step) -> Outcome | None:
        progress = self.orders.progress(self.order.key)
        assert progress is not None
        return progress.facts.outcomes.get(step)


def raising(failure: Exception) -> Callable[[Command], Outcome]:
    def answer(_: Command) -> Outcome:
        raise failure

    return answer


@pytest.mark.parametrize("outcome", [DONE, REFUSED])
def test_an_outcome_is_on_record_before_its_message_can_go(outcome: Outcome) -> None:
    bench = Bench(lambda _: outcome)
    assert bench.do(Step.RESERVE) == outcome
    assert bench.recorded(Step.RESERVE) == outcome


def test_a_command_that_comes_twice_asks_twice_and_is_recorded_once() -> None:
    bench = Bench(lambda _: DONE)
    assert bench.do(Step.RESERVE) == bench.do(Step.RESERVE)
    assert len(bench.downstream.asked) == 2
    assert len([change for change in bench.orders.stream if isinstance(change, FactsChanged)]) == 1


@pytest.mark.parametrize("failure", [TransientFailure("timed out"), PermanentFailure("is 400")])
def test_a_failure_records_nothing(failure: Exception) -> None:
    bench = Bench(raising(failure))
    with pytest.raises(type(failure), match=str(failure)):
        bench.do(Step.SHIP)
    assert bench.recorded(Step.SHIP) is None


@pytest.mark.parametrize("step", [Step.RELEASE, Step.REFUND, Step.RECALL_SHIPMENT])
def test_a_refusal_to_undo_breaks_the_contract(step: Step) -> None:
    bench = Bench(lambda _: REFUSED)
    with pytest.raises(PermanentFailure, match=f"{step} was refused"):
        bench.do(step)
    assert bench.recorded(step) is None


def test_two_different_answers_under_one_key_are_for_a_person_and_the_first_stands() -> None:
    answers = iter([DONE, REFUSED])
    bench = Bench(lambda _: next(answers))
    bench.do(Step.RESERVE)
    with pytest.raises(PermanentFailure, match="on record as done"):
        bench.do(Step.RESERVE)
    assert bench.recorded(Step.RESERVE) == DONE


@pytest.mark.parametrize(
    ("step", "reads"),
    [(Step.SHIP, True), (Step.POST, True), (Step.REFUND, True), (Step.RELEASE, False)],
)
def test_the_order_is_read_only_for_steps_that_need_its_content(step: Step, reads: bool) -> None:
    bench = Bench(lambda _: DONE)
    bench.do(step)
    assert bench.downstream.asked[0].order == (bench.order.order if reads else None)


def test_an_order_that_cannot_be_read_yet_is_asked_for_again_later() -> None:
    bench = Bench(lambda _: DONE)
    with pytest.raises(TransientFailure, match="not readable yet"):
        bench.deliver.deliver(Command(OrderKey(CUSTOMER, order_id()), Step.SHIP))
    assert bench.downstream.asked == []
