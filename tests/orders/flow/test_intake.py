"""intake accepts an order once, refuses what breaks a rule, and takes cancellation requests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orders.aws import items
from orders.domain.book import Coupon
from orders.domain.coupon_limits import Use
from orders.domain.order import Address, OrderKey, VoidId
from orders.domain.refusals import STORED_ORDERS_MAY_BREAK, Rule
from orders.domain.saga import Outcome, Step
from orders.domain.status import Status, status
from orders.domain.text import normalised
from orders.domain.void import is_proven
from orders.failures import TransientFailure
from orders.flow.drain import Drain
from orders.flow.intake import Acknowledged, CancellationTaken, Intake, MadeVoid, Refused
from simulation.world.runtime import FixedSigningKeys, MemoryOverflow, SetClock
from simulation.world.table import MemoryOrders, ThrottledOrders
from tests.builders import (
    CUSTOMER,
    FREE,
    KEY,
    KEY_ID,
    NOW,
    OTHER_CUSTOMER,
    accepted,
    an_intake,
    an_order,
    content,
    line,
    order_id,
    order_key,
)

DAY = 86_400_000


@pytest.fixture
def orders() -> MemoryOrders:
    return MemoryOrders()


@pytest.fixture
def intake(orders: MemoryOrders) -> Intake:
    return an_intake(orders)


def key(customer: str = CUSTOMER) -> OrderKey:
    return order_key(customer, order_id())


def place(intake: Intake, key: OrderKey, *, wholesale: bool = False, **fields: object) -> object:
    sent = content(key.order_id, customer_id=key.customer_id, **fields)
    return intake.place(key, sent.order, sent.digest, wholesale_allowed=wholesale)


def rules(result: object) -> list[Rule]:
    assert isinstance(result, Refused)
    return [refusal.rule for refusal in result.refusals]


def test_a_new_order_is_in_the_table_when_it_is_acknowledged(
    intake: Intake, orders: MemoryOrders
) -> None:
    one = key()
    result = place(intake, one)
    assert isinstance(result, Acknowledged)
    assert result.stored == "placed"
    assert orders.find(one) == result.order


def test_the_same_order_again_is_acknowledged_as_the_one_it_is(intake: Intake) -> None:
    one = key()
    first, second = place(intake, one), place(intake, one)
    assert isinstance(first, Acknowledged)
    assert second == replace(first, stored="there")


YAMADA = {
    "name": "山田\u3000太郎",
    "lines": ["1-2-3\u00a0Kanda", " 4F "],
    "city": "千代田区",
    "postal_code": "101-0041",
    "country": "JP",
    "state": "東京都\u3000",
    "phone": "\u202a+81 3 1234 5678\u202c",
}


def test_what_people_wrote_is_stored_in_its_normal_form(
    intake: Intake, orders: MemoryOrders
) -> None:
    one = key()
    place(
        intake, one, wholesale=True, channel="wholesale", purchase_order="A\u202f1", address=YAMADA
    )
    there = orders.find(one)
    assert there is not None
    assert there.order.purchase_order == "A 1"
    assert there.order.address == Address(
        name="山田 太郎",
        lines=("1-2-3 Kanda", "4F"),
        city="千代田区",
        country="JP",
        postal_code="101-0041",
        state="東京都",
        phone="+81 3 1234 5678",
    )


def test_the_same_content_is_the_same_as_it_was_sent_and_not_as_it_is_stored(
    intake: Intake, orders: MemoryOrders
) -> None:
    """A client sends the same bytes until it is answered, and the digest is of those."""
    one = key()
    first, again = place(intake, one, address=YAMADA), place(intake, one, address=YAMADA)
    assert isinstance(first, Acknowledged)
    assert again == replace(first, stored="there")
    tidied = {**YAMADA, "name": "山田 太郎"}
    assert rules(place(intake, one, address=tidied)) == [Rule.ORDER_ID_TAKEN]


VECTORS = json.loads(
    (Path(__file__).parents[3] / "docs" / "contracts" / "vectors" / "text.json").read_text()
)


@pytest.mark.parametrize("field", ["name", "city", "postal_code", "state", "phone", "email"])
def test_every_field_of_an_address_takes_what_the_vectors_say(intake: Intake, field: str) -> None:
    for vector in VECTORS["accepted"]:
        result = place(intake, key(), address={**YAMADA, field: vector["written"]})
        assert isinstance(result, Acknowledged), vector
        assert getattr(result.order.order.address, field) == vector["stored"]
    for vector in VECTORS["refused"]:
        if normalised(vector["written"]) or field in ("name", "city"):
            text = vector["written"]
            order = an_order()
            address = replace(order.address, **{field: text})
            one = key()
            refused = intake.place(
                one, replace(order, address=address), b"digest", wholesale_allowed=False
            )
            assert Rule.TEXT_INVALID in rules(refused), vector


def test_another_order_under_the_same_id_is_refused_and_changes_nothing(
    intake: Intake, orders: MemoryOrders
) -> None:
    one = key()
    place(intake, one)
    before = orders.find(one)
    assert rules(place(intake, one, lines=[line(quantity=3)])) == [Rule.ORDER_ID_TAKEN]
    assert orders.find(one) == before


def test_two_customers_may_have_made_the_same_id(intake: Intake) -> None:
    ada = key()
    bob = order_key(OTHER_CUSTOMER, ada.order_id)
    for one in (ada, bob):
        result = place(intake, one)
        assert isinstance(result, Acknowledged)
        assert result.stored == "placed"


def test_a_refused_order_leaves_nothing_behind(intake: Intake, orders: MemoryOrders) -> None:
    one = key()
    assert rules(place(intake, one, lines=[line(quantity=0)])) == [Rule.QUANTITY_OUT_OF_RANGE]
    assert orders.find(one) is None
    assert orders.stream == []


def test_a_retry_is_answered_even_when_time_has_broken_a_rule(
    intake: Intake, orders: MemoryOrders
) -> None:
    one = key()
    place(intake, one, wholesale=True, channel="wholesale", purchase_order="PO-1")
    later = replace(intake, receipt_keys=FixedSigningKeys({}), clock=SetClock(NOW + 2 * DAY))
    result = place(later, one, channel="wholesale", purchase_order="PO-1")
    assert isinstance(result, Acknowledged)
    assert result.stored == "there"


@pytest.mark.parametrize(
    "change",
    [
        {"currencies": frozenset({"EUR"})},
        {"receipt_keys": FixedSigningKeys({})},
        {"receipt_keys": FixedSigningKeys({KEY_ID: b"another secret"})},
        {"clock": SetClock(NOW + 2 * DAY)},
        {"clock": SetClock(NOW - DAY)},
    ],
    ids=["currency dropped", "key retired", "key replaced", "id grown old", "clock behind"],
)
def test_a_changed_setting_refuses_new_orders_and_answers_the_retry_of_a_stored_one(
    intake: Intake, change: dict[str, Any]
) -> None:
    one = key()
    place(intake, one)
    changed = replace(intake, **change)
    result = place(changed, one)
    assert isinstance(result, Acknowledged)
    assert result.stored == "there"
    [rule] = rules(place(changed, key()))
    assert rule in STORED_ORDERS_MAY_BREAK


def test_an_old_id_that_is_not_in_the_table_is_refused(intake: Intake) -> None:
    old = order_key(CUSTOMER, order_id(NOW - 2 * DAY))
    assert rules(place(intake, old)) == [Rule.ORDER_ID_TOO_OLD]


def test_an_old_id_with_other_content_is_a_clash(intake: Intake, orders: MemoryOrders) -> None:
    one = key()
    place(intake, one)
    later = replace(intake, clock=SetClock(NOW + 2 * DAY))
    assert rules(place(later, one, lines=[line(quantity=9)])) == [Rule.ORDER_ID_TAKEN]


def test_an_order_that_the_table_will_not_take_is_buffered_and_acknowledged() -> None:
    intake = an_intake(ThrottledOrders())
    one = key()
    result = place(intake, one)
    assert isinstance(result, Acknowledged)
    assert result.stored == "buffered"
    assert intake.overflow == MemoryOverflow([result.order])


def test_an_order_that_neither_takes_is_a_failure_and_stored_nowhere() -> None:
    overflow = MemoryOverflow(failing=True)
    intake = an_intake(ThrottledOrders(), overflow)
    with pytest.raises(TransientFailure):
        place(intake, key())
    assert overflow.buffered == []


def test_a_refused_order_never_overflows() -> None:
    overflow = MemoryOverflow()
    intake = an_intake(ThrottledOrders(), overflow)
    assert rules(place(intake, key(), lines=[line(quantity=0)])) == [Rule.QUANTITY_OUT_OF_RANGE]
    assert overflow.buffered == []


def test_a_cancellation_is_written_once_on_its_side_of_the_reservation(
    intake: Intake, orders: MemoryOrders
) -> None:
    early, late = key(), key()
    place(intake, early)
    place(intake, late)
    orders.record(late, {Step.RESERVE: Outcome(NOW)})
    for one, before_reservation in ((early, True), (late, False)):
        first, second = intake.cancel(one), intake.cancel(one)
        assert first == second
        assert isinstance(first, CancellationTaken)
        assert first.facts.cancellation is not None
        assert first.facts.cancellation.before_reservation is before_reservation


def test_a_confirmed_order_can_still_ask_to_be_cancelled(
    intake: Intake, orders: MemoryOrders
) -> None:
    one = key()
    place(intake, one)
    for step in (Step.RESERVE, Step.SHIP, Step.POST):
        orders.record(one, {step: Outcome(NOW)})
    result = intake.cancel(one)
    assert isinstance(result, CancellationTaken)
    assert status(result.facts) is Status.CANCELLING


def test_a_rejected_order_has_nothing_to_cancel(intake: Intake, orders: MemoryOrders) -> None:
    one = key()
    place(intake, one)
    orders.record(one, {Step.RESERVE: Outcome(NOW, refusal="out_of_stock")})
    assert rules(intake.cancel(one)) == [Rule.ORDER_REJECTED]


def test_another_customers_order_is_not_there_to_cancel(
    intake: Intake, orders: MemoryOrders
) -> None:
    one = key()
    place(intake, one)
    writes = len(orders.stream)
    assert rules(intake.cancel(order_key(OTHER_CUSTOMER, one.order_id))) == [Rule.ORDER_NOT_FOUND]
    assert len(orders.stream) == writes


def proven(result: object) -> bool:
    """Whether this is the proof that no order will be accepted."""
    assert isinstance(result, MadeVoid)
    return any(is_proven(proof, result.key, {KEY_ID: KEY}) for proof in result.proofs)


@pytest.mark.parametrize("age", [0, DAY, 29 * DAY], ids=["new", "a day", "a month"])
def test_an_id_without_an_order_is_made_void_whatever_its_age(
    intake: Intake, orders: MemoryOrders, age: int
) -> None:
    """An order may wait in the overflow queue for longer than its id counts."""
    one = order_key(CUSTOMER, order_id(NOW - age))
    assert proven(intake.cancel_or_void(one))
    assert proven(intake.cancel_or_void(one))
    assert isinstance(orders.place(accepted(one)), VoidId)


def test_no_order_is_accepted_under_a_void_id(intake: Intake, orders: MemoryOrders) -> None:
    one = key()
    intake.cancel_or_void(one)
    assert rules(place(intake, one)) == [Rule.ORDER_ID_VOID]
    assert rules(intake.cancel(one)) == [Rule.ORDER_NOT_FOUND]
    assert orders.find(one) is None
    assert orders.stream == []


def test_another_customers_order_of_a_void_id_is_accepted(intake: Intake) -> None:
    one = key()
    intake.cancel_or_void(one)
    assert isinstance(place(intake, order_key(OTHER_CUSTOMER, one.order_id)), Acknowledged)


def test_a_stored_order_is_cancelled_and_there_is_no_proof(
    intake: Intake, orders: MemoryOrders
) -> None:
    one = key()
    place(intake, one)
    result = intake.cancel_or_void(one)
    assert isinstance(result, CancellationTaken)
    assert status(result.facts) is Status.CANCELLING
    orders.record(one, {Step.RESERVE: Outcome(NOW, refusal="out_of_stock")})
    assert rules(intake.cancel_or_void(one)) == [Rule.ORDER_REJECTED]


@pytest.mark.parametrize(
    ("id_", "rule"),
    [
        (order_id(NOW + 5 * 60_000 + 1), Rule.ORDER_ID_IN_FUTURE),
        (order_id().upper(), Rule.ORDER_ID_INVALID),
        ("", Rule.ORDER_ID_INVALID),
    ],
)
def test_what_no_order_can_be_made_under_now_is_not_made_void(
    intake: Intake, orders: MemoryOrders, id_: str, rule: Rule
) -> None:
    """An id of next year would be good again when the void id has expired."""
    one = order_key(CUSTOMER, id_)
    assert rules(intake.cancel_or_void(one)) == [rule]
    if id_:
        key = items.order_key(one)
        assert "Item" not in orders.client.get_item(TableName=orders.table, Key=key)


def test_an_order_that_overflowed_loses_against_its_void_id_and_the_reverse() -> None:
    orders, overflow, one = MemoryOrders(), MemoryOverflow(), key()
    place(an_intake(ThrottledOrders(), overflow), one)
    [waiting] = overflow.buffered
    assert proven(an_intake(orders).cancel_or_void(one))
    assert Drain(orders).place(waiting) == "void"
    orders = MemoryOrders()
    Drain(orders).place(waiting)
    assert isinstance(an_intake(orders).cancel_or_void(one), CancellationTaken)


WHOLESALE: dict[str, Any] = {"channel": "wholesale", "purchase_order": "PO-1"}
NEXT_KEY_ID, NEXT_KEY = "v2.k2", b"the gateway's next key for tests"


@pytest.mark.parametrize(
    ("fields", "change", "rule"),
    [
        (
            {},
            {"receipt_keys": FixedSigningKeys({NEXT_KEY_ID: NEXT_KEY})},
            Rule.RECEIPT_KEY_UNKNOWN,
        ),
        (WHOLESALE, {}, Rule.WHOLESALE_NOT_ALLOWED),
        ({}, {"clock": SetClock(NOW + DAY + 1)}, Rule.ORDER_ID_TOO_OLD),
        (FREE, {"clock": SetClock(NOW + DAY + 1)}, Rule.ORDER_ID_TOO_OLD),
        ({}, {"currencies": frozenset({"EUR"})}, Rule.CURRENCY_NOT_ACCEPTED),
    ],
    ids=["key retired", "group left", "a day old", "a day old, free", "currency dropped"],
)
@pytest.mark.parametrize("drained", ["after the void id", "before it"])
def test_a_retry_that_is_refused_while_its_order_waits_in_the_overflow_comes_true(
    orders: MemoryOrders, fields: dict[str, Any], change: dict[str, Any], rule: Rule, drained: str
) -> None:
    """Its client makes the id void after the no (docs/client.md): the order is then not placed, or
    cancelled. It never ships while its payment goes back."""
    overflow, one, keys = MemoryOverflow(), key(), {KEY_ID: KEY, NEXT_KEY_ID: NEXT_KEY}
    place(an_intake(ThrottledOrders(), overflow), one, wholesale=True, **fields)
    [waiting] = overflow.buffered
    later = replace(an_intake(orders), **change)
    assert rules(place(later, one, **fields)) == [rule]
    if drained == "before it":
        assert Drain(orders).place(waiting) == "placed"
        result = later.cancel_or_void(one)
        assert isinstance(result, CancellationTaken)
        assert status(result.facts) is Status.CANCELLING
        return
    result = later.cancel_or_void(one)
    assert isinstance(result, MadeVoid)
    assert any(is_proven(proof, one, keys) for proof in result.proofs)
    assert Drain(orders).place(waiting) == "void"
    assert orders.find(one) is None
    assert orders.stream == []


def test_a_limited_coupon_is_not_used_up_under_a_void_id() -> None:
    shop = MemoryOrders()
    one = accepted(key())
    shop.void(VoidId(one.key, NOW))
    coupon = Coupon("ONCE", ("retail",), amounts={"GBP": 100}, once_per_customer=True)
    found = shop.coupons.place(one, [Use(coupon, "ONCE", 0)])
    assert found == VoidId(one.key, NOW)
    assert not list(shop.claimed.items())
