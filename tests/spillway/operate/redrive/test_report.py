"""What a redrive found and did, in numbers for scripts and in words for people."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import pytest
from rich.console import Console

from orders.aws.messages import check_message_of
from orders.domain.order import OrderKey
from orders.ports import Check
from spillway.operate.redrive.dead_letters import DeadLetter
from spillway.operate.redrive.found import Found
from spillway.operate.redrive.moving import Redrive
from spillway.operate.redrive.report import document, show
from tests.builders import CUSTOMER, order_id

KEY = OrderKey(CUSTOMER, order_id())
LETTER = DeadLetter("m1", "receipt", check_message_of(Check(KEY)), 0, None)
NOT_OURS = DeadLetter("m2", "receipt", "from Ada, 12 High Street", 0, None)


def found(dead_letters: int = 3, moved: int = 3, **changes: object) -> Found:
    one = Found()
    for number in range(dead_letters):
        one.add("inventory", "POST /reservations: answered 401", LETTER).moved += number < moved
    for name, value in changes.items():
        setattr(one, name, value)
    return one


def redriven(
    inventory: Found, dry_run: bool = False, interrupted: bool = False, **others: Found
) -> Redrive:
    aws: Any = None
    found = {"inventory": inventory, **others}
    return Redrive(aws, aws, [], dry_run, found=found, interrupted=interrupted)


def shown(inventory: Found, dry_run: bool = False, interrupted: bool = False) -> str:
    text = io.StringIO()
    console = Console(file=text, width=100)
    show(redriven(inventory, dry_run, interrupted), console)
    return text.getvalue()


def test_the_document_names_reasons_and_orders_and_no_customer() -> None:
    written = document(redriven(found(), relay=Found()))

    assert (written["letters"], written["moved"]) == (3, 3)
    assert written["queues"]["inventory"]["reasons"] == [
        {
            "reason": "POST /reservations: answered 401",
            "letters": 3,
            "moved": 3,
            "orders": [{"customer": KEY.customer_hash, "order_id": KEY.order_id}],
        }
    ]
    assert written["queues"]["relay"]["letters"] == 0
    assert CUSTOMER not in json.dumps(written)


def test_a_message_that_names_no_order_has_its_id_and_is_masked() -> None:
    one = Found()
    one.add("inventory", "no reason given", NOT_OURS)
    assert "message m2" in shown(one, dry_run=True)
    [message] = document(redriven(one, dry_run=True))["queues"]["inventory"]["messages"]
    assert (message["message_id"], message["masked"]) == ("m2", "xxxx xxx, 00 xxxx xxxxxx")


def test_the_most_frequent_reason_comes_first() -> None:
    one = Found()
    for reason in ("rare", "often", "often"):
        one.add("inventory", reason, NOT_OURS)

    reasons = document(redriven(one, dry_run=True))["queues"]["inventory"]["reasons"]
    assert [group["reason"] for group in reasons] == ["often", "rare"]


@pytest.mark.parametrize(
    ("one", "last_line"),
    [
        (found(0), "No dead letters."),
        (found(), "3 dead letters moved back."),
        (found(moved=1), "1 dead letter moved back, 2 not."),
    ],
)
def test_the_last_line_says_what_was_done(one: Found, last_line: str) -> None:
    assert shown(one).rstrip().endswith(last_line)


def test_a_dry_run_says_that_nothing_was_changed() -> None:
    text = shown(found(moved=0), dry_run=True)

    assert text.rstrip().endswith("3 dead letters; nothing was changed.")
    assert "moved back" not in text


def test_an_interruption_says_how_many_were_moved() -> None:
    assert "1 dead letter:" in shown(found(moved=1), interrupted=True)


def test_what_was_not_moved_has_its_reason() -> None:
    text = shown(
        found(moved=2, not_moved=Counter({"names no order": 1}), came_meanwhile=4, elsewhere=1)
    )

    assert "inventory: 1 dead letter not moved: names no order" in text
    assert "inventory: 4 dead letters" in text
    assert "inventory: 1 dead letter held by another redrive" in text
