"""Orders on the deployed service: real tokens, the real gateway, queues, stream and functions."""

from __future__ import annotations

import time

import pytest

from spillway.run.stack import Stack
from tests.builders import FREE, line
from tests.e2e.shop import Customer, effects, faulty

CONFIRMED = {"reserve": 1, "ship": 1, "post": 1}


def test_a_retail_order_is_reserved_shipped_and_posted(stack: Stack, shopper: Customer) -> None:
    id_ = shopper.place()
    order = shopper.settled(id_)
    assert order["status"] == "confirmed"
    assert {step["step"] for step in order["steps"]} == set(CONFIRMED)
    assert all(step["reference"] for step in order["steps"])
    assert effects(stack, shopper, id_) == CONFIRMED


def test_a_wholesale_order_of_1114_lines_goes_all_the_way(
    stack: Stack, wholesale: Customer
) -> None:
    lines = [line(f"SKU-{n}", n + 1, 100 + n) for n in range(1_114)]
    id_ = wholesale.place(lines=lines, channel="wholesale", purchase_order="PO-4711")
    assert wholesale.settled(id_)["status"] == "confirmed"
    assert wholesale.get(id_)["order"]["lines"] == lines
    assert effects(stack, wholesale, id_) == CONFIRMED


def test_an_order_of_many_large_incompressible_lines_goes_all_the_way(
    stack: Stack, wholesale: Customer
) -> None:
    """Too large to travel in a command: each delivery reads it."""
    lines = [line(f"{n:04}-{hash((n, 7)) & 0xFFFFFFFFFFFF:x}", 1, n) for n in range(2_000)]
    id_ = wholesale.place(lines=lines, channel="wholesale", purchase_order="PO-1")
    assert wholesale.settled(id_)["status"] == "confirmed"
    assert effects(stack, wholesale, id_) == CONFIRMED


def test_an_empty_shelf_rejects_the_order_and_gives_the_money_back(
    stack: Stack, shopper: Customer
) -> None:
    with faulty(stack, "inventory", refuse_skus=["SOLD-OUT"]):
        id_ = shopper.place(lines=[line("SOLD-OUT")])
        order = shopper.settled(id_)
    assert (order["status"], order["reason"]) == ("rejected", "out_of_stock")
    assert effects(stack, shopper, id_) == {"refund": 1}
    assert shopper.cancel(id_).status_code == 409


def test_a_refusal_by_fulfilment_undoes_the_order(stack: Stack, shopper: Customer) -> None:
    with faulty(stack, "fulfilment", refuse_rate=1.0):
        id_ = shopper.place()
        order = shopper.settled(id_)
    assert (order["status"], order["reason"]) == ("rejected", "undeliverable")
    assert effects(stack, shopper, id_) == {"reserve": 1, "post": 1, "release": 1, "refund": 1}


def test_a_refusal_by_accounting_brings_the_goods_back(stack: Stack, shopper: Customer) -> None:
    with faulty(stack, "accounting", refuse_rate=1.0):
        id_ = shopper.place()
        order = shopper.settled(id_)
    assert (order["status"], order["reason"]) == ("rejected", "account_blocked")
    assert effects(stack, shopper, id_) == {
        "reserve": 1,
        "ship": 1,
        "recall_shipment": 1,
        "release": 1,
        "refund": 1,
    }


def test_an_order_with_nothing_to_pay_is_confirmed_and_can_be_cancelled(
    stack: Stack, shopper: Customer
) -> None:
    id_ = shopper.place(**FREE)
    order = shopper.settled(id_)
    assert (order["status"], order["order"]["total"]) == ("confirmed", 0)
    assert order["order"]["payment"] is None
    assert effects(stack, shopper, id_) == CONFIRMED
    assert shopper.cancel(id_).status_code == 202
    assert shopper.settled(id_)["status"] == "cancelled"
    undone = {**CONFIRMED, "cancel_shipment": 1, "release": 1, "refund": 1}
    assert effects(stack, shopper, id_) == undone


def test_an_order_with_nothing_to_pay_is_undone_when_it_is_refused(
    stack: Stack, shopper: Customer
) -> None:
    with faulty(stack, "accounting", refuse_rate=1.0):
        id_ = shopper.place(**FREE)
        order = shopper.settled(id_)
    assert (order["status"], order["reason"]) == ("rejected", "account_blocked")
    undone = {"reserve": 1, "ship": 1, "recall_shipment": 1, "release": 1, "refund": 1}
    assert effects(stack, shopper, id_) == undone


@pytest.mark.parametrize("latency_ms", [400, 1_500])
def test_an_order_cancelled_before_its_reservation_is_stopped_when_it_ships(
    stack: Stack, shopper: Customer, latency_ms: int
) -> None:
    """On the express path, and where its reservation took too long for that."""
    with faulty(stack, "inventory", latency_ms=latency_ms):
        id_ = shopper.place()
        taken = shopper.cancel(id_)
        assert (taken.status_code, taken.json()["status"]) == (202, "cancelling")
        order = shopper.settled(id_)
    assert order["status"] == "cancelled"
    assert order["cancellation"]["outcome"] == "done"
    stopped = {"cancel_shipment": 1, "release": 1, "refund": 1}
    assert effects(stack, shopper, id_) == CONFIRMED | stopped


def test_a_confirmed_order_is_cancelled_while_fulfilment_agrees(
    stack: Stack, shopper: Customer
) -> None:
    id_ = shopper.place()
    shopper.settled(id_)
    assert shopper.cancel(id_).status_code == 202
    order = shopper.when(id_, lambda order: order["status"] == "cancelled")
    assert order["cancellation"]["outcome"] == "done"
    assert effects(stack, shopper, id_) == {
        **CONFIRMED,
        "cancel_shipment": 1,
        "release": 1,
        "refund": 1,
    }
    assert shopper.cancel(id_).status_code == 202


def test_a_cancellation_that_comes_too_late_leaves_the_order_confirmed(
    stack: Stack, shopper: Customer
) -> None:
    id_ = shopper.place()
    shopper.settled(id_)
    with faulty(stack, "fulfilment", too_late=True):
        assert shopper.cancel(id_).status_code == 202
        order = shopper.when(id_, lambda order: order["cancellation"]["outcome"] != "pending")
    assert (order["status"], order["cancellation"]["outcome"]) == ("confirmed", "refused")
    assert effects(stack, shopper, id_) == CONFIRMED


def test_a_lost_answer_is_asked_again_and_has_one_effect(stack: Stack, shopper: Customer) -> None:
    with faulty(stack, "accounting", lose_answers_rate=1.0):
        id_ = shopper.place()
        shopper.when(id_, lambda order: len(order["steps"]) == 2)
        time.sleep(2)  # long enough for a second try, whose answer is lost as well
        assert not shopper.get(id_)["settled"]
    assert shopper.settled(id_)["status"] == "confirmed"
    assert effects(stack, shopper, id_) == CONFIRMED


def test_an_outage_delays_only_its_own_step_and_heals_by_itself(
    stack: Stack, shopper: Customer
) -> None:
    with faulty(stack, "accounting", outage=True):
        id_ = shopper.place()
        order = shopper.when(id_, lambda order: len(order["steps"]) == 2)
        assert {step["step"] for step in order["steps"]} == {"reserve", "ship"}
        assert order["status"] == "accepted"
    assert shopper.settled(id_)["status"] == "confirmed"
    assert effects(stack, shopper, id_) == CONFIRMED


def test_a_broken_contract_is_a_dead_letter_with_its_reason(
    stack: Stack, shopper: Customer
) -> None:
    """A command that fulfilment can't understand: put into the queue as nothing of ours would."""
    sqs = stack.client("sqs")
    sqs.send_message(QueueUrl=stack.queues["fulfilment"], MessageBody="not a command at all")
    deadline = time.monotonic() + 30
    dead_letters: list[dict[str, object]] = []
    while not dead_letters:
        assert time.monotonic() < deadline
        dead_letters = sqs.receive_message(
            QueueUrl=stack.queues["fulfilment_dead_letter"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=1,
        ).get("Messages", [])
    [dead_letter] = dead_letters
    sqs.delete_message(
        QueueUrl=stack.queues["fulfilment_dead_letter"], ReceiptHandle=dead_letter["ReceiptHandle"]
    )
    assert dead_letter["Body"] == "not a command at all"
    reason = dead_letter["MessageAttributes"]["reason"]["StringValue"]  # type: ignore[index]
    assert reason == "not a command: DecodeError"


@pytest.mark.parametrize("user", ["shopper", "other", "wholesale"])
def test_each_customer_sees_their_own_orders_and_no_others(
    stack: Stack, user: str, request: pytest.FixtureRequest
) -> None:
    customer: Customer = request.getfixturevalue(user)
    mine = [customer.place() for _ in range(3)]
    listed = customer.http.get("/orders", params={"limit": 100}).json()["orders"]
    assert [order["order_id"] for order in listed[:3]] == mine[::-1]
    for stranger in {"shopper", "other", "wholesale"} - {user}:
        they: Customer = request.getfixturevalue(stranger)
        assert they.http.get(f"/orders/{mine[0]}").status_code == 404
        assert they.cancel(mine[0]).status_code == 404
        theirs = they.http.get("/orders", params={"limit": 100}).json()["orders"]
        assert not {order["order_id"] for order in theirs} & set(mine)


def test_who_looks_again_gets_nothing_anew_until_something_has_changed(
    shopper: Customer,
) -> None:
    id_ = shopper.place(lines=[line(f"SKU-{n}") for n in range(50)])
    shopper.settled(id_)
    first = shopper.http.get(f"/orders/{id_}")
    same = {"if-none-match": first.headers["etag"]}
    assert first.headers["content-encoding"] == "gzip"
    again = shopper.http.get(f"/orders/{id_}", headers=same)
    assert (again.status_code, again.content) == (304, b"")
    head = shopper.http.head(f"/orders/{id_}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == first.headers["etag"]
    assert shopper.http.head("/orders").status_code == 200
    shopper.cancel(id_)
    assert shopper.http.get(f"/orders/{id_}", headers=same).status_code == 200
