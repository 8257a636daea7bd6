"""deliver asks, records, and never mistakes an unknown outcome for a known one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from orders.domain.order import OrderKey
from orders.domain.saga import Outcome, Step
from orders.domain.status import Status
from orders.domain.trace import Trace
from orders.domain.units import Millis
from orders.failures import Contradiction, PermanentFailure, TransientFailure
from orders.flow.changes import FactsChanged
from orders.flow.deliver import Deliver, Delivered
from orders.ports import Command, Needs
from simulation.world.runtime import AnsweringDownstream, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, NOW, accepted, order_id

DONE = Outcome(NOW, reference="R-1")
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
REFUSED = Outcome(NOW, refusal="out_of_stock")


class Bench:
    """A deliver with everything around it in memory."""

    def __init__(self, answer: Callable[[Command], Outcome], trace: Trace | None = None) -> None:
        self.orders = MemoryOrders()
        self.order = replace(accepted(), trace=trace)
        self.orders.place(self.order)
        self.downstream = AnsweringDownstream(answer)
        self.deliver = Deliver(
            self.orders, self.downstream, "inventory", SetClock(NOW), turns_ms=5_000
        )

    def do(self, step: Step) -> Outcome:
        return self.delivered(step).outcome

    def delivered(self, step: Step) -> Delivered:
        command = self.deliver.complete(Command(self.order.key, step), NOW)
        delivered = self.deliver.deliver(command)
        assert isinstance(delivered, Delivered)
        return delivered

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
    with pytest.raises(Contradiction, match="on record as done"):
        bench.do(Step.RESERVE)
    assert bench.recorded(Step.RESERVE) == DONE


@pytest.mark.parametrize("step", list(Step))
def test_a_command_without_its_order_is_given_it_and_its_trace(step: Step) -> None:
    bench = Bench(lambda _: DONE, TRACE)
    bench.do(step)
    [asked] = bench.downstream.asked
    assert (asked.order, asked.trace) == (bench.order.order, TRACE)


def test_a_command_that_brings_its_order_along_costs_no_read() -> None:
    command = Command(OrderKey(CUSTOMER, order_id()), Step.RESERVE, accepted().order, TRACE)
    assert Bench(lambda _: DONE).deliver.complete(command, NOW) == command


@pytest.mark.parametrize("needs", [Needs(goods=True), Needs(order=True)])
def test_an_order_that_cannot_be_read_yet_is_asked_for_again_later(needs: Needs) -> None:
    bench = Bench(lambda _: DONE)
    bench.downstream.needed = needs
    with pytest.raises(TransientFailure, match="not readable yet"):
        bench.deliver.complete(Command(OrderKey(CUSTOMER, order_id()), Step.RESERVE), NOW)


def test_a_request_with_more_than_the_goods_has_the_order_read_that_is_stored() -> None:
    bench = Bench(lambda _: DONE)
    bench.downstream.needed = Needs(order=True)
    goods = replace(bench.order.order, purchase_order="not the stored one")
    command = Command(bench.order.key, Step.RESERVE, goods)
    assert bench.deliver.complete(command, NOW).order == bench.order.order


def test_a_request_with_what_a_downstream_called_an_earlier_step_is_given_it() -> None:
    bench = Bench(lambda _: DONE)
    bench.do(Step.RESERVE)
    bench.downstream.needed = Needs(references=frozenset({Step.RESERVE}))
    command = bench.deliver.complete(Command(bench.order.key, Step.RELEASE), NOW)
    assert command.references == {Step.RESERVE: "R-1"}


def test_what_undoes_an_order_that_was_erased_does_without_it() -> None:
    bench = Bench(lambda _: DONE)
    bench.downstream.needed = Needs()
    command = Command(OrderKey(CUSTOMER, order_id()), Step.RELEASE)
    assert bench.deliver.complete(command, NOW) == command


def test_the_outcome_that_settles_an_order_tells_so_once() -> None:
    bench = Bench(lambda _: Outcome(Millis(NOW + 250)))
    steps = [Step.RESERVE, Step.SHIP, Step.POST]
    told = [bench.delivered(step) for step in steps]
    assert [one.recorded.settled_as for one in told] == [None, None, Status.CONFIRMED]
    assert told[-1].recorded.settle_ms == 250
    bench.downstream.answer = lambda _: Outcome(Millis(NOW + 900))
    assert bench.delivered(Step.POST).recorded.settled_as is None


def test_an_order_that_was_cancelled_late_settles_again_and_counts_from_the_wish() -> None:
    bench = Bench(lambda _: Outcome(Millis(NOW + 250)))
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        bench.do(step)
    bench.orders.request_cancellation(bench.order.key, Millis(NOW + 60_000), reserved=False)
    bench.downstream.answer = lambda _: Outcome(Millis(NOW + 60_100), refusal="too_late")
    told = bench.delivered(Step.CANCEL_SHIPMENT)
    assert (told.recorded.settled_as, told.recorded.settle_ms) == (Status.CONFIRMED, 100)
