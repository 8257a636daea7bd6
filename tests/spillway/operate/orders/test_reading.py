"""Orders are found by key; without one by a look through the table, bounded and right."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from orders.aws import items
from orders.domain.order import AcceptedOrder, VoidId
from orders.domain.saga import Facts, Outcome, Step
from spillway.errors import SpillwayError
from spillway.operate.orders.reading import (
    key_of,
    last_unsettled,
    life,
    newest,
    stuck,
    unsettled,
)
from spillway.target.reading import placed_here
from tests.builders import CUSTOMER, NOW, OTHER_CUSTOMER, accepted, order_id, order_key
from tests.spillway.operate.fakes import FakeLogs, FakeTable, outcome_of, service

CONFIRMED = Facts({step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)})
RESERVED = Facts({Step.RESERVE: Outcome(NOW)})


def order(customer: str = CUSTOMER) -> AcceptedOrder:
    return accepted(order_key(customer, order_id()))


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_unsettled_orders_are_found_however_their_items_fall_on_pages(page: int) -> None:
    table = FakeTable(page=page)
    new, begun, done = order(), order(), order(OTHER_CUSTOMER)
    table.add(done, outcome_of(CONFIRMED))
    table.add(new)
    table.add(begun, outcome_of(RESERVED))
    listed = unsettled(service(dynamodb=table))
    found = sorted(listed.orders, key=lambda one: one.order_id)
    assert [(one.customer_id, one.order_id, list(one.owed)) for one in found] == [
        (*astuple(new.key), ["reserve"]),
        (*astuple(begun.key), ["post", "ship"]),
    ]
    assert listed.complete


def test_where_items_lie_together_settled_orders_cost_no_second_look() -> None:
    table = FakeTable()
    for _ in range(20):
        table.add(order(), outcome_of(CONFIRMED))
    assert unsettled(service(dynamodb=table)).orders == []
    assert table.queries == 0


def test_an_id_that_was_made_void_is_no_order() -> None:
    table, void = FakeTable(), VoidId(order().key, NOW)
    table.items.append(items.void_item(void))
    aws = service(dynamodb=table)
    assert (unsettled(aws).orders, newest(aws).orders) == ([], [])
    assert life(aws, void.key) is None
    with pytest.raises(SpillwayError, match="There is no order"):
        key_of(aws, void.key.order_id)
    assert list(placed_here(table.items)) == []


def test_reading_the_table_ends_at_its_limit_and_says_so() -> None:
    table = FakeTable(page=2)
    for _ in range(6):
        table.add(order())
    few = unsettled(service(dynamodb=table), limit=3)
    assert (len(few.orders), few.complete) == (3, False)
    part = unsettled(service(dynamodb=table), items_max=2)
    assert (len(part.orders), part.complete) == (2, False)


def test_an_order_is_found_by_its_id_alone() -> None:
    table, wanted = FakeTable(page=2), order(OTHER_CUSTOMER)
    for _ in range(5):
        table.add(order(), outcome_of(CONFIRMED))
    table.add(wanted)
    aws = service(dynamodb=table)
    assert key_of(aws, wanted.key.order_id) == wanted.key
    with pytest.raises(SpillwayError, match="There is no order"):
        key_of(aws, order_id())
    with pytest.raises(SpillwayError, match="first 4 items"):
        key_of(aws, wanted.key.order_id, items_max=4)


def test_stuck_orders_are_those_that_the_watchdog_last_found_and_no_delivery_has_settled() -> None:
    logs, now = FakeLogs(), NOW / 1000 + 4_000
    stands = {"customer": "c", "status": "accepted", "owed": ["post"]}
    for id_, at, age in (("still", 1_000, 60), ("still", 2_000, 90), ("over", 1_500, 70)):
        logs.say(
            "watchdog",
            NOW + at,
            step="watchdog",
            outcome="stuck",
            order_id=id_,
            unsettled_s=age,
            **stands,
        )
    logs.say(
        "deliver-accounting",
        NOW + 3_000,
        step="deliver",
        outcome="done",
        order_id="over",
        customer="c",
        status="confirmed",
        settle_ms=9,
    )
    [found] = stuck(service(logs=logs), now=lambda: now).orders
    assert (found.order_id, found.waits_for) == ("still", ["accounting"])
    assert found.accepted_at == NOW + 2_000 - 90_000


def test_an_order_is_unsettled_until_a_delivery_settles_it_however_long_ago_that_was_said() -> None:
    logs = FakeLogs()
    for name, settled in (("still", False), ("since", True)):
        said = {"step": "deliver", "outcome": "x", "order_id": name, "customer": "c"}
        logs.say("deliver-accounting", NOW, unsettled_s=5, **said)
        logs.say("deliver-accounting", NOW + 8_000, unsettled_s=13, **said)
        if settled:
            logs.say("deliver-accounting", NOW + 9_000, status="confirmed", settle_ms=1, **said)
    still = last_unsettled(service(logs=logs), NOW, ("deliver-accounting", "watchdog"))
    assert [(line.fields["order_id"], line.fields["unsettled_s"]) for line in still.lines] == [
        ("still", 13)
    ]
