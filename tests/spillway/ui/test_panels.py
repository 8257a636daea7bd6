"""Rows in a panel."""

from __future__ import annotations

import io

from rich.console import Console

from spillway.ui.panels import grid, mark, panel


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


def _in_a_terminal_of(width: int) -> str:
    written = io.StringIO()
    rows = [("deliver-accounting", "2", "1 min 6 s", "·"), ("deliver-fulfilment", "1,024", "", "7")]
    headings = ("", "waiting", "oldest", "runs")
    Console(file=written, width=width).print(panel("The path", rows, ("text", "number"), headings))
    return written.getvalue()


def test_nothing_is_cut_in_a_narrow_terminal() -> None:
    wide = _in_a_terminal_of(80)
    assert len(wide.splitlines()) == 5
    for width in (60, 40, 30):
        narrow = _in_a_terminal_of(width)
        assert "…" not in narrow
        for word in ("deliver-accounting", "deliver-fulfilment", "waiting", "1,024", "oldest"):
            assert word in narrow
        assert all(len(line) <= width for line in narrow.splitlines())


def test_a_row_of_a_narrow_terminal_has_what_is_there_and_no_more() -> None:
    written = io.StringIO()
    row = ("019aafcf-6ac0-7c3e", "", "·", "accounting")
    one = grid([row], ["id"], ("order", "a", "b", "waits"))
    Console(file=written, width=24).print(one)
    assert [line.strip() for line in written.getvalue().splitlines()] == [
        "019aafcf-6ac0-7c3e",
        "waits accounting",
    ]


def test_a_row_without_headings_begins_with_its_mark_or_name_and_what_that_is() -> None:
    written = io.StringIO()
    rows = [("11:08:16.225Z", "deliver-accounting", "accepted", ""), ("total", "43.95 GBP")]
    Console(file=written, width=32).print(grid(rows))
    assert [line.rstrip() for line in written.getvalue().splitlines()] == [
        "11:08:16.225Z deliver-accounting",
        "  accepted",
        "total 43.95 GBP",
    ]
