"""A command survives its way through a queue, and anything else is known for what it is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from orders.aws.messages import (
    ORDER_BYTES_MAX,
    batch_messages_of,
    check_message_of,
    check_of,
    command_of,
    message_of,
    messages_in,
    overflow_message_of,
    overflowed_order_of,
)
from orders.aws.queues import BATCH_MAX, COMMANDS_BATCHED_MAX
from orders.aws.topic import cloud_event
from orders.domain import events
from orders.domain.order import OrderKey
from orders.domain.saga import Step
from orders.domain.trace import Trace
from orders.domain.units import CustomerId
from orders.failures import PermanentFailure
from orders.ports import Check, Command, Taken
from tests.builders import CUSTOMER, FREE, NOW, accepted, an_order, line, order_id

KEY = OrderKey(CUSTOMER, order_id())
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


@pytest.mark.parametrize("step", list(Step))
def test_a_command_comes_out_as_it_went_in(step: Step) -> None:
    for command in (
        Command(KEY, step),
        Command(KEY, step, trace=TRACE),
        Command(KEY, step, taken=Taken(NOW)),
        Command(KEY, step, taken=Taken(NOW, "/jobs/4711?as=json", times=3)),
    ):
        assert command_of(message_of(command)) == command


@pytest.mark.parametrize("customer", ["a\ufffe\uffff\x00", "\\\uffff", "\\uffff", '"\ufffe"'])
def test_a_message_is_one_that_a_queue_takes_whatever_the_customer_is_called(
    customer: str,
) -> None:
    key = OrderKey(CustomerId(customer), order_id())
    order = replace(accepted(), key=key)
    command, check = message_of(Command(key, Step.SHIP)), check_message_of(Check(key))
    overflowed = overflow_message_of(order)
    assert [command_of(command).key, check_of(check).key] == [key, key]
    assert overflowed_order_of(overflowed).key == key
    event = cloud_event(events.accepted(key, NOW))
    assert json.loads(event)["data"]["customer_id"] == customer
    bodies = [command, check, overflowed, event]
    assert all(map(str.isascii, bodies))
    [batch] = batch_messages_of(bodies, len(bodies))
    assert [*messages_in(batch)] == bodies


def test_only_inventory_s_command_brings_goods_along_and_none_anything_of_the_customer() -> None:
    order = an_order(
        channel="wholesale",
        purchase_order="PO-4711",
        discounts=[{"coupon": "FOR-ADA", "amount": 10}],
        total=895,
        payment={"reference": "pay_77", "amount": 895, "currency": "GBP"},
    )
    for step in Step:
        message = message_of(Command(KEY, step, order))
        came = command_of(message).order
        if step is not Step.RESERVE:
            assert came is None
            continue
        assert came is not None
        assert came.lines == order.lines
        told = str(came)
        for personal in ("Ada", "High Street", "Leeds", "LS1", "pay_77", "k1.", "PO-4711"):
            assert personal in str(order)
            assert personal not in told


def test_an_order_with_nothing_to_pay_comes_out_as_it_went_in() -> None:
    order = accepted(**FREE)
    assert order.order.payment is None
    assert overflowed_order_of(overflow_message_of(order)) == order
    came = command_of(message_of(Command(KEY, Step.RESERVE, order.order))).order
    assert came is not None
    assert (came.lines, came.payment) == (order.order.lines, None)


def test_an_order_too_large_for_its_share_of_a_request_is_left_for_the_receiver_to_read() -> None:
    small = Command(KEY, Step.RESERVE, an_order())
    large = Command(
        KEY, Step.RESERVE, an_order(lines=[line(order_id(), n + 1, n) for n in range(2_000)])
    )
    assert len(message_of(small)) < 1_000
    assert len(message_of(large)) < ORDER_BYTES_MAX
    assert command_of(message_of(large)) == Command(KEY, Step.RESERVE)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"customer_id": "c", "order_id": "o", "step": "fly"}),
        json.dumps({"customer_id": "c", "order_id": "o", "step": "ship", "order": "%"}),
        json.dumps({"customer_id": "c", "order_id": "o", "step": "ship", "order": "AAAA"}),
        '{"more":' + "[" * 100_000,
    ],
)
def test_a_text_that_is_no_command_breaks_the_contract(body: str) -> None:
    with pytest.raises(PermanentFailure, match="not a command"):
        command_of(body)
    with pytest.raises(PermanentFailure, match="not an order"):
        overflowed_order_of(body)


def test_an_overflowed_order_comes_out_as_it_went_in() -> None:
    order = accepted(lines=[line(order_id(), 1, n) for n in range(2_000)])
    order = replace(order, trace=TRACE, book="2026-11-23-1")
    assert overflowed_order_of(overflow_message_of(order)) == order
    assert len(overflow_message_of(order)) < 1_048_576


@pytest.mark.parametrize("force", [False, True])
def test_a_watch_comes_out_as_it_went_in(force: bool) -> None:
    check = Check(KEY, force)
    assert check_of(check_message_of(check)) == check
    with pytest.raises(PermanentFailure, match="not a check"):
        check_of("check!")


@pytest.mark.parametrize(
    ("count", "batches"), [(0, []), (1, [0]), (5, [5]), (6, [5, 0]), (12, [5, 5, 2])]
)
def test_messages_travel_in_batches_and_come_out_as_they_were(
    count: int, batches: list[int]
) -> None:
    bodies = [message_of(Command(OrderKey(CUSTOMER, order_id()), Step.SHIP)) for _ in range(count)]
    sent = batch_messages_of(bodies, 5)
    assert [len(messages_in(body)) for body in sent] == batches
    assert [one for body in sent for one in messages_in(body) or (body,)] == bodies


def test_without_batches_every_message_is_what_it_was() -> None:
    bodies = [message_of(Command(KEY, Step.SHIP)), check_message_of(Check(KEY))]
    assert batch_messages_of(bodies, 1) == bodies


def test_a_full_batch_of_the_largest_commands_stays_far_below_what_sqs_takes_in_a_request() -> None:
    skus = (hashlib.sha256(str(n).encode()).hexdigest()[:16] for n in range(350))
    order = an_order(lines=[line(sku, 1, 255) for sku in skus])
    body = message_of(Command(KEY, Step.RESERVE, order, TRACE))
    assert ORDER_BYTES_MAX * 0.9 < len(body) < ORDER_BYTES_MAX * 1.1
    [batch] = batch_messages_of([body] * COMMANDS_BATCHED_MAX, COMMANDS_BATCHED_MAX)
    assert len(batch) * BATCH_MAX < 512 * 1024


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", "{}", '{"batch":[]}', '{"batch":7}', '{"batch":"abc"}', "\ud800"),
        '{"batch":[' + "[" * 100_000,
    ],
)
def test_what_is_no_batch_is_a_message_by_itself(body: str) -> None:
    assert messages_in(body) == ()


def test_one_poison_message_in_a_batch_leaves_the_others_readable() -> None:
    good = message_of(Command(KEY, Step.SHIP))
    assert messages_in(f'{{"batch":[{{"step":"fly"}}, {good}, 7]}}') == (
        '{"step":"fly"}',
        good,
        "7",
    )
