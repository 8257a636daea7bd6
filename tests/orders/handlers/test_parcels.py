"""What fulfilment tells of an order's parcels is on record once, if it can be true; what cannot is
kept for a person. A returned order owes its refund, and stays confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from orders.aws import items
from orders.domain import saga
from orders.domain.events import all_true, became_true
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.parcels import PARCELS_MAX, TEXT_MAX, News, What
from orders.domain.saga import Approval, Facts, Outcome, Step
from orders.domain.status import Status, status
from orders.domain.units import Millis
from orders.downstream.description import described
from orders.downstream.keys import correlation_id
from orders.flow.relay import called_for
from orders.ports import Command
from simulation.world.table import MemoryOrders
from spillway.operate.customers.erasing import erased_items, without_people
from tests.builders import NOW, accepted, order_id, order_key
from tests.orders.handlers.test_outcomes import Bench

LATER = described("fulfilment-later", "fulfilment").outcomes
assert LATER is not None


def says(key: OrderKey, status: str, step: Step = Step.SHIP, **more: object) -> str:
    named = {"correlation_id": correlation_id(Command(key, step)), "status": status}
    return msgspec.json.encode(named | more).decode()


class Parcels(Bench):
    """`fulfilment-later` on its queue."""

    def __init__(self, orders: MemoryOrders | None = None) -> None:
        super().__init__(orders)
        assert LATER is not None
        self.tellers["fulfilment"] = self.telling("fulfilment", LATER)

    def tell(self, key: OrderKey, status: str, step: Step = Step.SHIP, **more: object) -> str:
        """Why it was kept for a person, empty where it was taken."""
        before = len(self.kept)
        assert self.receive("fulfilment", says(key, status, step, **more)) == []
        return self.kept[-1][1] if len(self.kept) > before else ""

    @property
    def kept(self) -> list[tuple[str, str]]:
        return self.inboxes["fulfilment"].dead_letters

    def confirmed(self) -> OrderKey:
        return self.order(Step.RESERVE, Step.SHIP, Step.POST).key

    def facts(self, key: OrderKey) -> Facts:
        return self.orders.facts(key)


@pytest.fixture
def bench() -> Parcels:
    return Parcels()


def test_what_becomes_of_each_parcel_is_on_record_as_it_was_told(bench: Parcels) -> None:
    key = bench.confirmed()
    shipped: dict[str, Any] = {
        "parcel": "1",
        "parcels": 2,
        "carrier": "DHL",
        "tracking_number": "00340 Ä",
    }
    assert not bench.tell(key, "shipped", **shipped)
    assert not bench.tell(key, "shipped", parcel=2, tracking_number=17)
    assert not bench.tell(key, "returned", Step.RECALL_SHIPMENT, parcel="1")
    assert not bench.tell(key, "delivered", Step.CANCEL_SHIPMENT, parcel="1")
    news = [
        News("1", What.SHIPPED, NOW, "DHL", "00340 Ä", 2),
        News("2", What.SHIPPED, NOW, tracking_number="17"),
        News("1", What.RETURNED, NOW),
        News("1", What.DELIVERED, NOW),
    ]
    assert bench.facts(key).news == {one.key: one for one in news}
    assert bench.outcomes() == ["shipped", "shipped", "returned", "delivered"]
    assert saga.at_rest(bench.facts(key))


def test_news_that_come_again_are_passed_over(bench: Parcels) -> None:
    key = bench.confirmed()
    for _ in range(3):
        assert not bench.tell(key, "shipped", parcel="1", carrier="DHL")
    assert bench.outcomes() == ["shipped"]


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        ({"parcel": "1", "carrier": "DHL"}, {"parcel": "1", "carrier": "UPS"}, "other content"),
        ({"parcel": "1"}, {"parcel": "1", "tracking_number": "7"}, "other content"),
        ({"parcel": "1", "parcels": 2}, {"parcel": "2", "parcels": 3}, "has 3 parcels, and 2"),
        ({"parcel": "1", "parcels": 1}, {"parcel": "2"}, "has at most 1"),
        ({"parcel": "1"}, {"parcel": "2", "parcels": 1}, "has at most 1"),
    ],
)
def test_what_contradicts_what_is_on_record_is_kept_for_a_person(
    bench: Parcels, first: dict[str, Any], then: dict[str, Any], why: str
) -> None:
    key = bench.confirmed()
    assert not bench.tell(key, "shipped", **first)
    before = bench.facts(key)
    assert why in bench.tell(key, "shipped", **then)
    assert bench.facts(key) == before
    # Not `contradicted`, which rings for two effects of one step.
    assert bench.outcomes() == ["shipped", "dead_lettered"]


def test_an_order_has_so_many_parcels_and_no_more_and_its_item_has_room_for_them(
    bench: Parcels,
) -> None:
    key = bench.confirmed()
    longest = "\N{OLD PERSIAN SIGN A}" * TEXT_MAX
    item = items.progress_key(key)
    for number in range(PARCELS_MAX):
        parcel = f"{number:03}{longest}"[:TEXT_MAX]
        shipped = News(parcel, What.SHIPPED, NOW, longest, longest, PARCELS_MAX)
        for news in (
            shipped,
            *(News(parcel, what, NOW, parcels=PARCELS_MAX) for what in [*What][1:]),
        ):
            item[items.news_name(news)] = items.news_attribute(news)
    assert len(msgspec.json.encode(item)) < 250_000
    item[items.NEWS] = {"N": str(3 * PARCELS_MAX)}
    item["reserve"] = items.outcome_attribute(Outcome(NOW))
    bench.orders.client.put_item(TableName=bench.orders.table, Item=item)
    assert not bench.tell(
        key, "shipped", parcel=parcel, carrier=longest, tracking_number=longest, parcels=PARCELS_MAX
    )
    assert "would have 101 parcels" in bench.tell(key, "shipped", parcel="one more")
    assert not bench.tell(key, "order_returned", parcels=PARCELS_MAX)
    assert len(bench.facts(key).news) == 3 * PARCELS_MAX + 1


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"status": "shipped"}, "its parcel's number is missing"),
        ({"status": "shipped", "parcel": ""}, "its parcel's number is missing"),
        # Read as one of all of the order, each of these would have its money go back.
        ({"status": "returned"}, "its parcel's number is missing"),
        ({"status": "returned", "parcle": "1", "parcels": 2}, "its parcel's number is missing"),
        ({"status": "returned", "parcel": None}, "its parcel's number is missing"),
        ({"status": "returned", "parcel": ""}, "its parcel's number is missing"),
        ({"status": "order_returned", "parcel": "1"}, "and it names a parcel"),
        ({"status": "returned", "parcel": []}, "its parcel is no text"),
        ({"status": "returned", "parcel": False}, "its parcel is no text"),
        ({"status": "shipped", "parcel": "x" * (TEXT_MAX + 1)}, "its parcel is no text"),
        ({"status": "shipped", "parcel": True}, "its parcel is no text"),
        ({"status": "shipped", "parcel": {"id": "1"}}, "its parcel is no text"),
        ({"status": "shipped", "parcel": "a\nb"}, "its parcel is no text"),
        ({"status": "returned", "parcel": " "}, "its parcel is no text"),
        ({"status": "shipped", "parcel": "1", "carrier": ["DHL"]}, "its carrier is no text"),
        ({"status": "shipped", "parcel": "1", "tracking_number": "7" * 101}, "its tracking number"),
        ({"status": "shipped", "parcel": "1", "parcels": 0}, "its count of parcels is not 1 to"),
        ({"status": "shipped", "parcel": "1", "parcels": 101}, "its count of parcels is not 1 to"),
        ({"status": "shipped", "parcel": "1", "parcels": -1}, "its count of parcels is not 1 to"),
        ({"status": "shipped", "parcel": "1", "parcels": "٢"}, "its count of parcels is not 1 to"),
        ({"status": "shipped", "parcel": "1", "parcels": True}, "its count of parcels is no text"),
    ],
)
def test_what_would_have_to_be_cut_or_guessed_at_is_kept_as_it_came(
    bench: Parcels, told: dict[str, Any], why: str
) -> None:
    key = bench.confirmed()
    assert why in bench.tell(key, **told)
    assert bench.kept[-1][0] == says(key, **told)
    assert bench.facts(key).news == {}


def test_a_parcel_of_an_order_that_none_can_be_of_is_kept_for_a_person(bench: Parcels) -> None:
    refused = bench.order(Step.RESERVE, Step.POST).key
    bench.orders.record(refused, {Step.SHIP: Outcome(NOW, refusal="undeliverable")})
    cancelled = bench.order().key
    bench.orders.request_cancellation(cancelled, NOW, reserved=False)
    cases = [
        (order_key("nobody", order_id()), Step.SHIP, "there is no such order"),
        (bench.order().key, Step.SHIP, "was never commanded to be shipped"),
        (cancelled, Step.SHIP, "was never commanded to be shipped"),
        (refused, Step.SHIP, "it has refused to ship this order"),
        (bench.confirmed(), Step.POST, "post is nothing that fulfilment does"),
        (bench.confirmed(), Step.RESERVE, "reserve is nothing that fulfilment does"),
    ]
    for key, step, why in cases:
        assert why in bench.tell(key, "shipped", step, parcel="1")
    assert {"shipped", "returned"}.isdisjoint(bench.outcomes())
    assert bench.outcomes().count("contradicted") == 1
    # From there it is moved to the queue when it can be taken.
    text, _ = bench.kept[1]
    placed = cases[1][0]
    bench.orders.record(placed, {Step.RESERVE: Outcome(NOW)})
    assert bench.receive("fulfilment", text) == []
    assert (What.SHIPPED, "1") in bench.facts(placed).news


def test_an_archived_order_s_parcel_is_for_a_person(bench: Parcels) -> None:
    order = bench.order()
    object.__setattr__(bench.orders, "archive", None)  # as the function is wired
    stub = items.stub_item(order.key, items.Location("2026/11/23", "1", 1, 1))
    bench.orders.client.put_item(TableName=bench.orders.table, Item=stub)
    assert "has left the table" in bench.tell(order.key, "returned", parcel="1")


def test_a_tracking_number_that_was_erased_does_not_come_back(bench: Parcels) -> None:
    order = bench.order(Step.RESERVE, Step.SHIP, Step.POST)
    first: dict[str, Any] = {
        "parcel": "1",
        "carrier": "DHL",
        "tracking_number": "00340",
        "parcels": 2,
    }
    assert not bench.tell(order.key, "shipped", **first)
    erase(bench.orders, order)
    # Told again it is on record, and nothing holds the number; another carrier still contradicts.
    assert not bench.tell(order.key, "shipped", **first)
    assert not bench.tell(order.key, "shipped", parcel="2", tracking_number="00341")
    left = News("1", What.SHIPPED, NOW, "DHL", parcels=2), News("2", What.SHIPPED, NOW)
    assert bench.facts(order.key).news == {one.key: one for one in left}
    assert bench.outcomes() == ["shipped", "shipped"]
    assert "other content" in bench.tell(order.key, "shipped", parcel="1", carrier="UPS")


def erase(orders: MemoryOrders, order: AcceptedOrder) -> None:
    at = items.progress_key(order.key)
    progress = orders.client.get_item(TableName=orders.table, Key=at)["Item"]
    for left in (erased_items(items.order_item(order), NOW), without_people(progress)):
        orders.client.put_item(TableName=orders.table, Item=left)


def test_news_may_come_before_the_answer_to_the_command(bench: Parcels) -> None:
    reserved = bench.order(Step.RESERVE).key
    assert not bench.tell(reserved, "shipped", parcel="1")
    express = replace(accepted(), express=True)
    bench.orders.place(express)
    assert not bench.tell(express.key, "shipped", parcel="1")
    assert saga.owed(bench.facts(express.key)) == {Step.RESERVE}
    # While it is held, nothing has been commanded.
    held = replace(accepted(), express=True, held_until=Millis(NOW + 1))
    bench.orders.client.put_item(TableName=bench.orders.table, Item=items.order_item(held))
    progress = items.held_progress_item(held)
    bench.orders.client.put_item(TableName=bench.orders.table, Item=progress)
    assert "never commanded" in bench.tell(held.key, "shipped", parcel="1")
    bench.orders.decide(held.key, Approval(NOW, "released"))
    assert not bench.tell(held.key, "shipped", parcel="1")


class TwoWriters(MemoryOrders):
    """Another copy of the function writes its news between this one's read and its write."""

    def record_news(self, key: OrderKey, news: News) -> Facts:
        MemoryOrders.record_news(self, key, replace(news, at=Millis(news.at - 1), **OTHER))
        return MemoryOrders.record_news(self, key, news)


OTHER: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({}, ""),
        ({"carrier": "UPS"}, "other content"),
        ({"parcel": "2", "parcels": 3}, "has 2 parcels, and 3"),
        ({"parcel": "2"}, ""),
    ],
)
def test_of_two_who_write_at_once_the_first_stays(
    monkeypatch: pytest.MonkeyPatch, other: dict[str, Any], why: str
) -> None:
    bench = Parcels(TwoWriters())
    key = bench.confirmed()
    monkeypatch.setitem(OTHER, "carrier", "DHL")
    for name, value in other.items():
        monkeypatch.setitem(OTHER, name, value)
    assert why in bench.tell(key, "shipped", parcel="1", carrier="DHL", parcels=2)
    news = bench.facts(key).news
    assert news[What.SHIPPED, other.get("parcel", "1")].at == NOW - 1
    assert ((What.SHIPPED, "1") in news) is (other.get("parcels") is None)


ALL: dict[str, Any] = {"status": "order_returned"}
RETURNS: list[list[dict[str, Any]]] = [
    [ALL],
    [ALL | {"parcels": 3}],
    [{"parcel": "1", "parcels": 1}],
    [{"parcel": "1"}, {"parcel": "2", "parcels": 2}],
]


@pytest.mark.parametrize("returns", RETURNS)
def test_an_order_of_which_all_came_back_owes_its_refund_and_stays_confirmed(
    bench: Parcels, returns: list[dict[str, Any]]
) -> None:
    key = bench.confirmed()
    before = bench.facts(key)
    for one in returns:
        assert saga.at_rest(bench.facts(key))
        assert not bench.tell(key, **{"status": "returned"} | one)
    facts = bench.facts(key)
    assert saga.owed(facts) == {Step.REFUND}
    assert saga.settled(facts)
    assert status(facts) is Status.CONFIRMED
    bench.orders.record(key, {Step.REFUND: Outcome(NOW)})
    assert saga.at_rest(bench.facts(key))
    assert status(bench.facts(key)) is Status.CONFIRMED
    # Each is announced once, and again by a forced check with the same id and content.
    told = became_true(key, before, facts)
    assert [event.about for event in told] == [one.get("parcel") for one in returns]
    assert all_true(key, NOW, facts)[2:] == told
    assert became_true(key, facts, bench.facts(key)) == []


def test_a_part_that_came_back_is_told_and_leads_to_nothing(bench: Parcels) -> None:
    key = bench.confirmed()
    assert not bench.tell(key, "returned", parcel="1", parcels=2)
    assert not bench.tell(key, "delivered", parcel="2")
    assert saga.at_rest(bench.facts(key))
    uncounted = bench.confirmed()
    assert not bench.tell(uncounted, "returned", parcel="1")
    assert saga.at_rest(bench.facts(uncounted))


@pytest.mark.parametrize("stopped", [True, False])
def test_an_order_that_comes_back_while_it_is_cancelled_is_refunded_once(
    bench: Parcels, stopped: bool
) -> None:
    key = bench.confirmed()
    bench.orders.request_cancellation(key, NOW, reserved=True)
    assert not bench.tell(key, "order_returned")
    answer = Outcome(NOW, refusal=None if stopped else "too_late")
    bench.orders.record(key, {Step.CANCEL_SHIPMENT: answer})
    for step in sorted(saga.owed(bench.facts(key))):
        bench.orders.record(key, {step: Outcome(NOW)})
    assert saga.at_rest(bench.facts(key))
    assert status(bench.facts(key)) is (Status.CANCELLED if stopped else Status.CONFIRMED)
    given = [call.step for change in bench.orders.stream for call in called_for(change).commands]
    assert given.count(Step.REFUND) == 1
    assert given.count(Step.RELEASE) == stopped
    # Refunded or not, what comes later is on record and leads to nothing.
    assert not bench.tell(key, "delivered", parcel="1")
    assert saga.at_rest(bench.facts(key))
