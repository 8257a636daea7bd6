"""One suite for the `Orders` port: what the in-memory table does, DynamoDB on the emulator does."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orders.aws.table import DynamoOrders
from orders.domain.order import OrderKey, VoidId
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.domain.trace import Trace
from orders.domain.units import Millis, OrderId
from orders.failures import TransientFailure
from orders.ports import Orders, Progress
from simulation.world.table import MemoryOrders
from spillway.run.stack import Stack
from tests.builders import (
    CUSTOMER,
    FREE,
    NOW,
    OTHER_CUSTOMER,
    accepted,
    line,
    order_id,
    order_key,
)
from tests.tables import make_table

DONE = Outcome(Millis(NOW + 1), reference="RES-1")
REFUSED = Outcome(Millis(NOW + 2), refusal="out_of_stock")


@pytest.fixture(scope="module")
def empty_table(stack: Stack) -> Iterator[DynamoOrders]:
    """A table like the deployed one, but nobody's relay reads its stream."""
    dynamodb = stack.client("dynamodb")
    name = make_table(dynamodb, "orders-port")
    yield DynamoOrders(dynamodb, name)
    dynamodb.delete_table(TableName=name)


class WithoutItem:
    """A client of a table that does not say on what a condition failed, as some emulators."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, call: str) -> Callable[..., Any]:
        def made(**request: Any) -> Any:
            try:
                return getattr(self._client, call)(**request)
            except ClientError as error:
                answer: Any = {**error.response}
                answer.pop("Item", None)
                raise ClientError(answer, call) from None

        return made


@pytest.fixture(
    params=["memory", "without item", pytest.param("dynamodb", marks=pytest.mark.emulator)]
)
def orders(request: pytest.FixtureRequest) -> Orders:
    if request.param == "memory":
        return MemoryOrders()
    if request.param == "without item":
        memory = MemoryOrders()
        return DynamoOrders(WithoutItem(memory.client), memory.table)
    table: DynamoOrders = request.getfixturevalue("empty_table")
    return table


def fresh(customer: str = CUSTOMER) -> OrderKey:
    # The table is shared by the module's tests, so each uses a customer of its own.
    return order_key(f"{customer}-{uuid.uuid4().hex[:8]}", order_id())


def facts_of(orders: Orders, key: OrderKey) -> Facts:
    progress = orders.progress(key)
    assert progress is not None
    return progress.facts


@pytest.mark.parametrize("fields", [{"lines": [line("TEA-COSY ☕", 12, 1299)]}, FREE])
def test_a_placed_order_is_found_as_it_was(orders: Orders, fields: dict[str, Any]) -> None:
    order = accepted(fresh(), **fields)
    assert orders.place(order) is None
    assert orders.find(order.key) == order
    assert orders.progress(order.key) == Progress(order, Facts())


def test_the_clients_trace_and_the_price_book_are_kept_with_the_order(orders: Orders) -> None:
    trace = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
    order = replace(accepted(fresh()), trace=trace, book="2026-11-23-1")
    orders.place(order)
    assert orders.find(order.key) == order


def test_an_order_of_two_thousand_lines_is_found_as_it_was(orders: Orders) -> None:
    order = accepted(fresh(), lines=[line(f"SKU-{uuid.uuid4()}", 7, 7) for _ in range(2_000)])
    orders.place(order)
    assert orders.find(order.key) == order


def test_a_batch_read_gives_the_facts_of_many_orders(orders: Orders) -> None:
    placed = [accepted(fresh()) for _ in range(103)]
    for order in placed:
        orders.place(order)
    orders.record(placed[0].key, {Step.RESERVE: DONE})
    orders.record(placed[102].key, {Step.RESERVE: REFUSED})
    fetched = orders.batch_get_progress([order.key for order in [*placed, placed[0]]])
    assert fetched == {
        **{order.key: Facts() for order in placed},
        placed[0].key: Facts({Step.RESERVE: DONE}),
        placed[102].key: Facts({Step.RESERVE: REFUSED}),
    }


def test_nothing_is_found_where_nothing_is(orders: Orders) -> None:
    assert orders.find(fresh()) is None
    assert orders.progress(fresh()) is None
    assert orders.history(fresh().customer_id, 10, None) == ([], None)


def test_a_second_order_under_one_key_meets_the_first_and_does_not_replace_it(
    orders: Orders,
) -> None:
    first = accepted(fresh())
    second = replace(accepted(first.key, lines=[line(quantity=9)]), accepted_at=Millis(NOW + 5))
    orders.place(first)
    assert orders.place(second) == first
    assert orders.find(first.key) == first


def test_the_same_id_of_another_customer_is_another_order(orders: Orders) -> None:
    ada = accepted(fresh())
    bob = accepted(order_key(fresh(OTHER_CUSTOMER).customer_id, ada.key.order_id))
    assert orders.place(ada) is None
    assert orders.place(bob) is None


def test_of_many_that_place_at_once_one_is_first_and_all_others_meet_it(orders: Orders) -> None:
    order = accepted(fresh())
    start = threading.Barrier(8)

    def place(n: int) -> bool:
        start.wait()
        return orders.place(replace(order, accepted_at=Millis(NOW + n))) is None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(place, range(8))) == 1


def test_under_one_key_is_an_order_or_a_void_id_and_the_first_stays(orders: Orders) -> None:
    order, void = accepted(fresh()), VoidId(fresh(), Millis(NOW))
    orders.place(order)
    assert orders.void(VoidId(order.key, Millis(NOW))) == order
    assert orders.find(order.key) == order
    assert orders.void(void) is None
    assert orders.void(replace(void, at=Millis(NOW + 5))) is None
    assert orders.place(accepted(void.key)) == void
    assert (orders.find(void.key), orders.progress(void.key)) == (None, None)


def test_of_an_order_and_its_void_id_at_once_one_is_stored(orders: Orders) -> None:
    order, start = accepted(fresh()), threading.Barrier(8)

    def write(n: int) -> bool:
        start.wait()
        if n % 2:
            return orders.place(order) in (None, order)
        return orders.void(VoidId(order.key, Millis(NOW))) is None

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    assert won == [(orders.find(order.key) is not None) == bool(n % 2) for n in range(8)]


def test_facts_are_read_without_their_order(orders: Orders) -> None:
    order = accepted(fresh())
    assert orders.facts(order.key) == Facts()
    orders.place(order)
    assert orders.facts(order.key) == Facts()
    orders.record(order.key, {Step.RESERVE: DONE})
    assert orders.facts(order.key) == Facts({Step.RESERVE: DONE})


@pytest.mark.parametrize("outcome", [DONE, REFUSED])
def test_a_fact_is_recorded_once_and_the_first_stands(orders: Orders, outcome: Outcome) -> None:
    order = accepted(fresh())
    orders.place(order)
    first = Facts({Step.RESERVE: outcome})
    assert orders.record(order.key, {Step.RESERVE: outcome}) == first
    assert orders.record(order.key, {Step.RESERVE: replace(outcome, at=Millis(NOW + 9))}) == first
    assert facts_of(orders, order.key) == Facts({Step.RESERVE: outcome})


def test_facts_of_different_steps_stand_side_by_side(orders: Orders) -> None:
    order = accepted(fresh())
    orders.place(order)
    orders.record(order.key, {Step.SHIP: REFUSED})
    orders.record(order.key, {Step.POST: DONE})
    assert facts_of(orders, order.key).outcomes == {Step.SHIP: REFUSED, Step.POST: DONE}


def test_facts_are_recorded_together_or_where_one_was_there_the_others(orders: Orders) -> None:
    steps = (Step.RESERVE, Step.SHIP, Step.POST)
    for there in ((), (Step.RESERVE,), (Step.POST,), (Step.RESERVE, Step.SHIP), steps):
        order = accepted(fresh())
        orders.place(order)
        for step in there:
            orders.record(order.key, {step: DONE})
        later = replace(DONE, at=Millis(NOW + 9))
        written = {Step.RESERVE: later, Step.SHIP: REFUSED, Step.POST: later}
        expected = Facts({step: DONE if step in there else written[step] for step in steps})
        assert orders.record(order.key, written) == expected
        assert facts_of(orders, order.key) == expected


def test_facts_of_two_copies_of_a_delivery_at_once_are_all_there(orders: Orders) -> None:
    """One went by the express path, the other did not."""
    for _ in range(5):
        order = accepted(fresh())
        orders.place(order)
        start = threading.Barrier(2)

        def record(
            outcomes: dict[Step, Outcome],
            key: OrderKey = order.key,
            start: threading.Barrier = start,
        ) -> Facts:
            start.wait()
            return orders.record(key, outcomes)

        every = {Step.RESERVE: DONE, Step.SHIP: DONE, Step.POST: REFUSED}
        with ThreadPoolExecutor(2) as pool:
            express, plain = pool.map(record, (every, {Step.RESERVE: DONE}))
        assert express == facts_of(orders, order.key) == Facts(every)
        assert plain.done(Step.RESERVE)


def test_no_cancellation_of_an_express_order_comes_before_its_reservation(orders: Orders) -> None:
    order = replace(accepted(fresh()), express=True)
    orders.place(order)
    assert orders.find(order.key) == order
    cancel = partial(orders.request_cancellation, order.key, reserved=False, express=True)
    asked = cancel(Millis(NOW + 3))
    assert asked == Facts({}, Cancellation(Millis(NOW + 3), before_reservation=False))
    assert cancel(Millis(NOW + 8)) == asked
    assert orders.record(order.key, {Step.RESERVE: DONE, Step.SHIP: DONE}).cancellation is not None


def test_a_cancellation_knows_its_side_of_the_reservation(orders: Orders) -> None:
    early, late = accepted(fresh()), accepted(fresh())
    orders.place(early)
    orders.place(late)
    orders.record(late.key, {Step.RESERVE: DONE})
    before = orders.request_cancellation(early.key, Millis(NOW + 3), reserved=False)
    after = orders.request_cancellation(late.key, Millis(NOW + 3), reserved=False)
    assert before.cancellation is not None
    assert after.cancellation is not None
    assert before.cancellation.before_reservation
    assert not after.cancellation.before_reservation
    assert after.done(Step.RESERVE)
    assert facts_of(orders, early.key) == before


def test_a_cancellation_is_written_once_and_keeps_its_side(orders: Orders) -> None:
    order = accepted(fresh())
    orders.place(order)
    first = orders.request_cancellation(order.key, Millis(NOW + 3), reserved=False)
    orders.record(order.key, {Step.RESERVE: DONE})
    second = orders.request_cancellation(order.key, Millis(NOW + 8), reserved=False)
    assert second.cancellation == first.cancellation


def test_a_cancellation_and_a_reservation_at_once_agree_on_who_came_first(orders: Orders) -> None:
    for _ in range(5):
        order = accepted(fresh())
        orders.place(order)
        start = threading.Barrier(2)

        def cancel(key: OrderKey = order.key, start: threading.Barrier = start) -> Facts:
            start.wait()
            return orders.request_cancellation(key, NOW, reserved=False)

        def reserve(key: OrderKey = order.key, start: threading.Barrier = start) -> None:
            start.wait()
            orders.record(key, {Step.RESERVE: DONE})

        with ThreadPoolExecutor(2) as pool:
            cancelled, _ = pool.submit(cancel), pool.submit(reserve)
        seen = cancelled.result()
        assert seen.cancellation is not None
        if not seen.cancellation.before_reservation:
            assert seen.done(Step.RESERVE)
        assert facts_of(orders, order.key).cancellation == seen.cancellation


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_the_history_is_complete_newest_first_whatever_the_page(orders: Orders, limit: int) -> None:
    customer = fresh().customer_id
    placed = [accepted(order_key(customer, order_id())) for _ in range(7)]
    for position, order in enumerate(placed):
        orders.place(order)
        orders.void(VoidId(order_key(customer, order_id()), Millis(NOW)))
        if position % 2:
            orders.record(order.key, {Step.RESERVE: DONE})
    seen: list[Progress] = []
    before: OrderId | None = None
    while True:
        page, before = orders.history(customer, limit, before)
        assert 1 <= len(page) <= limit
        seen += page
        if before is None:
            break
    assert [progress.order for progress in seen] == placed[::-1]
    assert [progress.facts.done(Step.RESERVE) for progress in seen] == [
        bool(position % 2) for position in range(7)
    ][::-1]


def test_a_table_that_is_not_there_is_a_transient_failure(empty_table: DynamoOrders) -> None:
    elsewhere = DynamoOrders(empty_table.client, "no-such-table")
    with pytest.raises(TransientFailure, match="PutItem: ResourceNotFoundException"):
        elsewhere.place(accepted())
    with pytest.raises(TransientFailure, match="UpdateItem: ResourceNotFoundException"):
        elsewhere.record(fresh(), {Step.RESERVE: DONE})
