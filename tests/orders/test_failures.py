"""A bug is named without the data that it met."""

from __future__ import annotations

from orders.failures import error_location


def test_a_bug_is_named_by_type_and_place_and_not_by_its_text() -> None:
    try:
        raise KeyError("1 High Street")
    except KeyError as bug:
        named = error_location(bug)
    assert named.startswith("KeyError at test_a_bug_is_named_by_type")
    assert "High Street" not in named
