"""The first rule that fits an answer says what it means."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orders.downstream.answers import Rule, decoded, first_that_fits
from orders.downstream.transport import Answer

RULES = msgspec.convert(
    [
        {
            "means": "refused",
            "status": [422],
            "where": {"/error/code": ["NO_STOCK"]},
            "code": "out",
        },
        {"means": "refused", "status": [409, 422], "code": "/error/code"},
        {"means": "later", "status": [202], "ask": "header:Location"},
        {"means": "unknown", "where": {"/state": ["BUSY", 7, True]}},
        {"means": "wrong", "status": ["4xx"], "where": {"/items/0/bad": [True]}},
        {"means": "nothing", "status": [404]},
        {"means": "done", "status": ["2xx"], "reference": "/a~1b/0/id"},
    ],
    tuple[Rule, ...],
)


@pytest.mark.parametrize(
    ("status", "document", "means"),
    [
        (422, {"error": {"code": "NO_STOCK"}}, "refused"),
        (422, {"error": {"code": "OTHER"}}, "refused"),
        (422, {"error": {"code": 7}}, None),
        (422, {"error": {"code": ""}}, None),
        (422, {"error": "NO_STOCK"}, None),
        (422, {}, None),
        (202, {}, "later"),
        (500, {"state": "BUSY"}, "unknown"),
        (200, {"state": 7}, "unknown"),
        (200, {"state": True}, "unknown"),
        (400, {"items": [{"bad": True}]}, "wrong"),
        (400, {"items": []}, None),
        (200, {"a/b": [{"id": "R"}]}, "done"),
        (200, {"a/b": [{"id": 7}]}, "done"),
        (299, {}, "done"),
        (200, {"a/b": [{"id": 7.5}]}, None),
        (200, {"a/b": [{"id": True}]}, None),
        (200, [], None),
        (200, "done", None),
        (404, {}, None),
        (300, {}, None),
    ],
)
def test_the_first_that_fits_a_command(status: int, document: Any, means: str | None) -> None:
    rule = first_that_fits(RULES, Answer(status, {}, b""), document, lookup=False)
    assert (rule and rule.means) == means


@pytest.mark.parametrize(
    ("status", "document", "means"),
    [(404, {}, "nothing"), (200, {"a/b": [{"id": "R"}]}, "done"), (200, {}, None), (200, [], None)],
)
def test_a_lookup_must_name_what_was_done(status: int, document: Any, means: str | None) -> None:
    rule = first_that_fits(RULES, Answer(status, {}, b""), document, lookup=True)
    assert (rule and rule.means) == means


def test_one_is_not_true() -> None:
    """JSON's 1 and true are two values, as are 0 and false."""
    rules = (Rule("wrong", where={"/a": (1, 0)}),)
    for document in ({"a": True}, {"a": False}):
        assert first_that_fits(rules, Answer(200, {}, b""), document, lookup=False) is None
    assert first_that_fits(rules, Answer(200, {}, b""), {"a": 1}, lookup=False) is rules[0]


def test_what_a_rule_takes_from_an_answer() -> None:
    fixed, pointed, later, *_, done = RULES
    assert fixed.refusal({"error": {"code": "NO_STOCK"}}) == "out"
    assert pointed.refusal({"error": {"code": "OTHER"}}) == "OTHER"
    assert later.ask_at(Answer(202, {"location": "/ops/1"}, b""), {}) == "/ops/1"
    assert later.ask_at(Answer(202, {}, b""), {}) is None
    assert done.named({"a/b": [{"id": 4711}]}) == "4711"


@pytest.mark.parametrize("body", [b"", b"  ", b"\xef\xbb\xbf", b"{}"])
def test_no_body_is_an_empty_document(body: bytes) -> None:
    assert decoded(body) == {}


@pytest.mark.parametrize("body", [b"<html>", b"{", b"[" * 100_000, b'"\xfc"'])
def test_what_is_no_json_is_no_document(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decoded(body)
