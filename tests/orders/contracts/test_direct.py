"""A real function is invoked and a real queue gets its message, on the emulator."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from orders.downstream.direct import Function, Queue
from orders.downstream.proofs import Sign
from orders.downstream.transport import Call
from orders.failures import Misconfigured, TransientFailure
from orders.wiring import SystemClock
from spillway.run.stack import Stack
from tests.builders import order_id
from tests.orders.handlers.api_events import request

pytestmark = pytest.mark.emulator
CALL = Call("ship", "POST", "", {"idempotency-key": "k-1"}, b"{}", "00-1", order_id="1", key="k-1")


def signing(stack: Stack, service: str) -> Sign:
    client = stack.client(service)

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        asked = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
        credentials = client._request_signer._credentials  # noqa: SLF001 - those of the stack
        SigV4Auth(credentials, service, client.meta.region_name).add_auth(asked)
        return dict(asked.headers.items())

    return sign


@pytest.mark.parametrize("name", ["ship", "ship.fifo"])
def test_a_queue_gets_the_body_and_who_sends_it(stack: Stack, name: str) -> None:
    sqs = stack.client("sqs")
    fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    at = sqs.create_queue(QueueName=f"{uuid.uuid4().hex[:8]}-{name}", Attributes=fifo)["QueueUrl"]
    send = Queue(
        urllib3.PoolManager(), signing(stack, "sqs"), SystemClock(), 5.0, sqs.meta.endpoint_url
    )
    for _ in range(2):
        assert send(replace(CALL, url=at)).status == 200
    messages = sqs.receive_message(
        QueueUrl=at, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )["Messages"]
    assert len(messages) == (1 if fifo else 2)
    assert messages[0]["Body"] == "{}"
    assert messages[0]["MessageAttributes"]["idempotency-key"]["StringValue"] == "k-1"
    sqs.delete_queue(QueueUrl=at)
    with pytest.raises(Misconfigured, match=r"ship: answered 400 .*Queue"):
        send(replace(CALL, url=at))


def test_a_function_answers_or_fails_or_is_not_there(stack: Stack) -> None:
    lambda_ = stack.client("lambda")
    arn = lambda_.get_function(FunctionName="spillway-local-reads")["Configuration"]["FunctionArn"]
    send = Function(
        urllib3.PoolManager(),
        signing(stack, "lambda"),
        SystemClock(),
        30.0,
        lambda_.meta.endpoint_url,
    )
    event = request("GET /orders/{order_id}", order_id=order_id())
    answer = send(replace(CALL, url=arn, body=json.dumps(event).encode()))
    assert answer.status == 404
    assert json.loads(answer.body)["status"] == 404
    with pytest.raises(TransientFailure, match="ship: the function failed"):
        send(replace(CALL, url=arn, body=b'{"no": "event"}'))
    with pytest.raises(Misconfigured, match="ship: answered 404 ResourceNotFoundException"):
        send(replace(CALL, url=f"{arn}-{time.time_ns()}"))
