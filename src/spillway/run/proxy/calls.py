"""Requests and answers, read whole, and which AWS operation a request is, on what, by whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy

UNKNOWN = "unknown"
Headers = CIMultiDict[str] | CIMultiDictProxy[str]

_SCOPE = re.compile(r"Credential=[^/,]+/\d+/[^/,]*/([^/,]+)/aws4_request")
_APP_ID = re.compile(r"(?:^| )app/(\S+)")
_SERVICE_OF_TARGET = {
    "DynamoDB_20120810": "dynamodb",
    "DynamoDBStreams_20120810": "dynamodbstreams",
    "AmazonSQS": "sqs",
    "AmazonSSM": "ssm",
}
# Of an object, whose bucket and key are the path.
_OPERATION_OF_METHOD = {"GET": "GetObject", "PUT": "PutObject"}
# Where a request names what it is about.
_RESOURCE_FIELDS = {
    "dynamodb": ("TableName",),
    "sqs": ("QueueUrl", "QueueName"),
    "sns": ("TopicArn", "TargetArn", "Name"),
    "ssm": ("Name",),
}
SNS_ENTRY = re.compile(r"PublishBatchRequestEntries\.member\.(\d+)\.(.+)")


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is the path with its query, encoded as the caller sent it."""

    method: str
    target: str
    headers: Headers
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets; `headers` without those of the connection."""

    status: int
    headers: Headers
    body: bytes


def answer_of(status: int, content_type: str, body: bytes, **headers: str) -> Answer:
    return Answer(status, CIMultiDict({"content-type": content_type, **headers}), body)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `service` by its signing name, `resource` by its short name where known.

    SNS's calls and answers are forms and XML (`form`), S3's are methods and paths; the other
    services that functions call speak AWS's JSON protocol.
    `function` is the `app/` part of the user agent (the SDK's setting AWS_SDK_UA_APP_ID),
    `entries` the number of entries in a batch request and else 1, `body` the decoded fields.
    """

    service: str
    operation: str
    resource: str | None
    function: str | None
    form: bool
    entries: int
    body: Mapping[str, Any]


def recognise(request: Request) -> Call:
    """What `request` asks of AWS. Never fails: what it does not recognise is `unknown` or None."""
    target = request.headers.get("x-amz-target", "")
    kind = request.headers.get("content-type", "")
    form = not target and kind.startswith("application/x-www-form-urlencoded")
    body = _decoded(request, form) if target or form else {}
    service = _SERVICE_OF_TARGET.get(target.rpartition(".")[0]) or _signed_for(request)
    operation = target.rpartition(".")[2] or body.get("Action", request.method)
    resource = _resource(service, body)
    if service == "s3":
        operation = _OPERATION_OF_METHOD.get(operation, operation)
        resource = request.path.removeprefix("/")
    app_id = _APP_ID.search(request.headers.get("user-agent", ""))
    return Call(
        service=service,
        operation=operation,
        resource=resource,
        function=app_id[1] if app_id else None,
        form=form,
        entries=_entries(service, body),
        body=body,
    )


def _signed_for(request: Request) -> str:
    scope = _SCOPE.search(request.headers.get("authorization", ""))
    return scope[1] if scope else UNKNOWN


def _decoded(request: Request, form: bool) -> Mapping[str, Any]:
    try:
        if form:
            return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        content = msgspec.json.decode(request.body)
    except ValueError:  # msgspec's and UTF-8's errors are; it is for the emulator to refuse it
        return {}
    return content if isinstance(content, dict) else {}


def _resource(service: str, body: Mapping[str, Any]) -> str | None:
    for field in _RESOURCE_FIELDS.get(service, ()):
        name = body.get(field)
        if isinstance(name, str):
            return name if service == "ssm" else re.split("[/:]", name)[-1]
    tables = body.get("RequestItems")
    if isinstance(tables, dict) and len(tables) == 1:
        return str(next(iter(tables)))
    return None


def _entries(service: str, body: Mapping[str, Any]) -> int:
    if service == "sns":
        return len({match[1] for match in map(SNS_ENTRY.fullmatch, body) if match}) or 1
    tables = body.get("RequestItems")
    if isinstance(tables, dict):
        asked = [table.get("Keys") for table in tables.values() if isinstance(table, dict)]
        return sum(len(keys) for keys in asked if isinstance(keys, list)) or 1
    entries = body.get("Entries")
    return len(entries) if isinstance(entries, list) else 1
