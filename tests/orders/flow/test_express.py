"""What goes along with an order's reservation is one write, and nothing waits for the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from orders.domain import saga
from orders.domain.breaker import FAILURES_MAX, Breaker
from orders.domain.order import AcceptedOrder
from orders.domain.saga import ONCE_RESERVED, Downstream, Facts, Outcome, Step
from orders.domain.status import Status
from orders.domain.units import Millis
from orders.failures import Contradiction, Misconfigured, PermanentFailure, TransientFailure
from orders.flow.changes import FactsChanged
from orders.flow.deliver import Deliver, Delivered
from orders.flow.express import Express
from orders.flow.recording import Recorded
from orders.ports import Command, Later
from orders.settings import EXPRESS_CALLS
from orders.wiring import SYSTEM
from simulation.world.runtime import AnsweringDownstream, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import NOW, accepted

BUDGET_MS = 1_000
DONE = Outcome(NOW, reference="R-1")
REFUSED = Outcome(NOW, refusal="undeliverable")

_A = TypeVar("_A")
Answer = Callable[[Command], Outcome | Later]


def done(_: Command) -> Outcome:
    return DONE


def refused(_: Command) -> Outcome:
    return REFUSED


def raising(error: Exception) -> Answer:
    def answer(_: Command) -> Outcome:
        raise error

    return answer


@dataclass
class Bench:
    """Inventory's delivery with everything around it in memory. Calls of `slow` downstreams are
    not over in time, those of `busy` ones do not even begin: all threads are taken."""

    answers: dict[Downstream, Answer] = field(default_factory=dict)
    slow: set[Downstream] = field(default_factory=set)
    busy: set[Downstream] = field(default_factory=set)
    waited_for: list[float] = field(default_factory=list)
    clock: SetClock = field(default_factory=lambda: SetClock(NOW))
    orders: MemoryOrders = field(default_factory=MemoryOrders)

    def __post_init__(self) -> None:
        self.called: dict[Downstream, AnsweringDownstream] = {
            name: AnsweringDownstream(self.answers.get(name, done)) for name in saga.DOWNSTREAMS
        }
        self.breakers: dict[Downstream, Breaker] = {name: Breaker() for name in EXPRESS_CALLS}
        express = Express(
            {name: self.called[name] for name in EXPRESS_CALLS},
            self.breakers,
            self.side_by_side,
            self.clock,
            BUDGET_MS,
        )
        inventory = self.called["inventory"]
        self.deliver = Deliver(self.orders, inventory, "inventory", self.clock, 5_000, express)

    def side_by_side(
        self, calls: Mapping[Downstream, Callable[[], _A]], within_seconds: float
    ) -> Mapping[Downstream, _A]:
        self.waited_for.append(within_seconds)
        made = {name: call() for name, call in calls.items() if name not in self.busy}
        # The second is over first.
        return {name: made[name] for name in reversed(made) if name not in self.slow}

    def place(self, *, express: bool = True) -> AcceptedOrder:
        order = replace(accepted(), express=express)
        self.orders.place(order)
        return order

    def reserve(self, order: AcceptedOrder) -> Delivered:
        command = Command(order.key, Step.RESERVE)
        delivered = self.deliver.deliver(self.deliver.complete(command, NOW))
        assert isinstance(delivered, Delivered)
        return delivered

    def facts(self, order: AcceptedOrder) -> Facts:
        progress = self.orders.progress(order.key)
        assert progress is not None
        return progress.facts

    @property
    def writes(self) -> int:
        return sum(isinstance(change, FactsChanged) for change in self.orders.stream)


def test_all_that_is_done_is_one_write_and_settles_the_order() -> None:
    bench = Bench()
    order = bench.place()
    delivered = bench.reserve(order)
    assert bench.facts(order) == Facts(dict.fromkeys((Step.RESERVE, *ONCE_RESERVED), DONE))
    assert bench.writes == 1
    assert delivered == Delivered(DONE, [*ONCE_RESERVED], Recorded(Status.CONFIRMED, 0))
    for name in EXPRESS_CALLS:
        [asked] = bench.called[name].asked
        assert asked.order == order.order


def test_an_order_that_may_not_go_express_is_only_reserved() -> None:
    bench = Bench()
    order = bench.place(express=False)
    assert bench.reserve(order) == Delivered(DONE, None, Recorded())
    assert [*bench.facts(order).outcomes] == [Step.RESERVE]
    assert not bench.called["fulfilment"].asked


def test_nothing_is_shipped_before_its_stock_is_held() -> None:
    for answer in (refused, raising(TransientFailure("timed out"))):
        bench = Bench({"inventory": answer})
        order = bench.place()
        try:
            bench.reserve(order)
        except TransientFailure:
            assert not bench.facts(order).outcomes
        assert not bench.called["fulfilment"].asked
        assert not bench.called["accounting"].asked


@pytest.mark.parametrize("name", EXPRESS_CALLS)
@pytest.mark.parametrize(
    "error",
    [TransientFailure("503"), Misconfigured("401"), PermanentFailure("400"), ValueError("a bug")],
)
def test_what_is_unknown_is_owed_and_holds_up_nothing(name: Downstream, error: Exception) -> None:
    bench = Bench({name: raising(error)})
    order = bench.place()
    assert bench.reserve(order).recorded.settled_as is None
    [owed] = saga.owed(bench.facts(order))
    assert saga.DOWNSTREAM_OF[owed] == name
    assert bench.writes == 1


@pytest.mark.parametrize("name", EXPRESS_CALLS)
def test_a_refusal_is_recorded_as_one(name: Downstream) -> None:
    bench = Bench({name: refused})
    order = bench.place()
    assert bench.reserve(order).recorded.settled_as is None
    facts = bench.facts(order)
    assert [step for step in facts.outcomes if facts.refused(step)] == [
        step for step in ONCE_RESERVED if saga.DOWNSTREAM_OF[step] == name
    ]
    assert saga.undoing(facts)


def test_a_step_that_is_decided_later_is_owed_and_its_downstream_counts_as_answering() -> None:
    bench = Bench({"fulfilment": lambda _: Later()})
    for _ in range(FAILURES_MAX + 1):
        order = bench.place()
        assert bench.reserve(order).express == [Step.POST]
    assert saga.owed(bench.facts(order)) == {Step.SHIP}
    assert len(bench.called["fulfilment"].asked) == FAILURES_MAX + 1


def test_who_is_late_is_not_waited_for() -> None:
    bench = Bench(slow={"accounting"})
    order = bench.place()
    bench.reserve(order)
    assert saga.owed(bench.facts(order)) == {Step.POST}


def test_a_reservation_that_took_half_of_the_time_is_not_gone_on_from() -> None:
    bench = Bench()

    took_ms = BUDGET_MS // 2

    def slowly(_: Command) -> Outcome:
        bench.clock.milliseconds += took_ms
        return DONE

    bench.called["inventory"].answer = slowly
    order = bench.place()
    assert bench.reserve(bench.place()).recorded.settled_as is Status.CONFIRMED
    assert bench.waited_for == [(BUDGET_MS - took_ms) / 1000]
    took_ms += 1
    assert bench.reserve(order).express == []
    assert saga.owed(bench.facts(order)) == {*ONCE_RESERVED}
    assert len(bench.called["fulfilment"].asked) == 1


@pytest.mark.parametrize("failure", [TransientFailure("503"), Misconfigured("401")])
def test_a_downstream_that_does_not_answer_is_left_alone_until_it_does(failure: Exception) -> None:
    bench = Bench({"accounting": raising(failure)})
    for _ in range(FAILURES_MAX + 5):
        bench.reserve(bench.place())
    assert len(bench.called["accounting"].asked) == FAILURES_MAX
    assert len(bench.called["fulfilment"].asked) == FAILURES_MAX + 5
    bench.called["accounting"].answer = done
    bench.clock.milliseconds += 5_000
    assert bench.reserve(bench.place()).recorded.settled_as is Status.CONFIRMED
    assert bench.reserve(bench.place()).recorded.settled_as is Status.CONFIRMED


def test_a_downstream_that_is_slow_is_left_alone_and_so_is_one_that_keeps_all_threads() -> None:
    bench = Bench(slow={"accounting"}, busy={"fulfilment"})
    for _ in range(FAILURES_MAX + 5):
        assert saga.owed(reserved(bench)) == {*ONCE_RESERVED}
    assert len(bench.called["accounting"].asked) == FAILURES_MAX
    # One whose bad answers never end has its threads kept one by one, among good ones: from then on
    # each order would wait in vain for its whole time.
    bench.busy.clear()
    reserved(bench)
    assert not bench.called["fulfilment"].asked
    bench.clock.milliseconds += 5_000
    assert saga.owed(reserved(bench)) == {Step.POST}


def reserved(bench: Bench) -> Facts:
    order = bench.place()
    bench.reserve(order)
    return bench.facts(order)


def test_a_copy_that_went_the_plain_way_first_leaves_the_rest_to_be_recorded() -> None:
    bench = Bench()
    order = bench.place()
    earlier = replace(DONE, at=Millis(NOW - 1))
    bench.orders.record(order.key, {Step.RESERVE: earlier})
    assert bench.reserve(order).recorded.settled_as is Status.CONFIRMED
    assert bench.facts(order).outcomes[Step.RESERVE] == earlier


def test_an_answer_that_contradicts_what_is_on_record_is_for_a_person() -> None:
    bench = Bench({"fulfilment": refused})
    order = bench.place()
    bench.orders.record(order.key, {Step.SHIP: DONE})
    with pytest.raises(Contradiction, match="ship is on record as done"):
        bench.reserve(order)
    assert bench.facts(order).done(Step.POST)


def test_a_cancellation_while_it_is_under_way_stops_the_shipment_that_there_is() -> None:
    bench = Bench()
    order = bench.place()

    def cancelled_meanwhile(_: Command) -> Outcome:
        bench.orders.request_cancellation(order.key, NOW, reserved=False, express=True)
        return DONE

    bench.called["fulfilment"].answer = cancelled_meanwhile
    assert bench.reserve(order).recorded.settled_as is None
    assert saga.owed(bench.facts(order)) == {Step.CANCEL_SHIPMENT}


def test_threads_that_hang_at_one_downstream_keep_nobody_from_another() -> None:
    """The deployed function's own threads, more calls of which hang than there are."""
    side_by_side, over = SYSTEM.side_by_side(2), threading.Event()
    hangs, answers = (lambda: over.wait(60) and None), (lambda: "done")
    try:
        for _ in range(5):
            found = side_by_side({"accounting": hangs, "fulfilment": answers}, 0.05)
            # A slow machine may miss fulfilment's answer too; accounting's cannot be there.
            assert "accounting" not in found
        late = side_by_side({"accounting": answers}, 0.05)
        assert late == {}
        assert side_by_side({"fulfilment": answers}, 60) == {"fulfilment": "done"}
    finally:
        over.set()
