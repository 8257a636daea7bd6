"""A table that refuses, a command that is lost, a poison record: on the deployed service."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orders.aws.messages import check_of, overflowed_order_of
from orders.ports import Check
from spillway.run.stack import Stack
from tests.builders import line, order_id, order_key
from tests.e2e.shop import Customer, effects, faulty
from tests.waiting import eventually

CONFIRMED = {"reserve": 1, "ship": 1, "post": 1}
REFUSED_PUT = {
    "service": "dynamodb",
    "operation": "PutItem",
    "refuse": "ProvisionedThroughputExceededException",
}


def dead_letters(stack: Stack, queue: str) -> list[dict[str, Any]]:
    """Takes what lies there, with the reasons."""
    sqs, url = stack.client("sqs"), stack.queues[f"{queue}_dead_letter"]
    answer = sqs.receive_message(
        QueueUrl=url, MessageAttributeNames=["All"], MaxNumberOfMessages=10
    )
    dead_letters: list[dict[str, Any]] = answer.get("Messages", [])
    for dead_letter in dead_letters:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=dead_letter["ReceiptHandle"])
    return dead_letters


def reason(dead_letter: dict[str, Any]) -> str:
    text: str = dead_letter["MessageAttributes"]["reason"]["StringValue"]
    return text


def test_an_order_that_the_table_refuses_is_202_and_settles_when_the_table_is_well(
    stack: Stack, shopper: Customer
) -> None:
    id_, body = shopper.order()
    with stack.proxy.inject(**REFUSED_PUT) as fault:
        answer = shopper.put(id_, body)
        assert answer.status_code == 202
        assert answer.json()["order_id"] == id_
        assert shopper.http.get(f"/orders/{id_}").status_code == 404
    assert fault.fired() >= 2  # intake tries twice
    eventually(lambda: shopper.http.get(f"/orders/{id_}").status_code == 200)
    assert shopper.settled(id_)["accepted_at"] == answer.json()["accepted_at"]
    assert shopper.put(id_, body).status_code == 200
    assert effects(stack, shopper, id_) == CONFIRMED


def test_an_answer_of_the_table_that_is_lost_makes_no_second_order(
    stack: Stack, shopper: Customer
) -> None:
    id_, body = shopper.order()
    lost = {"service": "dynamodb", "operation": "PutItem", "lose_answer": True}
    with stack.proxy.inject(**lost):
        assert shopper.put(id_, body).status_code in (200, 202)
    assert shopper.settled(id_)["status"] == "confirmed"
    assert effects(stack, shopper, id_) == CONFIRMED


def test_a_table_and_a_queue_that_are_both_down_are_an_honest_no(
    stack: Stack, shopper: Customer
) -> None:
    id_, body = shopper.order()
    queue_down = {"service": "sqs", "operation": "SendMessage", "cut": True}
    with stack.proxy.inject(**REFUSED_PUT), stack.proxy.inject(**queue_down):
        answer = shopper.put(id_, body)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["content-type"] == "application/problem+json"
    assert shopper.http.get(f"/orders/{id_}").status_code == 404
    assert shopper.put(id_, body).status_code == 201
    assert shopper.settled(id_)["status"] == "confirmed"


def test_an_overflowed_order_whose_id_holds_another_one_is_for_a_person(
    stack: Stack, shopper: Customer
) -> None:
    id_, first = shopper.order()
    moved = {**first, "address": {**first["address"], "city": "York"}}
    drain_waits = {**REFUSED_PUT, "function": "drain"}
    with stack.proxy.inject(**drain_waits):
        with stack.proxy.inject(**REFUSED_PUT, function="intake"):
            assert shopper.put(id_, first).status_code == 202
        assert shopper.put(id_, moved).status_code == 201
    [dead_letter] = eventually(lambda: dead_letters(stack, "overflow"))
    assert reason(dead_letter) == "the order id already holds another order"
    assert overflowed_order_of(dead_letter["Body"]).order.address.city == "Leeds"
    assert shopper.settled(id_)["order"]["address"]["city"] == "York"
    assert effects(stack, shopper, id_) == CONFIRMED


def test_a_command_that_was_lost_is_sent_again_by_the_watchdog(
    stack: Stack, shopper: Customer
) -> None:
    with faulty(stack, "inventory", outage=True):
        id_ = shopper.place()
        sqs, url = stack.client("sqs"), stack.queues["inventory"]
        # The command waits for its second attempt.
        waits = "ApproximateNumberOfMessagesNotVisible"
        eventually(
            lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[waits])["Attributes"],
            lambda found: int(found[waits]) > 0,
        )
        # What nobody thought of: somebody empties the queue.
        sqs.purge_queue(QueueUrl=url)
    assert shopper.settled(id_)["status"] == "confirmed"
    assert effects(stack, shopper, id_) == CONFIRMED


def test_a_poison_stream_record_is_dead_lettered_and_its_neighbours_go_on(
    stack: Stack, shopper: Customer
) -> None:
    dynamodb, table = stack.client("dynamodb"), stack.tables["orders"]
    poison = order_key(shopper.id, order_id(time.time_ns() // 1_000_000))
    keys = {"pk": {"S": poison.customer_id}, "sk": {"S": poison.order_id}}
    dynamodb.put_item(TableName=table, Item={**keys, "content": {"B": b"?"}})
    try:
        id_ = shopper.place()
        assert shopper.settled(id_)["status"] == "confirmed"
        [dead_letter] = eventually(lambda: dead_letters(stack, "relay"))
        assert check_of(dead_letter["Body"]) == Check(poison, force=True)
        assert reason(dead_letter).startswith("KeyError at accepted_order")
    finally:
        dynamodb.delete_item(TableName=table, Key=keys)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_partial_failure_of_a_send_is_read_and_made_good(
    stack: Stack, shopper: Customer, share: float
) -> None:
    partly = {"service": "sqs", "operation": "SendMessageBatch", "partial": share, "times": 3}
    with stack.proxy.inject(**partly) as fault:
        ids = [shopper.place(lines=[line(f"SKU-{n}")]) for n in range(3)]
        assert {shopper.settled(id_)["status"] for id_ in ids} == {"confirmed"}
    assert fault.fired() >= 1
    for id_ in ids:
        assert effects(stack, shopper, id_) == CONFIRMED
