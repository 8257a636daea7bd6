"""The examples at work: callbacks are repeated until they are taken, messages until handled."""

import hashlib
import hmac
import json
from typing import Any

import boto3
import httpx
import pytest

from simulation.downstreams.examples.running import CALLBACK_TRIES_MAX, Callbacks, Queue
from simulation.downstreams.ledger import MemoryLedger
from tests.simulation.downstreams.builders import ORDER
from tests.simulation.downstreams.examples.builders import a_warehouse, set_faults, ship

KEY = b"callback key"


class Receiver:
    """Takes callbacks, or answers as the test says."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(status)


class Time:
    now = 1_763_892_000.0

    def __call__(self) -> float:
        return self.now


def callbacks(receiver: Receiver, time: Time) -> Callbacks:
    return Callbacks("http://store.example/", KEY, httpx.MockTransport(receiver), time)


def test_a_callback_is_signed_over_its_time_and_its_body() -> None:
    receiver = Receiver()
    callbacks(receiver, Time()).send([b'{"Kennung": "1"}'])
    [request] = receiver.requests
    assert request.headers["x-erp-zeitstempel"] == "1763892000"
    wanted = hmac.new(KEY, b'1763892000.{"Kennung": "1"}', hashlib.sha256).hexdigest()
    assert request.headers["x-erp-signatur"] == f"sha256={wanted}"


def test_a_callback_that_is_not_taken_is_sent_again_when_it_is_due() -> None:
    receiver, time = Receiver(503, 0), Time()
    sender = callbacks(receiver, time)
    sender.send([b"{}"])
    sender.send([])
    assert len(receiver.requests) == 1
    for second in (1, 2):
        time.now += second
        sender.send([])
    assert len(receiver.requests) == 3
    time.now += 1000
    sender.send([])
    assert len(receiver.requests) == 3


def test_a_callback_that_is_never_taken_is_given_up() -> None:
    receiver, time = Receiver(*[500] * 20), Time()
    sender = callbacks(receiver, time)
    sender.send([b"{}"])
    for _ in range(20):
        time.now += 1000
        sender.send([])
    assert len(receiver.requests) == CALLBACK_TRIES_MAX


@pytest.mark.emulator
def test_a_message_leaves_the_queue_once_its_outcome_is_sent(downstream_emulator: str) -> None:
    sqs: Any = boto3.client(
        "sqs",
        endpoint_url=downstream_emulator,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    commands, outcomes = (
        sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("commands", "outcomes")
    )
    ledger = MemoryLedger()
    warehouse = a_warehouse(ledger)
    queue = Queue(warehouse, sqs, commands, outcomes)
    sqs.send_message(QueueUrl=commands, MessageBody=ship().decode())
    set_faults(warehouse, outage=True)
    queue.work_off()
    assert waiting(sqs, commands) == 1
    set_faults(warehouse)
    queue.work_off()
    [message] = sqs.receive_message(QueueUrl=outcomes)["Messages"]
    assert json.loads(message["Body"])["orderNumber"] == ORDER
    assert (waiting(sqs, commands), len(ledger.all_entries())) == (0, 1)


def waiting(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)
