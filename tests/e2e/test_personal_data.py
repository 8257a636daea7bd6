"""Marked names, addresses and payments go through every path, and turn up nowhere but where they
are needed: not in a log, not in an event, not in a queue but the overflow's, not in a reason.

docs/personal-data.md says what may carry what.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from spillway.run.loopback import http_client
from spillway.run.stack import Stack
from spillway.target.service import Service
from tests.builders import order_id, order_key
from tests.e2e.shop import Customer, faulty
from tests.e2e.test_overflow_and_watchdog import REFUSED_PUT, dead_letters, reason
from tests.waiting import eventually

MARK = "Zaphira"
QUEUE_DOWN = {"service": "sqs", "operation": "SendMessage", "function": "intake", "cut": True}
#: Whole orders lie here until the table has them: the one place.
KEEPS_ORDERS = ("overflow", "overflow_dead_letter")
PERSONAL: dict[str, Any] = {
    "address": {
        "name": f"{MARK} Fletcher",
        "lines": [f"1 {MARK} Street", f"c/o {MARK}"],
        "city": f"{MARK}ton",
        "postal_code": f"{MARK}1",
        "country": "GB",
        "state": f"{MARK}shire",
        "phone": f"0113 {MARK}",
        "email": f"{MARK}@example.com",
    },
}


def paid(**fields: Any) -> dict[str, Any]:
    amount = 2 * 255 + 395
    payment = {"reference": f"pay_{MARK}", "amount": amount, "currency": "GBP"}
    return {**PERSONAL, "payment": payment, **fields}


@pytest.fixture(scope="module")
def events(stack: Stack) -> Iterator[str]:
    """The URL of a queue that is told every event."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    url: str = sqs.create_queue(QueueName=f"events-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    [topic] = [
        t["TopicArn"] for t in sns.list_topics()["Topics"] if "order-events" in t["TopicArn"]
    ]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    yield url
    sqs.delete_queue(QueueUrl=url)


def test_personal_data_turns_up_nowhere_but_where_it_is_needed(
    stack: Stack, shopper: Customer, wholesale: Customer, service: Service, events: str
) -> None:
    seen = Seen(stack)
    _accepted_replayed_and_clashing(shopper)
    _refused(shopper)
    _turned_away_and_buffered(stack, shopper)
    _held_up_rejected_and_cancelled(stack, shopper, wholesale, seen)
    _poison(stack, shopper, seen)
    seen.look()

    assert seen.messages > 0
    assert not seen.marked, seen.marked
    told = list(_events(stack, events))
    assert {event["type"].split(".")[2] for event in told} >= {"accepted", "confirmed", "rejected"}
    assert MARK not in str(told)
    wanted = {"accepted", "replayed", "buffered", "refused", "unavailable", "placed", "postponed"}
    eventually(lambda: _outcomes(service), wanted.issubset)
    for line in _log_lines(service):
        for secret in (MARK, shopper.id, wholesale.id, "k1."):
            assert secret not in str(line), line


def _accepted_replayed_and_clashing(shopper: Customer) -> None:
    id_, body = shopper.order(**paid())
    assert shopper.put(id_, body).status_code == 201
    assert shopper.put(id_, body).status_code == 200
    moved = {**body, "address": {**body["address"], "city": f"{MARK}ham"}}
    assert shopper.put(id_, moved).status_code == 409
    assert shopper.settled(id_)["order"]["address"]["name"] == f"{MARK} Fletcher"


def _refused(shopper: Customer) -> None:
    """Marks where a rule is broken, up to the names of fields and the id itself."""
    id_, body = shopper.order(**paid())
    for broken in (
        {**body, MARK: MARK},
        {**body, "lines": [{"sku": MARK, "quantity": MARK, "unit_price": MARK}]},
        {**body, "channel": MARK},
        {**body, "purchase_order": MARK},
        {**body, "address": {**body["address"], "country": MARK, "name": MARK * 100}},
        {**body, "payment": {**body["payment"], "receipt": f"{MARK}.{MARK}"}},
        {**body, "address": MARK},
    ):
        assert shopper.put(id_, broken).status_code in (400, 422)
    answer = shopper.http.put(f"/orders/{id_}", content=f'{{"name": "{MARK}"'.encode())
    assert answer.status_code == 400
    assert shopper.put(MARK, body).status_code == 422
    assert shopper.cancel(MARK).status_code == 404
    traced = {"traceparent": f"00-{MARK}-{MARK}-01"}
    assert shopper.http.get(f"/orders/{MARK}", headers=traced).status_code == 404
    assert shopper.http.get("/orders", params={"cursor": MARK}).status_code == 400


def _turned_away_and_buffered(stack: Stack, shopper: Customer) -> None:
    id_, body = shopper.order(**paid())
    with stack.proxy.inject(**REFUSED_PUT), stack.proxy.inject(**QUEUE_DOWN):
        assert shopper.put(id_, body).status_code == 503
    with stack.proxy.inject(**REFUSED_PUT) as fault:
        assert shopper.put(id_, body).status_code == 202
        tried = fault.fired()
        eventually(lambda: fault.fired() > tried)  # drain meets with the refusal too
    eventually(lambda: shopper.http.get(f"/orders/{id_}").status_code == 200)


def _held_up_rejected_and_cancelled(
    stack: Stack, shopper: Customer, wholesale: Customer, seen: Seen
) -> None:
    with faulty(stack, "inventory", outage=True):
        held_up = shopper.place(**paid())
        eventually(seen.look)
    with faulty(stack, "fulfilment", outage=True), faulty(stack, "accounting", outage=True):
        cancelled = wholesale.place(**paid(channel="wholesale", purchase_order=f"PO-{MARK}"))
        wholesale.when(cancelled, lambda order: bool(order["steps"]))
        assert wholesale.cancel(cancelled).status_code == 202
        eventually(seen.look)
    with faulty(stack, "fulfilment", refuse_rate=1.0):
        rejected = shopper.place(**paid())
        assert shopper.settled(rejected)["status"] == "rejected"
    shopper.settled(held_up)
    wholesale.settled(cancelled)


def _poison(stack: Stack, shopper: Customer, seen: Seen) -> None:
    """What is poisonous holds marks itself; what is said of it must not."""
    sqs = stack.client("sqs")
    dynamodb, table = stack.client("dynamodb"), stack.tables["orders"]
    poison = order_key(shopper.id, order_id(time.time_ns() // 1_000_000))
    keys = {"pk": {"S": poison.customer_id}, "sk": {"S": poison.order_id}}
    content = {"B": zlib.compress(json.dumps({"name": MARK}).encode())}
    numbers = {"digest": {"B": b"?"}, "accepted_at": {"N": "1"}}
    dynamodb.put_item(TableName=table, Item={**keys, **numbers, "content": content})
    for queue in ("inventory", "overflow", "watchdog"):
        named = json.dumps({"customer_id": MARK, "order_id": MARK, "step": MARK, "order": MARK})
        for body in (f"{{{MARK}", named):
            sqs.send_message(QueueUrl=stack.queues[queue], MessageBody=body)
    try:
        dead_letters = [
            dead_letter
            for queue, count in (("inventory", 2), ("overflow", 2), ("watchdog", 1), ("relay", 1))
            for dead_letter in _dead_letters(stack, queue, count)
        ]
    finally:
        dynamodb.delete_item(TableName=table, Key=keys)
    for dead_letter in dead_letters:
        assert MARK not in reason(dead_letter)
    [relayed] = [
        dead_letter for dead_letter in dead_letters if poison.order_id in dead_letter["Body"]
    ]
    seen.add("relay_dead_letter", relayed["Body"])


def _dead_letters(stack: Stack, queue: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def look() -> list[dict[str, Any]]:
        found.extend(dead_letters(stack, queue))
        return found

    return eventually(look, lambda found: len(found) >= count)


class Seen:
    """What lay in the queues when they were looked at, compressed or not."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.messages = 0
        self.marked: list[tuple[str, str]] = []

    def look(self) -> bool:
        """Whether anything lay there."""
        before = self.messages
        for name, url in self._stack.queues.items():
            with http_client(base_url=self._stack.emulator) as http:
                answer = http.get("/_ministack/sqs/messages", params={"QueueUrl": url}).json()
            for regions in answer["messages"].values():
                for queues in regions.values():
                    for message in [message for found in queues.values() for message in found]:
                        self.add(name, message["Body"], str(message["MessageAttributes"]))
        return self.messages > before

    def add(self, name: str, body: str, attributes: str = "") -> None:
        self.messages += 1
        if name not in KEEPS_ORDERS and MARK in _unpacked(body) + attributes:
            self.marked.append((name, _unpacked(body)))


def _unpacked(body: str) -> str:
    order = json.loads(body).get("order")
    return body if order is None else body + zlib.decompress(base64.b64decode(order)).decode()


def _events(stack: Stack, url: str) -> Iterator[dict[str, Any]]:
    sqs = stack.client("sqs")
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield json.loads(json.loads(message["Body"])["Message"])


def _outcomes(service: Service) -> set[str]:
    return {line["outcome"] for line in _log_lines(service) if "outcome" in line}


def _log_lines(service: Service) -> Iterator[Any]:
    """Every line of every log group, as an object where it is one."""
    for page in service.logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            events = service.logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"]
            )
            for event in (event for answer in events for event in answer["events"]):
                message = event["message"]
                yield json.loads(message) if message.startswith("{") else message
