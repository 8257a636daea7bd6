"""Orders are found by key; without one by a look through the table, bounded and right."""

from __future__ import annotations

import pytest

from orders.aws import items
from orders.domain.order import AcceptedOrder, VoidId
from orders.domain.saga import Facts, Outcome, Step
from spillway.errors import SpillwayError
from spillway.operate.orders.finding import find, key_of
from spillway.operate.orders.reading import last_unsettled, life, still_open, stuck
from spillway.target.reading import placed_here
from tests.builders import CUSTOMER, NOW, accepted, order_id, order_key
from tests.spillway.archived import BUCKET, FakeS3, archived
from tests.spillway.operate.fakes import FakeLogs, FakeStacks, FakeTable, outcome_of, service

CONFIRMED = Facts({step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)})
RESERVED = Facts({Step.RESERVE: Outcome(NOW)})


def order(customer: str = CUSTOMER) -> AcceptedOrder:
    return accepted(order_key(customer, order_id()))


def test_an_id_that_was_made_void_is_no_order() -> None:
    table, void = FakeTable(), VoidId(order().key, NOW)
    table.items.append(items.void_item(void))
    aws = service(dynamodb=table)
    assert find(aws).orders == []
    assert life(aws, void.key) is None
    with pytest.raises(SpillwayError, match="There is no order"):
        key_of(aws, void.key.order_id)
    assert list(placed_here(table.items)) == []


def test_an_archived_order_is_found_and_shown_and_owes_nothing() -> None:
    table, s3, logs = FakeTable(), FakeS3(), FakeLogs()
    wanted = order()
    table.add(wanted, outcome_of(CONFIRMED))
    [stub] = archived(s3, (table.items[0], table.items[1]))
    table.items[:] = [stub]
    stacks = FakeStacks(ArchiveBucketName=BUCKET)
    aws = service(dynamodb=table, s3=s3, logs=logs, cloudformation=stacks)

    assert key_of(aws, wanted.key.order_id) == wanted.key
    assert find(aws, unsettled_only=True).orders == []
    assert s3.gets == 0  # a search reads no archive
    assert still_open(aws, wanted.key) is None
    shown = life(aws, wanted.key)
    assert shown is not None
    assert (shown.summary.status, shown.record.order) == ("confirmed", wanted.order)
    assert shown.record.archived == next(iter(s3.objects))


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
