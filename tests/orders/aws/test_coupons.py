"""An order and what it uses up of limited coupons are written together, and given back once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orders.aws import items
from orders.aws.coupons import USED_UP_FOR_MS, DynamoCoupons, claim_of_code, claim_of_number
from orders.domain.book import Coupon
from orders.domain.coupon_codes import code_of
from orders.domain.coupon_limits import COUNTERS_MAX, Denial, NumberUsed, Use
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.saga import Outcome, Step
from orders.domain.units import Millis
from orders.failures import PermanentFailure, TransientFailure
from simulation.world.calls import client_error
from simulation.world.runtime import SetClock
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, OTHER_CUSTOMER, a_coupon, accepted, order_id, order_key

ONCE = a_coupon("ONCE", once_per_customer=True)
CODE = code_of("SINGLE", 7, b"key")
SINGLE = a_coupon("SINGLE", single_use_codes=True)


@pytest.fixture
def orders() -> MemoryOrders:
    return MemoryOrders()


def order_of(customer: str = CUSTOMER) -> AcceptedOrder:
    return accepted(order_key(customer, order_id()))


def use(coupon: Coupon, code: str = "") -> Use:
    return Use(coupon, code or coupon.code, 0)


def first(limit: int) -> Use:
    return use(a_coupon("FIRST", limit=limit))


def denials(result: object) -> list[Denial]:
    assert isinstance(result, list), result
    return [denied.why for denied in result]


def claimed(orders: MemoryOrders) -> dict[str, Any]:
    return {item["pk"]["S"]: item for item in orders.claimed.items()}


def used(orders: MemoryOrders) -> int:
    return sum(int(item["used"]["N"]) for item in orders.claimed.items() if "used" in item)


def undone(orders: MemoryOrders, order: AcceptedOrder) -> OrderKey:
    orders.record(order.key, {Step.RESERVE: Outcome(Millis(1), refusal="out_of_stock")})
    return order.key


def test_a_coupon_once_per_customer_is_used_by_each_customer_once(orders: MemoryOrders) -> None:
    assert orders.coupons.place(order_of(), [use(ONCE)]) is None
    second = order_of()
    assert denials(orders.coupons.place(second, [use(ONCE)])) == ["used"]
    assert orders.find(second.key) is None
    assert orders.coupons.place(order_of(OTHER_CUSTOMER), [use(ONCE)]) is None
    assert sorted(claimed(orders)) == [
        f"ONCE/customer/{CUSTOMER}",
        f"ONCE/customer/{OTHER_CUSTOMER}",
    ]


def numbered(number: str, customer: str = CUSTOMER) -> AcceptedOrder:
    key = order_key(customer, order_id())
    return accepted(key, channel="wholesale", purchase_order=number)


@pytest.mark.parametrize("number", ["PO-1", "注" * 200])
def test_a_number_is_used_once_per_customer_and_comes_back_with_an_undone_order(
    orders: MemoryOrders, number: str
) -> None:
    one, other, foreign = numbered(number), numbered(number), numbered(number, OTHER_CUSTOMER)
    place = partial(orders.coupons.place, uses=(), number_once=True)
    assert place(one) is None
    assert place(other) == [NumberUsed(one.key.order_id)]
    assert orders.find(other.key) is None
    assert place(one) == one
    assert place(foreign) is None
    assert len(claimed(orders)) == 2
    orders.coupons.give_back([undone(orders, one)])
    assert place(other) is None


def test_a_number_costs_one_more_item_and_is_free_where_it_may_come_again(
    orders: MemoryOrders,
) -> None:
    one = numbered("PO-1")
    orders.coupons.place(one, [use(ONCE)], number_once=True)
    assert len(claimed(orders)) == 2
    assert denials(orders.coupons.place(numbered("PO-1"), [use(ONCE)])) == ["used"]
    assert orders.coupons.place(numbered("PO-1"), []) is None
    assert len(claimed(orders)) == 2


def test_a_code_works_once_and_nobody_else_learns_that_it_did(orders: MemoryOrders) -> None:
    assert orders.coupons.place(order_of(), [use(SINGLE, CODE)]) is None
    assert denials(orders.coupons.place(order_of(), [use(SINGLE, CODE)])) == ["used"]
    other = order_of(OTHER_CUSTOMER)
    assert denials(orders.coupons.place(other, [use(SINGLE, CODE)])) == ["taken"]
    assert orders.find(other.key) is None


def test_the_same_order_again_is_there_and_uses_nothing_more(orders: MemoryOrders) -> None:
    order, uses = order_of(), [use(ONCE), first(1)]
    assert orders.coupons.place(order, uses) is None
    before = claimed(orders)
    assert orders.coupons.place(order, uses) == order
    assert claimed(orders) == before


@pytest.mark.parametrize("limit", [1, 7, 60])
def test_as_many_as_the_limit_get_it_and_the_others_nothing(
    orders: MemoryOrders, limit: int
) -> None:
    results = [orders.coupons.place(order_of(f"c{n}"), [first(limit)]) for n in range(2 * limit)]
    assert results.count(None) == limit
    assert {why for result in results if result is not None for why in denials(result)} == {
        "used_up"
    }
    assert used(orders) == limit


def test_a_limit_of_many_counters_is_kept_to_the_last_use(orders: MemoryOrders) -> None:
    limit = COUNTERS_MAX + 1
    results = [orders.coupons.place(order_of(f"c{n}"), [first(limit)]) for n in range(limit + 20)]
    assert results.count(None) == used(orders) == limit
    assert all(result is None for result in results[:limit])


def test_a_book_with_a_higher_limit_lets_more_orders_have_it(orders: MemoryOrders) -> None:
    clock = SetClock(0)
    coupons = DynamoCoupons(orders.client, orders.coupons.orders_table, "coupons", clock)
    for limit, most in ((3, 3), (8, 8), (5, 8)):
        # A process that remembers the old book's counters looks again soon.
        clock.milliseconds += USED_UP_FOR_MS
        for number in range(20):
            coupons.place(order_of(f"{limit}-{number}"), [first(limit)])
        assert used(orders) == most


def test_that_it_is_used_up_is_remembered_for_a_moment(orders: MemoryOrders) -> None:
    clock = SetClock(0)
    coupons = DynamoCoupons(orders.client, orders.coupons.orders_table, "coupons", clock)
    winner = order_of()
    coupons.place(winner, [first(1)])
    assert denials(coupons.place(order_of(), [first(1)])) == ["used_up"]
    coupons.give_back([undone(orders, winner)])
    assert denials(coupons.place(order_of(), [first(1)])) == ["used_up"]
    clock.milliseconds += USED_UP_FOR_MS
    assert coupons.place(order_of(), [first(1)]) is None


def test_what_an_order_used_is_given_back_once(orders: MemoryOrders) -> None:
    order, rival = order_of(), order_of("rival")
    uses = [use(ONCE), use(SINGLE, CODE), first(2)]
    orders.coupons.place(order, uses)
    orders.coupons.place(rival, [first(2)])
    assert used(orders) == 2
    for _ in range(3):
        orders.coupons.give_back([undone(orders, order)])
        assert used(orders) == 1
    assert list(claimed(orders)) == [name for name in claimed(orders) if name.startswith("FIRST#")]
    # Another order of this customer can use all of it, and keeps it.
    later = order_of()
    assert orders.coupons.place(later, [use(ONCE), use(SINGLE, CODE)]) is None
    orders.coupons.give_back([order.key])
    assert denials(orders.coupons.place(order_of(), [use(ONCE)])) == ["used"]


def test_what_comes_late_to_an_archived_order_gives_nothing_back_again(
    orders: MemoryOrders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read the order before another one gave everything back and the archive took it."""
    order = order_of()
    assert orders.coupons.place(order, [first(60)]) is None
    key = undone(orders, order)
    held = orders.coupons._held([key])  # noqa: SLF001 - what it has read by then
    orders.coupons.give_back([key])
    away = {"TableName": orders.table, "Key": items.progress_key(key)}
    orders.client.transact_write_items(TransactItems=[{"Delete": away}])
    other = order_of()
    assert orders.coupons.place(other, [first(60)]) is None
    monkeypatch.setattr(type(orders.coupons), "_held", lambda *_: held)
    orders.coupons.give_back([key])
    assert used(orders) == 1
    there = orders.client.get_item(TableName=orders.table, Key=items.progress_key(key))
    assert "Item" not in there


def test_a_claim_that_an_operator_took_away_does_not_keep_the_others(orders: MemoryOrders) -> None:
    order = order_of()
    orders.coupons.place(order, [use(ONCE), first(1)])
    orders.claimed.delete((f"ONCE/customer/{CUSTOMER}", ""))
    orders.coupons.give_back([undone(orders, order)])
    assert used(orders) == 0


def test_an_order_without_claims_is_left_as_it_is(orders: MemoryOrders) -> None:
    order = order_of()
    orders.place(order)
    key = undone(orders, order)
    changes = len(orders.stream)
    orders.coupons.give_back([key, key, order_key("nobody", order_id())])
    assert len(orders.stream) == changes


class Disturbed:
    """A client whose transactions fail first for these reasons; then it is the other one."""

    def __init__(self, client: Any, *reasons: Mapping[int, str]) -> None:
        self.client, self.reasons = client, list(reasons)
        self.tried: list[str] = []

    def transact_write_items(self, *, TransactItems: Any) -> Any:  # noqa: N803 - botocore's name
        self.tried.append(str(TransactItems[-1]))
        if self.reasons:
            codes = self.reasons.pop(0)
            reasons = [{"Code": codes.get(n, "None")} for n in range(len(TransactItems))]
            raise client_error("TransactionCanceledException", "T", CancellationReasons=reasons)
        return self.client.transact_write_items(TransactItems=TransactItems)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


def disturbed(orders: MemoryOrders, *reasons: Mapping[int, str]) -> tuple[DynamoCoupons, Disturbed]:
    client = Disturbed(orders.client, *reasons)
    table = orders.coupons.orders_table
    return DynamoCoupons(client, table, "coupons", SetClock(0)), client


def test_a_write_that_can_never_be_right_is_a_bug_and_no_crowd(orders: MemoryOrders) -> None:
    coupons, client = disturbed(orders, {1: "ValidationError"})
    with pytest.raises(ClientError):
        coupons.place(order_of(), [first(1_000)])
    assert len(client.tried) == 1


def test_a_return_that_can_never_be_right_is_for_a_person_and_stops_no_order(
    orders: MemoryOrders,
) -> None:
    order = order_of()
    assert orders.coupons.place(order, [first(1_000)]) is None
    coupons, _ = disturbed(orders, {1: "ValidationError"})
    with pytest.raises(PermanentFailure, match="TransactionCanceledException"):
        coupons.give_back([undone(orders, order)])


def test_a_busy_counter_is_left_for_another(orders: MemoryOrders) -> None:
    coupons, client = disturbed(orders, {1: "TransactionConflict"}, {1: "ThrottlingError"})
    # Which counters an order tries depends on its id: of one in 170 two of them are the same.
    order = accepted(order_key(CUSTOMER, "019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10"))
    assert coupons.place(order, [first(1_000)]) is None
    assert len(set(client.tried)) == 3


@pytest.mark.parametrize(
    "reasons",
    [
        [{0: "TransactionConflict"}],
        [{1: "TransactionConflict"}],
        [{2: "TransactionConflict"}] * 4,
        [{0: "ThrottlingError", 2: "ThrottlingError"}] * 4,
    ],
)
def test_where_nothing_is_free_in_time_the_order_is_to_be_sent_again(
    orders: MemoryOrders, reasons: list[Mapping[int, str]]
) -> None:
    coupons, _ = disturbed(orders, *reasons)
    order, uses = (
        order_of(),
        [
            use(ONCE),
        ],
    )
    uses.append(first(5))
    with pytest.raises(TransientFailure):
        coupons.place(order, uses)
    assert claimed(orders) == {}
    assert coupons.place(order, uses) is None


def test_giving_back_that_meets_another_transaction_is_tried_again_later(
    orders: MemoryOrders,
) -> None:
    order = order_of()
    orders.coupons.place(order, [first(1)])
    coupons, _ = disturbed(orders, {1: "TransactionConflict"})
    with pytest.raises(TransientFailure):
        coupons.give_back([undone(orders, order)])
    assert used(orders) == 1
    coupons.give_back([order.key])
    assert used(orders) == 0


def test_the_order_remembers_its_claims_without_naming_its_customer_again(
    orders: MemoryOrders,
) -> None:
    order = order_of()
    orders.coupons.place(order, [use(ONCE), use(SINGLE, CODE), first(1)])
    item = orders.client.get_item(
        TableName=orders.coupons.orders_table, Key=items.order_key(order.key)
    )["Item"]
    assert set(item[items.CLAIMS]["SS"]) == {
        "ONCE/customer",
        f"SINGLE/code/{CODE[7:12]}",
        "FIRST#0",
    }


def test_a_retired_code_is_one_that_there_never_was(orders: MemoryOrders) -> None:
    claim = claim_of_code(CODE)
    orders.claimed.put((claim, ""), {"pk": {"S": claim}, "retired_at": {"N": "1"}})
    order = order_of()
    assert denials(orders.coupons.denials(order.key, [use(SINGLE, CODE)])) == ["taken"]
    assert denials(orders.coupons.place(order, [use(SINGLE, CODE)])) == ["taken"]


def test_a_number_is_the_same_from_a_keyboard_that_writes_accents_apart() -> None:
    assert claim_of_number("caf\u00e9-7") == claim_of_number("cafe\u0301-7")
    # With a zero width space at its end, out of a spreadsheet; and from a Japanese keyboard.
    for same in ("PO 1\u200b", "PO\u2060 1", "PO  1", "\uff30\uff2f\u3000\uff11"):
        assert claim_of_number(same) == claim_of_number("PO 1")
    assert claim_of_number("caf\u00e9-7") != claim_of_number("cafe-7")
    assert claim_of_number("\u00c9-7") != claim_of_number("\u00e9-7")
