"""A dead letter is read in words and masked: nothing of a customer is shown."""

from __future__ import annotations

import json

import pytest

from orders.aws.messages import batch_messages_of, check_message_of, message_of, overflow_message_of
from orders.domain.order import OrderKey
from orders.domain.saga import Step
from orders.downstream.keys import correlation_id
from orders.ports import Check, Command
from spillway.operate.redrive.dead_letters import OF_TELLERS
from spillway.operate.redrive.reading import SHOWN_MAX, is_readable, masked, what_it_is
from tests.builders import CUSTOMER, accepted, an_order, order_id
from tests.spillway.operate.redrive.test_dead_letters import NESTED, failure_record

KEY = OrderKey(CUSTOMER, order_id())
COMMAND = message_of(Command(KEY, Step.RESERVE, an_order()))
ORDER = overflow_message_of(accepted(KEY))
CHECK = check_message_of(Check(KEY, force=True))


@pytest.mark.parametrize(
    ("queue", "body", "is_"),
    [
        ("inventory", COMMAND, "a command"),
        ("inventory", batch_messages_of([COMMAND] * 3, 3)[0], "3 commands"),
        ("overflow", ORDER, "an order"),
        ("watchdog", CHECK, "a check"),
        ("relay", CHECK, "a check"),
        ("relay", failure_record(), "a batch of changes"),
        ("watchdog", failure_record(), "a batch of changes"),
        ("inventory", failure_record(), "cannot be read as a command"),
        ("inventory", CHECK, "cannot be read as a command"),
        ("overflow", COMMAND, "cannot be read as an order"),
        ("watchdog", "hello", "cannot be read as a check"),
        ("inventory", batch_messages_of([COMMAND, "{}"], 2)[0], "cannot be read as a command"),
        *((teller, '{"status": "done"}', "an outcome") for teller in OF_TELLERS),
        (OF_TELLERS[0], "hello", "cannot be read as an outcome"),
        (OF_TELLERS[0], '{"batch": ["LOT-1", "LOT-2"]}', "an outcome"),
        (OF_TELLERS[0], NESTED, "cannot be read as an outcome"),
        ("inventory", NESTED, "cannot be read as a command"),
    ],
)
def test_what_a_message_is_was_found_by_reading_it(queue: str, body: str, is_: str) -> None:
    assert what_it_is(queue, body) == is_
    assert is_readable(queue, body) is not is_.startswith("cannot")


@pytest.mark.parametrize("body", [COMMAND, ORDER, CHECK, batch_messages_of([COMMAND] * 2, 2)[0]])
def test_a_message_of_ours_shows_its_order_and_the_customer_s_hash_only(body: str) -> None:
    shown = masked(body)
    assert KEY.order_id in shown
    assert KEY.customer_hash in shown
    assert CUSTOMER not in shown
    content = json.loads(body)
    for message in content.get("batch", [content]):
        assert message.get("order", "(nothing)") not in shown


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "Ada Lovelace", "street": ["12 High Street"], "phone": 441234567}',
        '{"Ada Lovelace": {"12 High Street": null}, "n": 441234567}',
        '["Ada Lovelace", "12 High Street", 441234567]',
        '"Ada Lovelace, 12 High Street, 441234567"',
        "Ada Lovelace, 12 High Street, 441234567",
        '{"name": "Ada Lovelace", 12 High Street 441234567',
        '{"order_id": "Ada Lovelace", "step": "12 High Street", "trace": "Ada", "batch": ["Ada"]}',
        '{"order_id": 441234567, "accepted_at": "Ada", "customer_id": ["Ada"], "step": null}',
        '{"requestContext": "Ada Lovelace", "x": "12 High Street", "n": 441234567}',
    ],
)
def test_whatever_another_program_wrote_is_masked(body: str) -> None:
    shown = masked(body)
    assert shown
    for part in ("Ada", "Lovelace", "High", "Street", "441234567", "12 H"):
        assert part not in shown


def test_a_correlation_id_shows_its_order_and_the_customer_s_hash_only() -> None:
    told = correlation_id(Command(KEY, Step.SHIP))
    shown = f"ship.{KEY.order_id}.(hash {KEY.customer_hash})"
    assert json.loads(masked(json.dumps({"id": told}))) == {"id": shown}


@pytest.mark.parametrize("name", ["\ud800", "\x9b31m", "\x1b[31m", "\u202e"])
def test_what_is_shown_can_be_printed_on_any_page_and_moves_no_cursor(name: str) -> None:
    for body in (json.dumps({name: 1}), name, "[" * 100_000, '{"a":[' * 150 + "]}" * 150):
        shown = masked(body)
        assert shown.isprintable() or "\n" in shown
        assert name not in shown


def test_lambda_s_own_record_is_shown_whole() -> None:
    assert "800000000003126276362" in masked(failure_record())


def test_a_long_body_is_cut() -> None:
    assert len(masked("a" * 1_000_000)) < SHOWN_MAX + 50
