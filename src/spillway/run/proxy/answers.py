"""Refusals that the proxy gives instead of AWS, each in the form of its service's protocol."""

import uuid
from http import HTTPStatus
from xml.sax.saxutils import escape

import msgspec

from spillway.run.proxy.calls import Answer, Call, Protocol, answer_of

# All other codes are the caller's: 400, throttling by DynamoDB, SQS and SSM among them.
_STATUS_OF_CODE = {
    "InternalError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "InternalFailure": HTTPStatus.INTERNAL_SERVER_ERROR,
    "InternalServerError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "InternalServerErrorException": HTTPStatus.INTERNAL_SERVER_ERROR,
    "ServiceUnavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "ServiceUnavailableException": HTTPStatus.SERVICE_UNAVAILABLE,
    "SlowDown": HTTPStatus.SERVICE_UNAVAILABLE,
    "ThrottledException": HTTPStatus.TOO_MANY_REQUESTS,
    "TooManyRequestsException": HTTPStatus.TOO_MANY_REQUESTS,
    "AccessDenied": HTTPStatus.FORBIDDEN,
    "AuthorizationError": HTTPStatus.FORBIDDEN,
}
_MESSAGE = "Refused by the proxy"
_SNS_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"


def refusal(call: Call, code: str, status: int | None) -> Answer:
    """AWS's error `code`, with the HTTP status that belongs to it unless one is given."""
    chosen = HTTPStatus(status or _STATUS_OF_CODE.get(code, HTTPStatus.BAD_REQUEST))
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-requestid": request_id}
    match call.protocol:
        case Protocol.JSON:
            kind, content = "application/x-amz-json-1.0", {"__type": code, "message": _MESSAGE}
            body = msgspec.json.encode(content)
        case Protocol.REST_JSON:
            kind, body = "application/json", msgspec.json.encode({"message": _MESSAGE})
            headers["x-amzn-errortype"] = code
        case Protocol.QUERY:
            side = "Receiver" if chosen >= HTTPStatus.INTERNAL_SERVER_ERROR else "Sender"
            error = xml("Type", side) + xml("Code", code) + xml("Message", _MESSAGE)
            kind = "text/xml"
            body = document(
                "ErrorResponse", f"<Error>{error}</Error>{xml('RequestId', request_id)}"
            )
        case Protocol.REST_XML:
            kind = "application/xml"
            body = document("Error", xml("Code", code) + xml("Message", _MESSAGE))
    return answer_of(chosen, kind, body, **headers)


def xml(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>"


def document(root: str, content: str) -> bytes:
    """A whole XML document; all but S3's bare errors are in SNS's namespace."""
    namespace = "" if root == "Error" else f' xmlns="{_SNS_NAMESPACE}"'
    return f'<?xml version="1.0"?><{root}{namespace}>{content}</{root}>'.encode()
