"""One order's life as lanes and as a list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orders.domain.order import OrderKey
from orders.domain.parcels import WHOLE_ORDER, News, What
from orders.domain.saga import Approval, Cancellation, Facts, Outcome, Step
from orders.domain.units import CustomerId, Millis
from spillway.operate.console.timeline import WIDTH, timeline
from spillway.operate.logs.reading import Line, Read
from spillway.operate.orders.reading import Life
from spillway.target.records import Record, Size
from tests.builders import CUSTOMER, NOW, order_id


def a_life(facts: Facts, *lines: Line, accepted_at: Millis | None = NOW) -> Life:
    record = Record(OrderKey(CUSTOMER, order_id()), accepted_at, Size(2, 905, "GBP"), facts)
    return Life(record, Read(lines, complete=True), {})


def line(at: int, function: str, outcome: str, **fields: Any) -> Line:
    return Line(at, function, {"step": "deliver", "outcome": outcome, **fields})


CONFIRMED = Facts(
    {
        Step.RESERVE: Outcome(Millis(NOW + 1_000), "R-1"),
        Step.SHIP: Outcome(Millis(NOW + 3_000), "S-1"),
        Step.POST: Outcome(Millis(NOW + 4_000), "P-1"),
    }
)


def test_each_step_has_a_lane_from_when_it_was_owed_to_its_outcome() -> None:
    drawn = timeline(a_life(CONFIRMED), NOW + 60_000)
    lanes = {lane.step: (lane.x, lane.x + lane.width, lane.label) for lane in drawn.lanes}
    assert lanes == {
        "reserve": (0.0, 250.0, "done after 1 s"),
        "ship": (250.0, 750.0, "done after 2 s"),
        "post": (250.0, WIDTH, "done after 3 s"),
    }
    assert drawn.ticks[-1] == "4 s"


def test_what_is_owed_goes_on_to_now_with_each_attempt_and_why_it_failed() -> None:
    facts = Facts({Step.RESERVE: Outcome(Millis(NOW + 1_000))})
    attempts = [
        line(NOW + 2_000, "deliver-fulfilment", "postponed", command="ship", detail="503"),
        line(NOW + 4_000, "deliver-fulfilment", "postponed", command="ship", attempt=2),
    ]
    drawn = timeline(a_life(facts, *attempts), NOW + 10_000)
    ship = next(lane for lane in drawn.lanes if lane.step == "ship")
    assert (ship.x, ship.x + ship.width) == (100.0, WIDTH)
    assert [(mark.x, mark.kind, mark.label) for mark in ship.marks] == [
        (200.0, "again", "attempt 1: 503"),
        (400.0, "again", "attempt 2: postponed"),
    ]
    assert ship.label == "owed for 9 s, 2 attempts"
    assert drawn.ticks[-1] == "10 s"


def test_an_attempt_whose_good_news_was_not_logged_is_counted_where_others_were() -> None:
    """A stage may log good news of one order in N only."""
    failed = line(NOW + 2_000, "deliver-fulfilment", "postponed", command="ship", detail="503")
    answered = line(NOW + 3_000, "deliver-fulfilment", "done", command="ship", attempt=2)
    assert a_life(CONFIRMED).attempts == {}
    assert a_life(CONFIRMED, failed).attempts == {"ship": 2}
    assert a_life(CONFIRMED, failed, answered).attempts == {"ship": 2}
    ship = next(one for one in timeline(a_life(CONFIRMED, failed), NOW).lanes if one.step == "ship")
    assert ship.label == "done after 2 s, 2 attempts"


def test_what_the_express_path_did_says_so_and_so_does_what_it_could_not() -> None:
    reserved = line(NOW + 1_001, "deliver-inventory", "done", command="reserve", express=[])
    noted = (Step.RESERVE, Step.SHIP)
    life = a_life(CONFIRMED)
    drawn = timeline(replace(life, record=replace(life.record, express=noted)), NOW + 9_000)
    assert [lane.label for lane in drawn.lanes] == [
        "done after 1 s, express path",
        "done after 2 s, express path",
        "done after 3 s",
    ]
    assert [entry.detail for entry in drawn.entries[1:]] == [
        "R-1 · express path",
        "S-1 · express path",
        "P-1",
    ]
    tried = timeline(a_life(CONFIRMED, reserved), NOW + 9_000).entries[1]
    assert tried.detail == "R-1 · express path: no further answer in time"


def test_a_message_that_was_dead_lettered_stands_out() -> None:
    failed = line(NOW + 900, "deliver-inventory", "dead_lettered", command="reserve", detail="401")
    drawn = timeline(a_life(Facts(), failed), NOW + 1_000)
    assert [mark.kind for mark in drawn.lanes[0].marks] == ["dead"]
    assert drawn.entries[-1].tone == "bad"


def test_the_list_is_in_the_order_of_time_and_says_nothing_twice() -> None:
    facts = Facts(
        {
            Step.RESERVE: Outcome(Millis(NOW + 1_000), refusal="out_of_stock"),
            Step.REFUND: Outcome(Millis(NOW + 2_000)),
        },
        Cancellation(Millis(NOW + 500), before_reservation=True),
    )
    lines = [
        Line(NOW + 80, "intake", {"step": "intake", "outcome": "accepted"}),
        line(NOW + 1_001, "deliver-inventory", "refused", command="reserve", duration_ms=12),
        line(NOW + 2_001, "deliver-accounting", "done", command="refund", attempt=3),
    ]
    drawn = timeline(a_life(facts, *lines), NOW + 9_000)
    assert [
        (entry.at - drawn.began, entry.who, entry.what, entry.detail) for entry in drawn.entries
    ] == [
        (0, "intake", "accepted", ""),
        (500, "customer", "requested cancellation", "outcome: done"),
        (1_000, "inventory", "reserve: out of stock", "12 ms"),
        (2_000, "accounting", "refund: done", "attempt 3"),
    ]


def test_a_held_order_owes_nothing_until_it_is_released() -> None:
    held = Facts(held_until=Millis(NOW + 9_000))
    assert timeline(a_life(held), NOW + 1_000).lanes == []
    released = replace(held, approval=Approval(Millis(NOW + 5_000), "released", CustomerId("boss")))
    drawn = timeline(a_life(released), NOW + 10_000)
    assert [(lane.step, lane.x) for lane in drawn.lanes] == [(Step.RESERVE, WIDTH / 2)]
    assert [(entry.who, entry.what, entry.tone) for entry in drawn.entries[1:]] == [
        ("approver", "released", "good")
    ]


def test_news_of_parcels_are_told_and_take_no_room_from_the_steps() -> None:
    day = 86_400_000
    news = [
        News("A_1", What.SHIPPED, Millis(NOW + day), "DHL", "00340", 2),
        News(WHOLE_ORDER, What.RETURNED, Millis(NOW + 9 * day)),
    ]
    shipped = replace(CONFIRMED, news={news[0].key: news[0]})
    said = line(NOW + day, "outcomes", "shipped", command="ship")
    drawn = timeline(a_life(shipped, said), NOW + 2 * day)
    assert (drawn.ticks[-1], drawn.lasted) == ("4 s", "4 s")
    assert [(entry.who, entry.what, entry.detail) for entry in drawn.entries[-1:]] == [
        ("fulfilment", "parcel A_1: shipped", "DHL · 00340 · of 2 parcels")
    ]
    returned = replace(CONFIRMED, news={one.key: one for one in news})
    drawn = timeline(a_life(returned), NOW + 10 * day)
    refund = drawn.lanes[-1]
    assert (refund.step, refund.state, refund.x) == (Step.REFUND, "owed", 0.9 * WIDTH)
    assert drawn.entries[-1].what == "the whole order: returned"
    assert drawn.lasted == "4 s"


def test_an_order_of_which_only_progress_is_there_is_drawn_all_the_same() -> None:
    drawn = timeline(a_life(CONFIRMED, accepted_at=None), NOW + 9_000)
    assert len(drawn.lanes) == 3
    assert all(0 <= lane.x <= lane.x + lane.width <= WIDTH for lane in drawn.lanes)


def test_a_clock_that_is_behind_leaves_everything_in_the_drawing() -> None:
    drawn = timeline(a_life(Facts({Step.RESERVE: Outcome(Millis(NOW - 5_000))})), NOW - 1)
    assert all(0 <= lane.x <= WIDTH and lane.width >= 0 for lane in drawn.lanes)
