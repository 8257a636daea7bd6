"""The HTTP API's requests and answers (payload format 2.0), with problems as of RFC 9457."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

import msgspec

from orders.domain.caller import PERSON, Caller, Claims
from orders.domain.order import Channel
from orders.domain.refusals import CUSTOMER_ID_MAX, Refusal, Rule
from orders.domain.trace import Trace, parsed
from orders.domain.units import CustomerId, Millis, OrderId

# An order of 2,000 lines is about 150 KB. This keeps every order below the table's 400 KB an item
# and a queue's 1 MiB a message, whatever its content.
BODY_BYTES_MAX = 256 * 1024
# More violations than this do not help anybody to mend an order; the count of all is given.
VIOLATIONS_MAX = 1_000
RETRY_AFTER_SECONDS = 2
# Below it compressing saves less than a header costs.
COMPRESSED_BYTES_MIN = 1_000
_LIMIT_DIGITS = 15
_GZIP = 31  # zlib's number for the gzip format
# JSON can hold one without the other. Nothing can store or send it.
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")

_STATUS_OF: Mapping[Rule, int] = {
    Rule.CUSTOMER_UNKNOWN: 401,
    Rule.WHOLESALE_NOT_ALLOWED: 403,
    Rule.CUSTOMER_CLAIM_MISSING: 403,
    Rule.APPROVAL_NOT_ALLOWED: 403,
    Rule.COUPON_TRIES_TOO_MANY: 429,
    Rule.BODY_NOT_JSON: 400,
    Rule.BODY_TOO_LARGE: 413,
    Rule.ORDER_ID_VOID: 409,
    Rule.ORDER_ID_TAKEN: 409,
    Rule.ORDER_NOT_FOUND: 404,
    Rule.ORDER_REJECTED: 409,
    Rule.ORDER_NOT_HELD: 409,
    Rule.ORDER_DECIDED: 409,
    Rule.LIMIT_INVALID: 400,
    Rule.CURSOR_INVALID: 400,
    Rule.VOID_INVALID: 400,
    Rule.QUOTES_NOT_OFFERED: 404,
}
_BROKEN_CONTENT = 422

_TITLES: Mapping[int, str] = {
    400: "The request can't be read",
    401: "The customer is not known",
    403: "Not allowed for this customer",
    404: "Not found",
    409: "In conflict with what is there",
    413: "The order is too large",
    422: "The order can't be accepted",
    429: "Too many tries",
    500: "Something is wrong on our side",
    503: "Not possible right now",
}
_NOT_KNOWN = {"detail": "The request may not have been carried out. It is safe to send it again."}

Answer = dict[str, Any]
ApiEvent = Mapping[str, Any]


def caller(event: ApiEvent, names: Claims) -> Caller | Refusal:
    """Who asks, from the token that the gateway has verified."""
    claims = event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims", {})
    person = claims.get(PERSON)
    if not _is_customer_id(person):
        return Refusal(Rule.CUSTOMER_UNKNOWN, "", "The token names no customer (claim sub).")
    channels: tuple[Channel, ...] = ("retail", "wholesale")
    customers = {
        channel: claim
        for channel in channels
        if _names_one(claim := claims.get(names.customer_of(channel)))
    }
    groups = _groups(claims.get(names.groups))
    if groups is None:
        in_token = _claims_in_token(event)
        mine = in_token.get(PERSON) == person
        groups = _names(in_token.get(names.groups)) if mine else frozenset()
    return Caller(
        person,
        customers,
        wholesale=names.wholesale_group in groups,
        approves=names.approver_group in groups,
        limit=_limit(claims, names.limit),
    )


def _limit(claims: Mapping[str, Any], name: str | None) -> int | None:
    """None where the token sets none. What is no amount holds every order, rather than none."""
    if name is None or name not in claims:
        return None
    text = str(claims[name])
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LIMIT_DIGITS else 0


def _is_customer_id(claim: object) -> TypeGuard[CustomerId]:
    if not isinstance(claim, str):
        return False
    return 0 < len(claim) <= CUSTOMER_ID_MAX and not _HALF_OF_A_PAIR.search(claim)


def _names_one(claim: object) -> TypeGuard[CustomerId]:
    """Of a list, which the gateway hands over as one text, nobody knows which of them is meant."""
    return _is_customer_id(claim) and not (claim.startswith("[") and claim.endswith("]"))


def order_id(event: ApiEvent) -> OrderId:
    """What the path has in the place of one: it may be any text."""
    return OrderId(event["pathParameters"]["order_id"])


def trace(event: ApiEvent) -> Trace | None:
    """The trace that the client named. A header that came twice is one text here, and malformed."""
    return parsed(event.get("headers", {}).get("traceparent"))


def query(event: ApiEvent) -> Mapping[str, str]:
    return event.get("queryStringParameters") or {}


def body(event: ApiEvent) -> bytes | Refusal:
    text = event.get("body") or ""
    try:
        content = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, UnicodeEncodeError):
        return Refusal(Rule.BODY_NOT_JSON, "", "The body is not JSON.")
    if len(content) > BODY_BYTES_MAX:
        return Refusal(
            Rule.BODY_TOO_LARGE, "", f"An order's body has at most {BODY_BYTES_MAX} bytes."
        )
    return content


def answer(status: int, content: object, retry_after_seconds: int | None = None) -> Answer:
    return _after(retry_after_seconds, _encoded(status, "application/json", content))


def refused(refusals: Sequence[Refusal], retry_after_seconds: int | None = None) -> Answer:
    """The status is that of the refusal which comes first by precedence."""
    status = _STATUS_OF.get(refusals[0].rule, _BROKEN_CONTENT)
    reply = _after(retry_after_seconds, _problem(status, violations(refusals)))
    if status == 401:
        # As the gateway has it on the tokens that it refuses.
        reply["headers"]["www-authenticate"] = 'Bearer error="invalid_token"'
    return reply


def violations(refusals: Sequence[Refusal]) -> dict[str, object]:
    return {
        "violations": [_violation(refusal) for refusal in refusals[:VIOLATIONS_MAX]],
        "violation_count": len(refusals),
    }


def _violation(refusal: Refusal) -> dict[str, object]:
    violation: dict[str, object] = {
        "rule": refusal.rule,
        "pointer": refusal.pointer,
        "detail": refusal.detail,
    }
    if refusal.expected is not None:
        violation["expected"] = refusal.expected
    return violation


def try_again() -> Answer:
    """Whether anything was stored is unknown: the client sends the same again."""
    return _after(RETRY_AFTER_SECONDS, _problem(503, _NOT_KNOWN))


def broken() -> Answer:
    """A bug, with nothing of its inside in the answer."""
    return _problem(500, _NOT_KNOWN)


def problem(status: int, title: str, retry_after_seconds: int | None = None) -> Answer:
    """For whoever is no customer: the title is all there is to say."""
    document = {"type": "about:blank", "title": title, "status": status}
    return _after(retry_after_seconds, _encoded(status, "application/problem+json", document))


def sent(event: ApiEvent, reply: Answer) -> Answer:
    """The answer in the form that the request asks for: not again what the client has
    (If-None-Match), without a body (HEAD), compressed.

    What leaves AWS is paid by the byte, and whoever looks again and again mostly finds the same.
    """
    headers = event.get("headers", {})
    method = event["routeKey"].split(" ")[0]
    if reply["statusCode"] == 200 and method in ("GET", "HEAD"):
        tag = _entity_tag(reply["body"])
        reply["headers"]["etag"] = tag
        if _is_there(tag, headers.get("if-none-match", "")):
            del reply["headers"]["content-type"]
            return reply | {"statusCode": 304, "body": ""}
    if method == "HEAD":
        return reply | {"body": ""}
    if len(reply["body"]) >= COMPRESSED_BYTES_MIN and _takes_gzip(headers):
        return _compressed(reply)
    return reply


def _entity_tag(body: str) -> str:
    """Weak: the same content is sent compressed and as it is."""
    digest = hashlib.blake2b(body.encode(), digest_size=12).digest()
    return f'W/"{base64.urlsafe_b64encode(digest).decode()}"'


def _is_there(tag: str, if_none_match: str) -> bool:
    """Whether the client has it. `W/"a", "b"` are compared weakly, `*` is any: RFC 9110, 13.1.2."""
    tags = [f'W/"{there}"' for there in _ENTITY_TAG.findall(if_none_match)]
    return tag in tags or if_none_match.strip() == "*"


_ENTITY_TAG = re.compile(r'"([^"]*)"')


def _takes_gzip(headers: Mapping[str, str]) -> bool:
    for coding in headers.get("accept-encoding", "").lower().split(","):
        name, *parameters = coding.replace(" ", "").split(";")
        if name in ("gzip", "*"):
            return not any(map(_is_zero, parameters))
    return False


_is_zero = re.compile(r"q=0(\.0*)?").fullmatch


def _compressed(reply: Answer) -> Answer:
    packer = zlib.compressobj(wbits=_GZIP)
    content = packer.compress(reply["body"].encode()) + packer.flush()
    reply["headers"] |= {"content-encoding": "gzip", "vary": "accept-encoding"}
    return reply | {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}


def timestamp(at: Millis) -> str:
    """RFC 3339 in UTC: `2026-11-23T10:00:00.123Z`."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _problem(status: int, members: Mapping[str, object]) -> Answer:
    # The status says which kind of problem it is; the violations name the rules. A type of its
    # own for each status would only say the same again.
    document = {"type": "about:blank", "title": _TITLES[status], "status": status, **members}
    return _encoded(status, "application/problem+json", document)


def _after(seconds: int | None, reply: Answer) -> Answer:
    if seconds is not None:
        reply["headers"]["retry-after"] = str(seconds)
    return reply


def _encoded(status: int, content_type: str, content: object) -> Answer:
    return {
        "statusCode": status,
        # Answers are one customer's own: no cache on the way may keep them.
        "headers": {"content-type": content_type, "cache-control": "no-store"},
        "body": msgspec.json.encode(content).decode(),
    }


def _groups(claim: object) -> frozenset[str] | None:
    """The gateway hands a list claim over as one text: `[wholesale staff]`, which is two groups or
    one whose name has a blank. None: only the token itself tells."""
    if not isinstance(claim, str):
        return _names(claim)
    name = claim[1:-1] if claim[:1] == "[" and claim[-1:] == "]" else claim
    return frozenset((name,)) if _is_plain_name(name) else None


_is_plain_name = re.compile(r"""[^][,;"'\s]+""").fullmatch


def _names(claim: object) -> frozenset[str]:
    names = claim if isinstance(claim, list) else [claim]
    return frozenset(name for name in names if isinstance(name, str))


def _claims_in_token(event: ApiEvent) -> Mapping[str, Any]:
    """What stands in the token that the gateway has verified; nothing where that is not one token,
    such as two headers in one text."""
    token = _BEARER.fullmatch(event.get("headers", {}).get("authorization", ""))
    if token is None:
        return {}
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(f"{token[1]}=="))
    except (ValueError, msgspec.DecodeError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


_BEARER = re.compile(r"(?:Bearer )?[\w-]+\.([\w-]+)\.[\w-]+", re.ASCII | re.IGNORECASE)
