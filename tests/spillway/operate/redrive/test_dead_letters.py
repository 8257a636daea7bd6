"""What a dead letter says: its order, and why it is there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orders.aws.messages import batch_messages_of, check_message_of, message_of, overflow_message_of
from orders.domain.order import OrderKey
from orders.domain.saga import Step
from orders.downstream.keys import correlation_id
from orders.ports import Check, Command
from spillway.operate.redrive.dead_letters import (
    SOURCES,
    DeadLetter,
    advice,
    dead_letter_of,
    lambda_failure,
    order_keys,
    source_of,
    why,
)
from tests.builders import CUSTOMER, accepted, an_order, order_id

KEY = OrderKey(CUSTOMER, order_id())


def failure_record(**changes: str) -> str:
    """As the Lambda Developer Guide shows it."""
    batch: dict[str, Any] = {
        "shardId": "shardId-00000001573689847184-864758bb",
        "startSequenceNumber": "800000000003126276362",
        "endSequenceNumber": "800000000003126276399",
        "approximateArrivalOfFirstRecord": "2026-11-14T00:13:19Z",
        "approximateArrivalOfLastRecord": "2026-11-14T00:13:19Z",
        "batchSize": 2,
        "streamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026",
    }
    return json.dumps(
        {
            "requestContext": {
                "requestId": "316aa6d0-8154-xmpl-9af7-85d5f4a6bc81",
                "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:relay",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 1,
            },
            "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": "2026-11-14T00:13:49.717Z",
            "DDBStreamBatchInfo": batch | changes,
        }
    )


#: Deeper than a reader of JSON goes.
NESTED = '{"a":' * 30_000


def dead_letter(body: str, reason: str | None = None) -> DeadLetter:
    return DeadLetter("1", "receipt", body, 0, reason)


@pytest.mark.parametrize(
    "body",
    [
        message_of(Command(KEY, Step.SHIP, an_order())),
        overflow_message_of(accepted(KEY)),
        check_message_of(Check(KEY, force=True)),
    ],
    ids=["command", "order that overflowed", "check"],
)
def test_every_message_of_ours_names_its_order(body: str) -> None:
    assert order_keys("inventory", body) == [KEY]


def test_what_a_downstream_tells_names_its_order_wherever_the_id_stands() -> None:
    told = correlation_id(Command(KEY, Step.SHIP))
    for body in (f'{{"a": [{{"b": "{told}"}}], "batch": ["LOT-1"]}}', f"<id>{told}</id>", NESTED):
        assert order_keys("outcomes-fulfilment", body) == ([KEY] if told in body else [])
        assert order_keys("fulfilment", body) == []


def test_a_batch_names_the_orders_of_all_its_messages_once() -> None:
    other = OrderKey(KEY.customer_id, order_id())
    bodies = [message_of(Command(key, Step.SHIP)) for key in (KEY, other, KEY)]
    assert order_keys("inventory", batch_messages_of(bodies, 3)[0]) == [KEY, other]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '{"order_id": 7}',
        '{"customer_id": "c", "order_id": "Ada Lovelace"}',
        failure_record(),
        NESTED,
    ],
)
def test_a_text_that_names_no_order_is_not_refused(body: str) -> None:
    assert order_keys("inventory", body) == []


def test_our_code_gave_the_reason() -> None:
    assert why(dead_letter("{}", reason="POST /shipments: answered 401"), 98) == (
        "POST /shipments: answered 401"
    )


def test_what_sqs_has_moved_was_tried_so_often() -> None:
    moved = replace(dead_letter("{}"), moved_by_sqs=True)
    assert why(moved, 98) == "tried 98 times without an outcome"
    assert "as often as its queue allows" in why(moved, None)


def test_no_reason_is_made_up_for_what_somebody_else_put_there() -> None:
    for tries_max in (98, None):
        assert why(dead_letter("{}"), tries_max).startswith("no reason given")


def test_sqs_marks_what_it_has_moved() -> None:
    message = {
        "MessageId": "1",
        "ReceiptHandle": "r",
        "Body": "{}",
        "Attributes": {"SentTimestamp": "5"},
    }
    assert not dead_letter_of(message).moved_by_sqs
    arn = {"DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:1:accounting"}
    assert dead_letter_of(message | {"Attributes": {"SentTimestamp": "5", **arn}}).moved_by_sqs


def test_lambda_gives_its_condition() -> None:
    assert "RetryAttemptsExhausted" in why(dead_letter(failure_record()), None)


def test_a_failure_record_says_where_the_records_are() -> None:
    failure = lambda_failure(failure_record())
    assert failure is not None
    batch = failure.batch
    assert (batch.first, batch.last) == ("800000000003126276362", "800000000003126276399")
    assert batch.shard_id == "shardId-00000001573689847184-864758bb"
    assert batch.stream_arn.endswith("/stream/2026")


@pytest.mark.parametrize(
    "body",
    ["", "{}", check_message_of(Check(KEY)), failure_record(startSequenceNumber="1"), NESTED],
)
def test_any_other_dead_letter_is_none_of_lambdas(body: str) -> None:
    assert lambda_failure(body) is None


def test_every_queue_has_its_dead_letters_and_relays_go_to_the_watchdog() -> None:
    works = [name for name in SOURCES if name != "relay"]
    queues = {name: f"url of {name}" for name in works}
    queues |= {f"{name}_dead_letter": f"letters of {name}" for name in SOURCES}

    known = {name: source_of(queues, name) for name in SOURCES}

    assert {name: source.queue for name, source in known.items()} == {
        **{name: f"url of {name}" for name in works},
        "relay": "url of watchdog",
    }
    assert all(source.dead_letters == f"letters of {name}" for name, source in known.items())


@pytest.mark.parametrize(
    ("reason", "first"),
    [
        ("POST /shipments: answered 401", "refuses our key"),
        ("GET /shipments: answered 403", "refuses our key"),
        ("not a command: DecodeError", "set it aside"),
        ("cannot be read as a check; no reason given", "set it aside"),
        ("POST /shipments: answered 422", ""),
        ("tried 201 times without an outcome", ""),
    ],
)
def test_what_to_do_first_is_said_where_the_reason_alone_tells_it(reason: str, first: str) -> None:
    assert (first in advice(reason)) is True
    assert bool(advice(reason)) is bool(first)
