"""docs/personal-data.md says what each queue holds, as the messages have it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orders.aws.messages import command_of, message_of, overflow_message_of, overflowed_order_of
from orders.domain.order import AcceptedOrder, Address, OrderKey
from orders.domain.saga import DOWNSTREAM_OF, Step
from orders.ports import Command
from tests.builders import CUSTOMER, NOW, an_order, order_id

PAGE = (Path(__file__).parents[2] / "docs" / "personal-data.md").read_text()
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE))
COMMANDS = ROWS["command queues and their dead letters"]
OVERFLOW = ROWS["overflow queue and its dead letters"]


@pytest.mark.parametrize("step", list(Step))
def test_a_command_holds_lines_for_inventory_alone_and_no_name_address_or_payment(
    step: Step,
) -> None:
    sent = command_of(message_of(Command(OrderKey(CUSTOMER, order_id()), step, an_order()))).order
    if sent is not None:
        assert sent.lines
        assert sent.address == Address("", (), "", "")
        assert sent.payment is not None
        assert (sent.payment.reference, sent.payment.receipt) == ("", "")
        assert DOWNSTREAM_OF[step] in COMMANDS
    for part in ("Name", "address", "contacts", "payment reference"):
        assert part in COMMANDS.partition(". ")[2]


def test_the_overflow_queue_holds_the_whole_order() -> None:
    accepted = AcceptedOrder(OrderKey(CUSTOMER, order_id()), NOW, b"digest", an_order())
    assert overflowed_order_of(overflow_message_of(accepted)).order == accepted.order
    assert "whole order" in OVERFLOW


@pytest.mark.parametrize(
    "place", ["table", "stream", "backups", "queue", "topic", "logs", "user pool", "browser"]
)
def test_every_place_that_keeps_orders_has_its_row(place: str) -> None:
    assert any(place in row for row in ROWS)
