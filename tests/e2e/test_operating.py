"""What an operator asks a running stack, by the commands: how it is, one order's life, what is
stuck and why, and one trace from the customer's request to the last delivery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orders.aws import items
from orders.domain.order import AcceptedOrder, order_id_time
from orders.domain.promises import Promise
from orders.domain.units import OrderId
from orders.handlers.wire import Content, content_of
from spillway.cli import app
from spillway.currencies import in_major_units
from spillway.operate.redrive.moving import redrive_of
from spillway.run.stack import Stack
from spillway.target.service import on_this_machine
from tests.builders import order_id, order_key
from tests.e2e.shop import Customer, effects, faulty
from tests.e2e.test_overflow_and_watchdog import dead_letters
from tests.waiting import eventually

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def asked(stack: Stack) -> Any:
    """The answer to a command as JSON, or as text."""

    def ask(*words: str, json_: bool = True) -> Any:
        options = ["--port", str(stack.port), *(["--json"] if json_ else [])]
        result = CliRunner().invoke(app, [*words, *options])
        assert not isinstance(result.exception, Exception), result.exception
        return json.loads(result.output) if json_ else result.output

    return ask


def lines(asked: Any, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in asked("logs", *words, "--json", json_=False).splitlines()]


def test_a_confirmed_order_s_life_in_one_trace(shopper: Customer, asked: Any) -> None:
    id_, body = shopper.order()
    traced = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    assert shopper.http.put(f"/orders/{id_}", json=body, headers=traced).status_code == 201
    shopper.settled(id_)
    # The run that wrote the last fact is not over yet: then its line is there.
    life = eventually(lambda: asked("orders", "show", id_), lambda life: len(life["lines"]) >= 2)
    assert (life["status"], life["settled"], life["trace"]) == ("confirmed", True, TRACE_ID)
    assert life["steps"][0]["step"] == "reserve"
    assert {step["outcome"] for step in life["steps"]} == {"done"}
    assert (life["way"], life["express"]) == ("express path", ["reserve", "ship", "post"])
    assert life["attempts"] == {"reserve": 1}
    assert [len(life["downstreams"][name]) for name in life["downstreams"]] == [1, 1, 1]
    assert [line["function"] for line in life["lines"]] == ["intake", "deliver-inventory"]
    assert {line["trace"] for line in life["lines"]} == {TRACE_ID}
    [last] = [line for line in life["lines"] if "settle_ms" in line]
    assert last["status"] == "confirmed"
    assert [line["outcome"] for line in lines(asked, "--order", id_)] == ["accepted", "done"]


def test_an_order_that_is_stuck_says_why(stack: Stack, other: Customer, asked: Any) -> None:
    with faulty(stack, "accounting", outage=True):
        id_ = other.place()
        other.when(id_, lambda order: len(order["steps"]) == 2)
        stuck = eventually(lambda: _listed(asked("orders", "list", "--stuck"), id_))
        assert stuck is not None
        assert (stuck["owed"], stuck["waits_for"]) == (["post"], ["accounting"])
        unsettled = _listed(asked("orders", "list", "--unsettled"), id_)
        assert unsettled
        assert unsettled["customer_id"] == other.id
        text = asked("orders", "show", id_, "--customer", other.id, json_=False)
        assert "Why it has not settled" in text
        assert "answered 503" in text
        [accounting] = [
            part for part in asked("status")["parts"] if part["part"] == "deliver-accounting"
        ]
        queue = accounting["queue"]
        assert queue["visible"] + queue["in_flight"] >= 1
        assert accounting["oldest_seconds"] >= 1
    other.settled(id_)
    eventually(lambda: _listed(asked("orders", "list", "--stuck"), id_) is None)
    assert _listed(asked("orders", "list", "--unsettled"), id_) is None
    history = asked("orders", "list", "--customer", other.id, "--limit", "1")
    assert [order["order_id"] for order in history["orders"]] == [id_]


def _listed(listed: dict[str, Any], id_: str) -> dict[str, Any] | None:
    return next((order for order in listed["orders"] if order["order_id"] == id_), None)


def test_every_promise_and_part_is_on_the_status(asked: Any) -> None:
    status = asked("status")
    assert [part["part"] for part in status["parts"]][:3] == ["intake", "drain", "relay"]
    promises = {alarm["promise"] for alarm in status["alarms"]} - {None}
    # No function holds payments against the orders on this machine.
    watched = {*Promise} - {Promise.PAID_IS_ORDERED_OR_REFUNDED}
    assert promises == {promise.value for promise in watched}
    text = asked("status", json_=False)
    assert all(promise in text for promise in promises)


def test_a_payment_without_an_order_is_found_and_its_id_made_void(
    shopper: Customer, asked: Any, tmp_path: Path
) -> None:
    """By the settlement file of a gateway, a day later: the id is of two days ago."""
    ordered, body = shopper.order()
    assert shopper.http.put(f"/orders/{ordered}", json=body).status_code == 201
    lost = order_id(order_id_time(OrderId(ordered)) - 2 * 24 * 60 * 60 * 1000)
    paid = body["payment"]
    amount = in_major_units(paid["amount"], paid["currency"])
    settlement = tmp_path / "settlement.csv"
    settlement.write_text(
        "reference,kind,amount,currency,at,customer_id,order_id\n"
        f"{paid['reference']},sale,{amount},{paid['currency']},2026-11-23,{shopper.id},{ordered}\n"
        f"pay_lost,sale,12.50,GBP,2026-11-23,{shopper.id},{lost}\n"
    )
    command = ("payments", "reconcile", "--file", str(settlement))
    assert asked(*command)["returns"]["due"] == 1
    # While another test has an order overflow, it waits.
    found = eventually(
        lambda: asked(*command, "--refund"), lambda found: found["returns"]["by_hand"] == 1
    )
    assert found["findings"]["ordered"] == 1
    answer = shopper.http.put(f"/orders/{lost}/cancellation", params={"void": "true"})
    assert answer.json()["proofs"]


def test_what_lies_with_the_dead_letters_is_looked_at_and_left_there(stack: Stack) -> None:
    service = on_this_machine(stack.port)
    body = json.dumps({"customer_id": "c", "order_id": order_id(), "step": "fly"})
    stack.client("sqs").send_message(QueueUrl=stack.queues["fulfilment"], MessageBody=body)
    look = redrive_of(service, ["fulfilment"], dry_run=True)

    def looked() -> list[str]:
        look.run()
        return list(look.found["fulfilment"].groups)

    [reason] = eventually(looked)
    assert reason.startswith("not a command")
    assert eventually(lambda: dead_letters(stack, "fulfilment"))


def test_an_order_that_relay_never_saw_goes_on_when_it_is_resumed(
    stack: Stack, shopper: Customer, asked: Any
) -> None:
    """As when the stream had forgotten it before relay was back: no command, and no check."""
    id_, body = shopper.order()
    sent = content_of(json.dumps(body).encode())
    assert isinstance(sent, Content)
    key = order_key(shopper.id, id_)
    lost = AcceptedOrder(key, order_id_time(key.order_id), sent.digest, sent.order)
    # Relay passes over what an import marks.
    item = {**items.order_item(lost), items.IMPORTED: {"N": "1"}}
    stack.client("dynamodb").put_item(TableName=stack.tables["orders"], Item=item)
    everything = ("orders", "resume", "--unsettled", "--older-than", "0s")
    assert asked(*everything, "--dry-run")["handed_over"] >= 1
    assert shopper.get(id_)["steps"] == []
    assert asked("orders", "resume", id_, "--customer", shopper.id)["handed_over"] == 1
    shopper.settled(id_)
    assert effects(stack, shopper, id_) == {"reserve": 1, "ship": 1, "post": 1}
    assert asked("orders", "resume", id_)["handed_over"] == 0
