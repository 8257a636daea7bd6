"""A command survives its way through a queue, and anything else is known for what it is."""

from __future__ import annotations

import json

import pytest

from orders.aws.messages import (
    ORDER_BYTES_MAX,
    command_of,
    message_of,
    overflow_message_of,
    overflowed_order_of,
    watch_message_of,
    watch_of,
)
from orders.domain.order import OrderKey
from orders.domain.saga import Step
from orders.domain.trace import Trace
from orders.failures import PermanentFailure
from orders.ports import Command, Watch
from tests.builders import CUSTOMER, accepted, an_order, line, order_id

KEY = OrderKey(CUSTOMER, order_id())
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)


@pytest.mark.parametrize("step", list(Step))
def test_a_command_comes_out_as_it_went_in(step: Step) -> None:
    for command in (Command(KEY, step), Command(KEY, step, trace=TRACE)):
        assert command_of(message_of(command)) == command


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
    ],
)
def test_a_text_that_is_no_command_breaks_the_contract(body: str) -> None:
    with pytest.raises(PermanentFailure, match="not a command"):
        command_of(body)
    with pytest.raises(PermanentFailure, match="not an order"):
        overflowed_order_of(body)


def test_an_overflowed_order_comes_out_as_it_went_in() -> None:
    order = accepted(lines=[line(order_id(), 1, n) for n in range(2_000)])
    assert overflowed_order_of(overflow_message_of(order)) == order
    assert len(overflow_message_of(order)) < 1_048_576


@pytest.mark.parametrize("insist", [False, True])
def test_a_watch_comes_out_as_it_went_in(insist: bool) -> None:
    watch = Watch(KEY, insist)
    assert watch_of(watch_message_of(watch)) == watch
    with pytest.raises(PermanentFailure, match="not a watch"):
        watch_of("watch!")
