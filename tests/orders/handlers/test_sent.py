"""The form of an answer: not again what the client has, without a body, compressed."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from orders.domain.refusals import Refusal, Rule
from orders.flow.intake import NOT_FOUND
from orders.handlers import http
from tests.orders.handlers.api_events import request

CONTENT = {"lines": ["MUG-SAGE"] * 200}
PLAIN = json.dumps(CONTENT, separators=(",", ":"))


def sent(
    route: str = "GET /orders/{order_id}",
    content: object = CONTENT,
    status: int = 200,
    **headers: str,
) -> http.Answer:
    event = request(route)
    event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    return http.sent(event, http.answer(status, content, retry_after_seconds=7))


def test_an_answer_without_wishes_is_sent_as_it_is_with_a_tag() -> None:
    reply = sent()
    assert reply["body"] == PLAIN
    assert "isBase64Encoded" not in reply
    assert reply["headers"]["etag"].startswith('W/"')


@pytest.mark.parametrize("form", ["{}", '"other", {}', 'W/"other",{}', "{strong}", "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(form: str, method: str) -> None:
    tag = sent()["headers"]["etag"]
    asked = form.format(tag, strong=tag.removeprefix("W/"))
    reply = sent(f"{method} /orders/{{order_id}}", if_none_match=asked, accept_encoding="gzip")
    assert (reply["statusCode"], reply["body"]) == (304, "")
    assert reply["headers"] == {"etag": tag, "cache-control": "no-store", "retry-after": "7"}


def test_what_has_changed_is_sent_with_another_tag() -> None:
    tag = sent()["headers"]["etag"]
    reply = sent(content={**CONTENT, "settled": True}, if_none_match=tag)
    assert reply["statusCode"] == 200
    assert reply["headers"]["etag"] != tag


@pytest.mark.parametrize(
    ("route", "status"), [("PUT /orders/{order_id}", 201), ("GET /orders/{order_id}", 404)]
)
def test_only_what_can_be_asked_for_again_has_a_tag(route: str, status: int) -> None:
    assert "etag" not in sent(route, status=status)["headers"]


def test_a_customer_who_is_not_known_is_asked_for_a_token() -> None:
    unknown = Refusal(Rule.CUSTOMER_UNKNOWN, "", "Who?")
    for refusal, asked in ((unknown, True), (NOT_FOUND, False)):
        assert ("www-authenticate" in http.refused((refusal,))["headers"]) is asked


def test_a_head_gets_the_headers_alone() -> None:
    got, head = sent(), sent("HEAD /orders/{order_id}")
    assert head == got | {"body": ""}


@pytest.mark.parametrize("coding", ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip ; q=1.0"])
def test_a_long_answer_is_compressed_for_who_takes_that(coding: str) -> None:
    reply = sent(accept_encoding=coding)
    packed = base64.b64decode(reply["body"])
    assert gzip.decompress(packed).decode() == PLAIN
    assert len(packed) < len(PLAIN) / 10
    assert reply["isBase64Encoded"] is True
    assert reply["headers"]["content-encoding"] == "gzip"
    assert reply["headers"]["vary"] == "accept-encoding"
    assert reply["headers"]["etag"] == sent()["headers"]["etag"]


@pytest.mark.parametrize("coding", ["", "identity", "br", "gzip;q=0", "*;q=0.0", "xgzip"])
def test_nobody_gets_a_form_that_they_do_not_take(coding: str) -> None:
    assert sent(accept_encoding=coding)["body"] == PLAIN


def test_a_short_answer_is_not_worth_it() -> None:
    reply: dict[str, Any] = sent(content={"order_id": "1"}, accept_encoding="gzip")
    assert reply["body"] == '{"order_id":"1"}'
