"""Rows in a panel."""

from __future__ import annotations

import io

from rich.console import Console

from spillway.ui.panels import mark, panel


def _printed(*rows: tuple[str, ...]) -> list[str]:
    written = io.StringIO()
    Console(file=written, width=60).print(panel("Orders", rows, ("number", "text", "note")))
    return [line.strip("│╭╮╰╯─ ") for line in written.getvalue().splitlines()]


def test_numbers_are_on_the_right_and_an_empty_row_is_an_empty_line() -> None:
    title, first, empty, second, _ = _printed(
        ("1,200", "accepted", "at once"), (), ("7", "refused", "")
    )

    assert title == "Orders"
    assert first.split() == ["1,200", "accepted", "at", "once"]
    assert empty == ""
    assert second.split() == ["7", "refused"]


def test_good_bad_and_unknown_have_a_mark_each() -> None:
    assert [mark(good).plain for good in (True, False, None)] == ["✔", "✘", "?"]
