"""Transports to a downstream that has no address of its own: a Lambda function, invoked directly,
or an SQS queue. Only a stage that has either imports this.

Both are one signed POST, so the bundle needs no further client of the AWS SDK. What AWS itself
answers says nothing of the order. Only a function's own answer is read by the rules:

    408, 409, 429, 5xx, a throttled call,      unknown (TransientFailure)
    a function that failed
    413, a message that is too long            wrong (PermanentFailure): about this order
    anything else                              misconfigured (Misconfigured)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import msgspec

from orders.downstream.proofs import Sign
from orders.downstream.transport import Answer, Call, Pool, deadline, exchange
from orders.failures import Failure, Misconfigured, PermanentFailure, TransientFailure
from orders.ports import Clock

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_INVOKE = "/2015-03-31/functions/{}/invocations"
#: Also a function that is just being changed, or made ready.
_UNKNOWN = frozenset({408, 409, 429})
_FIFO = ".fifo"
#: SQS answers 400 to these as well.
_THROTTLED = frozenset({"RequestThrottled", "Throttling", "KmsThrottled", "OverLimit"})
#: The message is too long, or has a character that SQS does not take. With the queue's own settings
#: it has nothing to do: they are known from its URL.
_ABOUT_THE_MESSAGE = frozenset({"InvalidMessageContents", "InvalidParameterValue"})


@dataclass(frozen=True, slots=True)
class Function:
    """A call's URL is the function's ARN, its body the payload. Its headers are the custom values
    of the client context, where a function finds the idempotency key.

    A function may answer as one behind API Gateway does: with `statusCode`, `headers` and `body`.
    Any other answer has status 200.
    """

    pool: Pool
    sign: Sign
    clock: Clock
    timeout_seconds: float
    #: The emulator's address; None is AWS's own.
    endpoint: str | None = None

    def __call__(self, call: Call) -> Answer:
        until = deadline(self.clock, self.timeout_seconds, call.until)
        custom = {**call.headers, "traceparent": call.traceparent}
        context = base64.b64encode(msgspec.json.encode({"custom": custom})).decode()
        headers = {"content-type": "application/json", "x-amz-client-context": context}
        url = self._endpoint(call.url) + _INVOKE.format(quote(call.url, safe=""))
        signed = self.sign("POST", url, headers, call.body)
        invocation = replace(call, method="POST", url=url, headers=signed)
        answer = exchange(self.pool, invocation, self.clock, until)
        if answer.status != 200:
            raise _failure_of(call, answer, _error_of(answer))
        failed = answer.headers.get("x-amz-function-error")
        if failed is not None:
            # Its error's text may quote the order.
            raise TransientFailure(f"{call.asked}: the function failed ({failed[:20]})")
        return _own(answer)

    def _endpoint(self, arn: str) -> str:
        _, partition, _, region, *_ = arn.split(":")
        suffix = ".cn" if partition == "aws-cn" else ""
        return self.endpoint or f"https://lambda.{region}.amazonaws.com{suffix}"


@dataclass(frozen=True, slots=True)
class Queue:
    """A call's URL is the queue's, its body the message, its headers the message's attributes. On a
    FIFO queue an order's messages keep their order, and one that is sent twice within five minutes
    arrives once."""

    pool: Pool
    sign: Sign
    clock: Clock
    timeout_seconds: float
    endpoint: str | None = None

    def __call__(self, call: Call) -> Answer:
        """Status 200: the queue has it."""
        until = deadline(self.clock, self.timeout_seconds, call.until)
        attributes = {**call.headers, "traceparent": call.traceparent}
        attributes.pop("content-type", None)
        message: dict[str, Any] = {
            "QueueUrl": call.url,
            "MessageBody": call.body.decode(),
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        }
        if call.url.endswith(_FIFO):
            message |= {"MessageGroupId": call.order_id, "MessageDeduplicationId": call.key}
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": "AmazonSQS.SendMessage",
        }
        url = (self.endpoint or call.url.rsplit("/", 2)[0]) + "/"
        body = msgspec.json.encode(message)
        signed = self.sign("POST", url, headers, body)
        sent = replace(call, method="POST", url=url, headers=signed, body=body)
        answer = exchange(self.pool, sent, self.clock, until)
        if answer.status != 200:
            raise _failure_of(call, answer, _error_of(answer))
        return answer


def _own(answer: Answer) -> Answer:
    """What a function has answered, with the status that it says itself, if it does."""
    try:
        payload = msgspec.json.decode(answer.body or b"null")
    except (ValueError, RecursionError):
        # Not JSON: the rules say so.
        return replace(answer, headers={})
    status = payload.get("statusCode") if isinstance(payload, dict) else None
    if not isinstance(status, int) or isinstance(status, bool):
        return replace(answer, headers={})
    given = payload.get("headers")
    headers = {
        str(name).lower(): str(value)
        for name, value in (given.items() if isinstance(given, Mapping) else ())
    }
    if "body" not in payload:
        return Answer(status, headers, answer.body)
    body = payload["body"]
    if not isinstance(body, str):
        return Answer(status, headers, msgspec.json.encode(body))
    if payload.get("isBase64Encoded") is True:
        try:
            return Answer(status, headers, base64.b64decode(body, validate=True))
        except ValueError:
            # Not JSON either, so that no rule takes it for an answer without a body.
            return Answer(status, headers, body.encode())
    return Answer(status, headers, body.encode())


def _error_of(answer: Answer) -> str:
    """AWS's name of it, without what stands around it: `com.amazonaws.sqs#QueueDoesNotExist`."""
    named = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    try:
        body = msgspec.json.decode(answer.body or b"null")
    except (ValueError, RecursionError):
        body = None
    if not named and isinstance(body, dict):
        named = str(body.get("__type", ""))
    name = named.rpartition("#")[2].rpartition(".")[2]
    return name if name.isascii() and name.isalnum() else ""


def _failure_of(call: Call, answer: Answer, error: str) -> Failure:
    says = f"{call.asked}: answered {answer.status} {error}".rstrip()
    # Some have this at their end in one protocol and not in another.
    kind = error.removesuffix("Exception")
    if answer.status >= 500 or answer.status in _UNKNOWN or kind in _THROTTLED:
        return TransientFailure(says)
    if answer.status == 413 or kind in _ABOUT_THE_MESSAGE:
        return PermanentFailure(says)
    return Misconfigured(says)
