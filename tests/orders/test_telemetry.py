"""One JSON object a line, and only known fields."""

from __future__ import annotations

import json

import pytest

from orders.telemetry import JsonLines


def test_an_event_is_one_json_object_on_one_line() -> None:
    lines: list[str] = []
    log = JsonLines(lines.append, lambda: 7)
    log("deliver", "done", order_id="o", detail=None)
    assert [json.loads(line) for line in lines] == [
        {"at": 7, "step": "deliver", "outcome": "done", "order_id": "o"}
    ]
    assert lines[0].endswith("\n")


def test_a_field_that_is_not_on_the_list_is_a_bug() -> None:
    log = JsonLines(lambda _: None, lambda: 7)
    with pytest.raises(ValueError, match="address"):
        log("intake", "accepted", address="1 High Street")
