"""One JSON object a line, only known fields, and no data in a bug's description."""

from __future__ import annotations

import json

import pytest

from orders.telemetry import JsonLines, place_of


def test_an_event_is_one_json_object_on_one_line() -> None:
    lines: list[str] = []
    log = JsonLines(lines.append, lambda: 7, "test")
    log("deliver", "done", order_id="o", detail=None)
    assert [json.loads(line) for line in lines] == [
        {"at": 7, "stage": "test", "step": "deliver", "outcome": "done", "order_id": "o"}
    ]
    assert lines[0].endswith("\n")


def test_a_field_that_is_not_on_the_list_is_a_bug() -> None:
    log = JsonLines(lambda _: None, lambda: 7, "test")
    with pytest.raises(ValueError, match="address"):
        log("intake", "accepted", address="1 High Street")


def test_a_bug_is_named_by_type_and_place_and_not_by_its_text() -> None:
    try:
        raise KeyError("1 High Street")
    except KeyError as bug:
        named = place_of(bug)
    assert named.startswith("KeyError at test_a_bug_is_named_by_type")
    assert "High Street" not in named
