"""relay sends exactly what a change calls for, and hands back what it could not send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orders.domain.coupon_limits import Use
from orders.domain.events import Event, EventType
from orders.domain.parcels import WHOLE_ORDER, News, What
from orders.domain.saga import DOWNSTREAMS, Facts, Outcome, Step
from orders.failures import Failure, PermanentFailure, TransientFailure
from orders.flow.changes import FactsChanged, OrderPlaced
from orders.flow.relay import Calls, Relay, called_for
from orders.ports import Check
from simulation.world.runtime import (
    MemoryChangeDeadLetters,
    MemoryChecks,
    MemoryCommands,
    MemoryEvents,
)
from simulation.world.table import MemoryOrders
from tests.builders import NOW, a_coupon, accepted

ORDER = accepted()
RESERVED = Facts({Step.RESERVE: Outcome(NOW)})
BACK = News(WHOLE_ORDER, What.RETURNED, NOW)
SHIPPED = Facts({**RESERVED.outcomes, Step.SHIP: Outcome(NOW)})


class NotAllowed(MemoryEvents):
    """As orders.aws.topic has it, where SNS says that the request can never be right."""

    def publish(self, events: Sequence[Event]) -> None:
        raise PermanentFailure("PublishBatch: InvalidParameter")


class Bench:
    def __init__(self, events: MemoryEvents | None = None) -> None:
        self.commands, self.events = MemoryCommands(), events or MemoryEvents()
        self.checks = MemoryChecks()
        self.orders = MemoryOrders()
        self.relay = Relay(
            self.commands,
            self.events,
            self.checks,
            self.orders.coupons,
            MemoryChangeDeadLetters(),
        )


def test_a_new_order_is_to_be_reserved_and_announced() -> None:
    calls = called_for(OrderPlaced(ORDER))
    assert [(call.step, call.order) for call in calls.commands] == [(Step.RESERVE, ORDER.order)]
    assert [event.type for event in calls.events] == [EventType.ACCEPTED]


def test_a_reservation_calls_for_shipping_and_posting_side_by_side() -> None:
    calls = called_for(FactsChanged(ORDER.key, Facts(), RESERVED))
    assert {command.step for command in calls.commands} == {Step.SHIP, Step.POST}
    assert calls.events == []


def test_a_command_under_way_is_not_given_again() -> None:
    """With the shipment known and the posting still under way, the posting is still owed, and was
    commanded before: another message for it would be pure cost."""
    assert called_for(FactsChanged(ORDER.key, RESERVED, SHIPPED)) == Calls([], [])


def test_an_order_that_came_back_before_it_was_posted_is_confirmed_and_refunded() -> None:
    before = replace(SHIPPED, news={BACK.key: BACK})
    posted = replace(before, outcomes={**before.outcomes, Step.POST: Outcome(NOW)})
    assert called_for(FactsChanged(ORDER.key, SHIPPED, before)).commands == []
    calls = called_for(FactsChanged(ORDER.key, before, posted))
    assert [command.step for command in calls.commands] == [Step.REFUND]
    assert [event.type for event in calls.events] == [EventType.CONFIRMED]
    assert calls.undone == ()
    refunded = replace(posted, outcomes={**posted.outcomes, Step.REFUND: Outcome(NOW)})
    assert called_for(FactsChanged(ORDER.key, posted, refunded)) == Calls([], [])
    # Posted first, it is the news that calls for the refund.
    confirmed = replace(posted, news={})
    calls = called_for(FactsChanged(ORDER.key, confirmed, posted))
    assert [command.step for command in calls.commands] == [Step.REFUND]
    assert [event.type for event in calls.events] == [EventType.RETURNED]


def test_the_same_change_calls_for_the_same_messages_in_the_same_order() -> None:
    change = FactsChanged(ORDER.key, Facts(), RESERVED)
    assert called_for(change) == called_for(change)


def test_a_batch_is_sent_whole() -> None:
    bench = Bench()
    bench.relay.send([OrderPlaced(ORDER), FactsChanged(ORDER.key, Facts(), RESERVED)])
    assert [command.step for command in bench.commands.sent] == [Step.RESERVE, Step.POST, Step.SHIP]
    assert len(bench.events.published) == 1
    # The watch sees to them: an order has a check to come whatever relay cannot send.
    assert bench.checks.pending == []


def test_what_could_not_be_sent_is_handed_back() -> None:
    bench = Bench()
    bench.commands.failing = True
    with pytest.raises(TransientFailure):
        bench.relay.send([OrderPlaced(ORDER)])
    assert bench.events.published == []


@pytest.mark.parametrize("topic", [MemoryEvents(failing=True), NotAllowed()])
def test_a_topic_that_takes_nothing_holds_up_no_order_and_loses_no_event(
    topic: MemoryEvents,
) -> None:
    bench = Bench(topic)
    bench.relay.send([OrderPlaced(ORDER), OrderPlaced(accepted())])
    assert len(bench.commands.sent) == 2
    # The watchdog announces them, in its own time; nobody need see to it.
    forced = [check for check in bench.checks.pending if check.force]
    assert len(forced) == 2
    assert forced[0] == Check(ORDER.key, force=True)


def test_there_is_a_queue_for_every_downstream() -> None:
    assert set(DOWNSTREAMS) == {"inventory", "fulfilment", "accounting"}


FIRST = Use(a_coupon("FIRST", limit=1), "FIRST", 0)
OUT_OF_STOCK = Facts({Step.RESERVE: Outcome(NOW, refusal="out_of_stock")})


def uses(orders: MemoryOrders) -> list[str]:
    return [item["used"]["N"] for item in orders.claimed.items()]


def test_the_coupons_of_an_order_that_comes_to_be_undone_are_given_back_once() -> None:
    bench = Bench()
    bench.orders.coupons.place(ORDER, [FIRST])
    bench.orders.record(ORDER.key, {Step.RESERVE: OUT_OF_STOCK.outcomes[Step.RESERVE]})
    change = FactsChanged(ORDER.key, Facts(), OUT_OF_STOCK)
    for _ in range(3):
        assert bench.relay.send([change]).undone == [ORDER.key]
    assert uses(bench.orders) == ["0"]
    # The mark is a change of its own, from which nothing follows.
    assert called_for(FactsChanged(ORDER.key, OUT_OF_STOCK, OUT_OF_STOCK)) == Calls([], [])


def test_an_order_that_stands_keeps_its_coupons() -> None:
    bench = Bench()
    bench.orders.coupons.place(ORDER, [FIRST])
    assert bench.relay.send([FactsChanged(ORDER.key, RESERVED, SHIPPED)]).undone == []
    assert uses(bench.orders) == ["1"]


@pytest.mark.parametrize("failure", [TransientFailure, PermanentFailure])
def test_coupons_that_cannot_be_given_back_now_hold_nothing_up(
    monkeypatch: pytest.MonkeyPatch, failure: type[Failure]
) -> None:
    def busy(*_: object) -> None:
        raise failure("busy")

    bench = Bench()
    monkeypatch.setattr(type(bench.orders.coupons), "give_back", busy)
    bench.relay.send([FactsChanged(ORDER.key, Facts(), OUT_OF_STOCK)])
    assert [command.step for command in bench.commands.sent] == [Step.REFUND]
