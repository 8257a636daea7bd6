"""Every state that an order can reach, whatever the downstreams answer, in whatever order, and
whenever the customer cancels or sends all of it back."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import pytest

from orders.domain.saga import (
    DOWNSTREAM_OF,
    REFUSABLE,
    Cancellation,
    Step,
    at_rest,
    awaits_approval,
    commanded,
    owed,
    refund_owed_since,
    settled,
    undoing,
)
from orders.domain.status import SETTLED, Status, cancellation_outcome, reason, status
from orders.domain.units import Millis
from spillway.paths import PROJECT
from spillway.prove.simulate import saga_picture
from spillway.prove.simulate.saga_states import (
    ACCEPTED,
    State,
    answers,
    cancellations,
    decisions,
    facts_name,
    reachable,
    returns,
)

PLAIN, EXPRESS = reachable(), reachable(express=True)
HELD, HELD_EXPRESS = reachable(held=True), reachable(held=True, express=True)
RETURNING, RETURNING_EXPRESS = reachable(returning=True), reachable(express=True, returning=True)
GRAPH = PLAIN | EXPRESS | HELD | HELD_EXPRESS | RETURNING | RETURNING_EXPRESS


def the_goods_are_held(state: State) -> bool:
    return Step.RESERVE in state.done and Step.RELEASE not in state.done


def something_ships(state: State) -> bool:
    stopped = {Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT} & state.done
    return Step.SHIP in state.done and not stopped


def test_the_whole_state_space_is_visited() -> None:
    # A change of the saga changes these: look at what has become reachable before they are changed.
    for graph, states, transitions in (
        (PLAIN, 89, 162),
        (EXPRESS, 304, 558),
        (HELD, 100, 175),
        (HELD_EXPRESS, 315, 571),
        (RETURNING, 170, 396),
        (RETURNING_EXPRESS, 623, 1454),
    ):
        held = {Status.HELD} if graph in (HELD, HELD_EXPRESS) else set()
        assert {status(state.facts) for state in graph} - held == {*Status} - {Status.HELD}
        assert len(graph) == states
        assert sum(map(len, graph.values())) == transitions


def test_the_picture_in_the_docs_has_every_state_and_no_arrow_that_is_none() -> None:
    picture = saga_picture.svg()
    assert picture == (PROJECT / "docs" / "express-states.svg").read_text()
    assert sum(map(int, re.findall(r">(\d+) state", picture))) == len(EXPRESS)
    ends = {saga_picture.box_of(state) for state in EXPRESS if settled(state.facts)}
    between = saga_picture.arrows(EXPRESS)
    # Of the settled boxes only the confirmed one is left again, when its customer cancels.
    assert [kinds for (start, _), kinds in between.items() if start in ends] == [{"customer"}]
    assert len(ends) == 3


def test_a_confirmed_order_is_reserved_shipped_and_posted_and_nothing_of_it_is_undone() -> None:
    confirmed = [state for state in GRAPH if status(state.facts) is Status.CONFIRMED]
    assert confirmed
    for state in confirmed:
        assert the_goods_are_held(state)
        assert something_ships(state)
        assert Step.POST in state.done
        assert (Step.REFUND in state.commanded) is state.returned


@pytest.mark.parametrize("final", [Status.REJECTED, Status.CANCELLED])
def test_a_rejected_or_cancelled_order_holds_nothing_ships_nothing_and_is_refunded(
    final: Status,
) -> None:
    undone = [state for state in GRAPH if status(state.facts) is final]
    assert undone
    for state in undone:
        assert not the_goods_are_held(state)
        assert not something_ships(state)
        assert Step.REFUND in state.done


def test_an_order_that_is_being_undone_stays_so() -> None:
    """What it used up of limited coupons is given back at the first such fact."""
    for state in GRAPH:
        if undoing(state.facts):
            assert all(undoing(following.facts) for following in GRAPH[state])
    undone = {Status.REJECTED, Status.CANCELLED}
    for state in GRAPH:
        if settled(state.facts):
            assert undoing(state.facts) is (status(state.facts) in undone)


def test_every_state_that_is_not_settled_waits_for_a_command_that_was_given() -> None:
    for state in GRAPH:
        assert owed(state.facts) <= state.in_flight
        assert settled(state.facts) or owed(state.facts) or awaits_approval(state.facts)


def test_every_order_settles_once_the_downstreams_answer() -> None:
    # Each answer uses up a command, and no command is given twice: no path can be endless.
    for state in GRAPH:
        for answered in answers(state):
            newly_known = (answered.done | answered.refused) - (state.done | state.refused)
            assert len(newly_known) == 1 or Step.RESERVE in newly_known <= state.in_flight
            assert not (answered.commanded - state.commanded) & state.commanded
        if not list(answers(state)) and not list(decisions(state)):
            assert settled(state.facts)


def test_no_command_is_given_twice() -> None:
    for state, successors in GRAPH.items():
        for successor in successors:
            assert not (owed(successor.facts) - owed(state.facts)) & state.commanded


def test_the_facts_tell_which_steps_may_have_been_commanded() -> None:
    """A downstream's message about any other step is none of ours."""
    ever: defaultdict[str, set[Step]] = defaultdict(set)
    for state in GRAPH:
        ever[facts_name(state)] |= state.commanded
    for state in GRAPH:
        assert commanded(state.facts) == ever[facts_name(state)]


def test_an_order_once_rejected_or_cancelled_stays_so_whatever_comes_late() -> None:
    for state, successors in GRAPH.items():
        if status(state.facts) in (Status.REJECTED, Status.CANCELLED):
            for successor in successors:
                assert status(successor.facts) is status(state.facts)


def test_a_confirmed_order_changes_only_by_the_customers_wish() -> None:
    for state in GRAPH:
        if status(state.facts) is Status.CONFIRMED:
            for following in (*answers(state), *returns(state)):
                assert status(following.facts) is Status.CONFIRMED


def test_an_order_that_came_back_has_its_refund_whatever_else_became_of_it() -> None:
    came_back = [state for state in GRAPH if state.returned and at_rest(state.facts)]
    assert {status(state.facts) for state in came_back} == SETTLED
    for state in came_back:
        assert Step.REFUND in state.done


def test_that_an_order_came_back_changes_nothing_but_its_refund() -> None:
    """Not where it stands, nor what else is owed to it: the warehouse books its own stock."""
    for state in (*RETURNING, *RETURNING_EXPRESS):
        as_if_never = replace(state, returned=False).facts
        assert settled(state.facts) is settled(as_if_never)
        assert status(state.facts) is status(as_if_never)
        assert owed(state.facts) - owed(as_if_never) <= {Step.REFUND}
        assert owed(as_if_never) <= owed(state.facts)


def test_only_a_refund_of_a_return_is_owed_to_an_order_that_had_settled() -> None:
    for state in GRAPH:
        only = settled(state.facts) and not at_rest(state.facts)
        assert (refund_owed_since(state.facts) is not None) is only
        assert not only or (state.returned and owed(state.facts) == {Step.REFUND})


def test_nothing_is_shipped_or_booked_for_an_order_cancelled_before_its_reservation() -> None:
    for state in GRAPH:
        if state.cancellation is not None and state.cancellation.before_reservation:
            assert not {Step.SHIP, Step.POST} & state.commanded


def test_nothing_is_known_of_an_order_whose_express_delivery_has_not_written() -> None:
    """So a cancellation meanwhile changes nothing of what is commanded."""
    under_way = [state for state in EXPRESS if state.begun and Step.RESERVE in state.in_flight]
    assert under_way
    for state in under_way:
        assert owed(state.facts) == {Step.RESERVE}
        for cancelling in cancellations(state):
            assert owed(cancelling.facts) == {Step.RESERVE}


def test_what_an_express_delivery_commands_is_what_relay_would_on_its_reservation() -> None:
    for state in EXPRESS:
        if state.begun:
            reserved = replace(state, done=state.done | {Step.RESERVE})
            assert state.begun <= owed(reserved.facts) | reserved.done | reserved.refused


def test_nothing_is_commanded_for_an_order_that_is_held_before_its_release() -> None:
    waiting = [state for state in GRAPH if status(state.facts) is Status.HELD]
    assert waiting
    assert not any(state.commanded or state.begun for state in waiting)
    declined = [state for state in GRAPH if state.held and state.verdict in ("refused", "expired")]
    cancelled = [
        state for state in GRAPH if state.held and state.cancellation and not state.verdict
    ]
    assert declined
    assert cancelled
    for state in (*declined, *cancelled):
        assert state.commanded == {Step.REFUND}
    assert {status(state.facts) for state in declined} == {Status.REJECTING, Status.REJECTED}
    assert {status(state.facts) for state in cancelled} == {Status.CANCELLING, Status.CANCELLED}


@pytest.mark.parametrize(("express", "plain"), [(False, PLAIN), (True, EXPRESS)])
def test_a_released_order_goes_on_as_one_that_was_never_held(
    express: bool, plain: dict[State, list[State]]
) -> None:
    released = {
        replace(state, held=False, verdict=None): [
            replace(after, held=False, verdict=None) for after in following
        ]
        for state, following in reachable(held=True, express=express).items()
        if state.verdict == "released"
    }
    assert released == plain
    assert all(
        status(state.facts) is status(replace(state, held=True, verdict="released").facts)
        for state in plain
    )


def test_stock_is_released_only_when_nothing_ships_and_nothing_can() -> None:
    for state in GRAPH:
        if Step.RELEASE in state.commanded:
            assert not something_ships(state)
            assert Step.SHIP not in state.in_flight


def test_a_refund_never_overtakes_the_posting_that_it_reverses() -> None:
    for state in GRAPH:
        if Step.REFUND in state.commanded:
            assert Step.POST not in state.in_flight


def test_only_the_steps_that_may_be_refused_ever_stand_between_an_order_and_its_end() -> None:
    for state in GRAPH:
        assert not state.refused - REFUSABLE


def test_a_downstream_waits_only_for_its_own_answers_and_for_the_reservation() -> None:
    """`failure_stays_local`: with one of fulfilment and accounting silent for ever, the other's
    step is commanded all the same."""
    reserved = next(state for state in answers(ACCEPTED) if Step.RESERVE in state.done)
    assert reserved.in_flight == {Step.SHIP, Step.POST}
    shipped = next(state for state in answers(reserved) if Step.SHIP in state.done)
    [cancelling] = cancellations(shipped)
    # Accounting has not answered yet, and the shipment is stopped nevertheless.
    assert Step.CANCEL_SHIPMENT in cancelling.in_flight


@pytest.mark.parametrize(
    ("done", "refused", "cancellation", "expected", "why", "wish"),
    [
        ("", "", None, "accepted", None, None),
        ("reserve ship post", "", None, "confirmed", None, None),
        ("", "reserve", None, "rejecting", "no_reserve", None),
        ("refund", "reserve", None, "rejected", "no_reserve", None),
        ("reserve post", "ship", None, "rejecting", "no_ship", None),
        ("reserve ship", "post", None, "rejecting", "no_post", None),
        ("reserve ship recall_shipment release refund", "post", None, "rejected", "no_post", None),
        ("", "", "before", "cancelling", None, "done"),
        ("reserve release refund", "", "before", "cancelled", None, "done"),
        ("refund", "reserve", "before", "rejected", "no_reserve", "done"),
        ("reserve ship post", "", "after", "cancelling", None, "pending"),
        (
            "reserve ship post cancel_shipment release refund",
            "",
            "after",
            "cancelled",
            None,
            "done",
        ),
        ("reserve ship post", "cancel_shipment", "after", "confirmed", None, "refused"),
        ("reserve release refund post", "ship", "after", "rejected", "no_ship", "refused"),
    ],
)
def test_the_facts_amount_to_what_the_customer_is_told(
    done: str, refused: str, cancellation: str | None, expected: str, why: str | None, wish: str
) -> None:
    state = State(
        done=frozenset(map(Step, done.split())),
        refused=frozenset(map(Step, refused.split())),
        cancellation=Cancellation(Millis(1), cancellation == "before") if cancellation else None,
    )
    assert status(state.facts) == expected
    assert reason(state.facts) == why
    assert cancellation_outcome(state.facts) == wish


def test_settled_and_the_settled_statuses_say_the_same() -> None:
    for state in GRAPH:
        assert settled(state.facts) == (status(state.facts) in SETTLED)


def test_every_step_belongs_to_a_downstream() -> None:
    assert set(DOWNSTREAM_OF) == set(Step)
