"""A function and a queue behind what AWS answers, on the loopback."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pytest
import urllib3

from orders.downstream.direct import Function, Queue
from orders.downstream.transport import Answer, Call
from orders.failures import Failure, Misconfigured, PermanentFailure, TransientFailure
from simulation.world.runtime import SetClock
from tests.builders import NOW
from tests.orders.downstream.servers import Answering, Asked, answering

ARN = "arn:aws:lambda:eu-west-1:111122223333:function:stock:live"
QUEUE = "https://sqs.eu-central-1.amazonaws.com/111122223333/ship"
TAKEN: tuple[int, Mapping[str, str], bytes] = 200, {}, b'{"MessageId":"m-1"}'


def signed(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    return {**headers, "authorization": f"{method} {url} {len(body)}"}


def call(url: str) -> Call:
    headers = {"content-type": "application/json", "idempotency-key": "ship-1-c"}
    body = '{"name":"Łukasz"}'.encode()
    return Call("ship", "POST", url, headers, body, "00-1-2-01", order_id="1", key="ship-1-c")


def told(status: int, body: Any, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture
def aws() -> Iterator[Answering]:
    with answering(lambda _asked: TAKEN) as told:
        yield told


def function(aws: Answering, answered: tuple[int, Mapping[str, str], bytes]) -> Answer:
    aws.answer = lambda _asked: answered
    return Function(urllib3.PoolManager(), signed, SetClock(NOW), 5.0, aws.url)(call(ARN))


def queue(aws: Answering, url: str = QUEUE) -> Answer:
    return Queue(urllib3.PoolManager(), signed, SetClock(NOW), 5.0, aws.url)(call(url))


def test_a_function_gets_the_body_and_the_key_in_its_client_context(aws: Answering) -> None:
    function(aws, told(200, {}))
    [asked] = aws.asked
    assert (asked.method, asked.body) == ("POST", call(ARN).body)
    assert asked.path.startswith("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A")
    assert unquote(asked.path) == f"/2015-03-31/functions/{ARN}/invocations"
    assert asked.headers["authorization"] == f"POST {aws.url}{asked.path} {len(asked.body)}"
    context = json.loads(base64.b64decode(asked.headers["x-amz-client-context"]))
    assert context["custom"]["idempotency-key"] == "ship-1-c"
    assert context["custom"]["traceparent"] == "00-1-2-01"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"reference": "R-1"}, Answer(200, {}, b'{"reference": "R-1"}')),
        (None, Answer(200, {}, b"null")),
        ({"statusCode": 409, "code": "x"}, Answer(409, {}, b'{"statusCode": 409, "code": "x"}')),
        (
            {"statusCode": 201, "headers": {"Location": "/1"}, "body": '{"a":1}'},
            Answer(201, {"location": "/1"}, b'{"a":1}'),
        ),
        ({"statusCode": 422, "body": {"a": [1]}}, Answer(422, {}, b'{"a":[1]}')),
        (
            {"statusCode": 201, "body": "eyJhIjoxfQ==", "isBase64Encoded": True},
            Answer(201, {}, b'{"a":1}'),
        ),
        ({"statusCode": 201, "body": "e%", "isBase64Encoded": True}, Answer(201, {}, b"e%")),
        ({"statusCode": 201, "body": "é", "isBase64Encoded": True}, Answer(201, {}, "é".encode())),
        ({"statusCode": "201"}, Answer(200, {}, b'{"statusCode": "201"}')),
        ({"statusCode": True}, Answer(200, {}, b'{"statusCode": true}')),
        ([{"statusCode": 500}], Answer(200, {}, b'[{"statusCode": 500}]')),
    ],
)
def test_a_function_answers_with_200_or_the_status_that_it_says(
    aws: Answering, payload: Any, expected: Answer
) -> None:
    assert function(aws, told(200, payload)) == expected


def test_what_is_no_json_is_for_the_rules_to_say(aws: Answering) -> None:
    assert function(aws, told(200, b"<html>")) == Answer(200, {}, b"<html>")


@pytest.mark.parametrize("kind", ["Unhandled", "Handled"])
def test_a_function_that_failed_has_an_unknown_outcome(aws: Answering, kind: str) -> None:
    """It may have done its step before it failed. Its error may quote the order."""
    failed = told(200, {"errorMessage": "Ada", "statusCode": 201}, x_amz_function_error=kind)
    with pytest.raises(TransientFailure) as raised:
        function(aws, failed)
    assert str(raised.value) == f"ship: the function failed ({kind})"


FAILURES: list[tuple[int, str, type[Failure]]] = [
    (429, "TooManyRequestsException", TransientFailure),
    (500, "ServiceException", TransientFailure),
    (502, "EC2ThrottledException", TransientFailure),
    (503, "", TransientFailure),
    (408, "SnapStartTimeoutException", TransientFailure),
    (409, "ResourceConflictException", TransientFailure),
    (413, "RequestTooLargeException", PermanentFailure),
    (403, "AccessDeniedException", Misconfigured),
    (404, "ResourceNotFoundException", Misconfigured),
    (400, "InvalidRequestContentException", Misconfigured),
    (301, "", Misconfigured),
]


@pytest.mark.parametrize(("status", "error", "failure"), FAILURES)
def test_what_lambda_itself_answers_says_nothing_of_the_order(
    aws: Answering, status: int, error: str, failure: type[Failure]
) -> None:
    with pytest.raises(failure) as raised:
        function(aws, told(status, {"Message": "Ada"}, x_amzn_errortype=f"{error}:http://x/"))
    assert type(raised.value) is failure
    assert str(raised.value) == f"ship: answered {status} {error}".rstrip()


@pytest.mark.parametrize(
    ("arn", "host"),
    [
        (ARN, "https://lambda.eu-west-1.amazonaws.com/"),
        (ARN.replace("aws:", "aws-cn:", 1), "https://lambda.eu-west-1.amazonaws.com.cn/"),
    ],
)
def test_a_function_is_invoked_in_its_own_region(arn: str, host: str) -> None:
    asked: list[str] = []

    class Pool:
        def request(self, method: str, url: str, **_: Any) -> Any:
            asked.append(url)
            raise urllib3.exceptions.HTTPError

    send = Function(Pool(), signed, SetClock(NOW), 5.0)
    with pytest.raises(TransientFailure, match="ship: HTTPError"):
        send(call(arn))
    assert asked[0].startswith(host)


def test_a_message_is_the_body_with_the_headers_as_attributes(aws: Answering) -> None:
    answer = queue(aws)
    assert (answer.status, answer.body) == (200, TAKEN[2])
    asked = aws.asked[0]
    assert asked.headers["x-amz-target"] == "AmazonSQS.SendMessage"
    assert asked.headers["content-type"] == "application/x-amz-json-1.0"
    assert asked.headers["authorization"] == f"POST {aws.url}/ {len(asked.body)}"
    assert json.loads(asked.body) == {
        "QueueUrl": QUEUE,
        "MessageBody": '{"name":"Łukasz"}',
        "MessageAttributes": {
            "idempotency-key": {"DataType": "String", "StringValue": "ship-1-c"},
            "traceparent": {"DataType": "String", "StringValue": "00-1-2-01"},
        },
    }


def test_a_fifo_queue_keeps_an_order_s_messages_in_order_and_drops_doubles(aws: Answering) -> None:
    queue(aws, f"{QUEUE}.fifo")
    message = json.loads(aws.asked[0].body)
    assert (message["MessageGroupId"], message["MessageDeduplicationId"]) == ("1", "ship-1-c")


def test_a_queue_is_asked_in_its_own_region() -> None:
    asked: list[str] = []

    class Pool:
        def request(self, method: str, url: str, **_: Any) -> Any:
            asked.append(url)
            raise urllib3.exceptions.HTTPError

    with pytest.raises(TransientFailure, match="ship: HTTPError"):
        Queue(Pool(), signed, SetClock(NOW), 5.0)(call(QUEUE))
    assert asked == ["https://sqs.eu-central-1.amazonaws.com/"]


@pytest.mark.parametrize(
    ("status", "error", "failure"),
    [
        (400, "com.amazonaws.sqs#QueueDoesNotExist", Misconfigured),
        (403, "com.amazon.coral.service#AccessDeniedException", Misconfigured),
        (400, "com.amazonaws.sqs#KmsAccessDenied", Misconfigured),
        (400, "com.amazonaws.sqs#RequestThrottled", TransientFailure),
        (400, "com.amazonaws.sqs#KmsThrottled", TransientFailure),
        (503, "", TransientFailure),
        (400, "com.amazonaws.sqs#InvalidMessageContents", PermanentFailure),
        (400, "com.amazon.coral.service#InvalidParameterValueException", PermanentFailure),
    ],
)
def test_what_sqs_answers_says_who_must_do_something(
    aws: Answering, status: int, error: str, failure: type[Failure]
) -> None:
    aws.answer = lambda _asked: told(status, {"__type": error, "message": "Ada"})
    with pytest.raises(failure) as raised:
        queue(aws)
    assert type(raised.value) is failure
    named = error.rpartition("#")[2]
    assert str(raised.value) == f"ship: answered {status} {named}".rstrip()


def test_what_another_server_answers_is_no_answer_of_aws(aws: Answering) -> None:
    def elsewhere(_asked: Asked) -> tuple[int, Mapping[str, str], bytes]:
        return 403, {}, b"<html>proxy</html>"

    aws.answer = elsewhere
    with pytest.raises(Misconfigured, match=r"ship: answered 403$"):
        queue(aws)
