"""Refusals that the proxy gives instead of AWS, each in the form of its service's protocol."""

import uuid
from http import HTTPStatus
from xml.sax.saxutils import escape

import msgspec

from spillway.run.proxy.calls import Answer, Call, answer_of

# All other codes are the caller's: 400, throttling by DynamoDB, SQS and SSM among them.
_STATUS_OF_CODE = {
    "InternalError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "InternalFailure": HTTPStatus.INTERNAL_SERVER_ERROR,
    "InternalServerError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "ServiceUnavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "ThrottledException": HTTPStatus.TOO_MANY_REQUESTS,
    "AccessDenied": HTTPStatus.FORBIDDEN,
    "AuthorizationError": HTTPStatus.FORBIDDEN,
}
_MESSAGE = "Refused by the proxy"
_SNS_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"


def refusal(call: Call, code: str) -> Answer:
    """AWS's error `code`, with the HTTP status that belongs to it."""
    status = _STATUS_OF_CODE.get(code, HTTPStatus.BAD_REQUEST)
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-requestid": request_id}
    if call.form:
        side = "Receiver" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Sender"
        error = xml("Type", side) + xml("Code", code) + xml("Message", _MESSAGE)
        content = f"<Error>{error}</Error>{xml('RequestId', request_id)}"
        return answer_of(status, "text/xml", document("ErrorResponse", content), **headers)
    body = msgspec.json.encode({"__type": code, "message": _MESSAGE})
    return answer_of(status, "application/x-amz-json-1.0", body, **headers)


def xml(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>"


def document(root: str, content: str) -> bytes:
    """A whole XML document of SNS's."""
    return f'<?xml version="1.0"?><{root} xmlns="{_SNS_NAMESPACE}">{content}</{root}>'.encode()
