"""The world is told of each settled order once, under an id that stays the same."""

from __future__ import annotations

import pytest

from orders.domain.events import Event, EventType, accepted, became_true, settlement
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.domain.units import Millis
from tests.builders import order_key

KEY = order_key("customer-ada", "0193565e-8b00-7000-8000-000000000001")


def facts(*steps: Step, refused: Step | None = None, cancelled: bool = False) -> Facts:
    outcomes = {step: Outcome(at=Millis(position)) for position, step in enumerate(steps, start=10)}
    if refused is not None:
        outcomes[refused] = Outcome(at=Millis(20), refusal="out_of_stock")
    cancellation = Cancellation(Millis(15), before_reservation=False)
    return Facts(outcomes, cancellation if cancelled else None)


SHIPPED = facts(Step.RESERVE, Step.SHIP)
CONFIRMED = facts(Step.RESERVE, Step.SHIP, Step.POST)


def test_an_accepted_order_is_announced_with_the_time_of_its_acceptance() -> None:
    assert accepted(KEY, Millis(7)) == Event(EventType.ACCEPTED, KEY, Millis(7))


def test_the_last_fact_confirms_an_order() -> None:
    assert became_true(KEY, SHIPPED, CONFIRMED) == [Event(EventType.CONFIRMED, KEY, at=Millis(12))]


def test_a_fact_that_settles_nothing_is_not_announced() -> None:
    assert became_true(KEY, Facts(), facts(Step.RESERVE)) == []


def test_a_change_that_leaves_the_status_is_not_announced_again() -> None:
    assert became_true(KEY, CONFIRMED, CONFIRMED) == []


def test_a_rejection_says_why() -> None:
    before = facts(refused=Step.RESERVE)
    after = facts(Step.REFUND, refused=Step.RESERVE)
    [event] = became_true(KEY, before, after)
    assert event == Event(EventType.REJECTED, KEY, at=Millis(20), reason="out_of_stock")


def test_a_cancellation_that_came_too_late_repeats_the_same_event() -> None:
    first = became_true(KEY, SHIPPED, CONFIRMED)
    wished = facts(Step.RESERVE, Step.SHIP, Step.POST, cancelled=True)
    too_late = facts(
        Step.RESERVE, Step.SHIP, Step.POST, refused=Step.CANCEL_SHIPMENT, cancelled=True
    )
    assert became_true(KEY, CONFIRMED, wished) == []
    assert became_true(KEY, wished, too_late) == first


@pytest.mark.parametrize("late", [Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT])
def test_the_second_way_to_stop_a_shipment_changes_nothing_about_an_event_when_it_comes_late(
    late: Step,
) -> None:
    first = ({Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT} - {late}).pop()
    undone = Outcome(at=Millis(20))
    known = {
        Step.RESERVE: Outcome(at=Millis(10)),
        Step.SHIP: Outcome(at=Millis(11)),
        Step.POST: Outcome(at=Millis(12), refusal="account_blocked"),
        first: Outcome(at=Millis(13)),
        Step.RELEASE: undone,
        Step.REFUND: undone,
    }
    wish = Cancellation(at=Millis(11), before_reservation=False)
    before = settlement(KEY, Facts(known, wish))
    assert before == Event(EventType.REJECTED, KEY, at=Millis(20), reason="account_blocked")
    assert settlement(KEY, Facts({**known, late: Outcome(at=Millis(99))}, wish)) == before


def test_two_customers_orders_under_one_id_are_two_events() -> None:
    other = order_key("customer-bob", KEY.order_id)
    assert accepted(KEY, Millis(7)).id != accepted(other, Millis(7)).id
