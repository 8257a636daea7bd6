"""Bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
from contextlib import suppress

from rich.console import Console
from rich.progress import Progress

from spillway.ui.progress import Bar, bar, stages


def _terminal() -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, force_terminal=True, width=120), written


def _file() -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, width=120), written


def test_a_terminal_is_shown_how_much_is_done_of_how_much() -> None:
    console, written = _terminal()

    with bar("Orders", 4_000, console) as progress:
        progress.advance(1_200)
        progress.note("3 in quarantine")

    assert "Orders" in written.getvalue()
    assert "1,200 of 4,000" in written.getvalue()
    assert "3 in quarantine" in written.getvalue()


def test_a_total_may_become_known_later_and_another_title_begins_anew() -> None:
    console, written = _terminal()

    with bar("Orders", console=console) as progress:
        progress.reach(5, 10)
        progress.start("Entries", 20)
        progress.advance()

    assert "5 of 10" in written.getvalue() or "1 of 20" in written.getvalue()
    assert "1 of 20" in written.getvalue()


def test_without_a_terminal_nothing_is_written_in_the_first_minute() -> None:
    console, written = _file()

    with bar("Orders", 10, console) as progress:
        progress.advance(10)

    assert written.getvalue() == ""


def test_without_a_terminal_one_line_a_minute_says_how_far_it_is() -> None:
    console, written = _file()
    times = iter((0.0, 1.0, 61.0, 61.0, 90.0, 122.0, 122.0))
    display = Progress(console=console, disable=True)
    progress = Bar(display, display.add_task("Orders", total=100, note=""), lambda: next(times))

    for _ in range(4):
        progress.advance(10)

    assert written.getvalue().splitlines() == ["Orders, 20 of 100", "Orders, 40 of 100"]


def test_of_unwatched_work_each_title_and_the_end_are_written_too() -> None:
    console, written = _file()

    with bar("Reading", 400, console, unwatched=True) as progress:
        progress.title("Reading")
        progress.reach(100)
        progress.note("of [both] sides")
        progress.title("Reading again")
        progress.reach(3)

    assert written.getvalue().splitlines() == [
        "Reading",
        "Reading again",
        "Reading again, 3 of 400, of [both] sides",
    ]


def test_unwatched_work_that_fails_says_how_far_it_came_and_nothing_twice() -> None:
    console, written = _file()

    with suppress(ValueError), bar("Orders", console=console, unwatched=True) as progress:
        progress.reach(7)
        raise ValueError
    with bar("Reading", console=console, unwatched=True):
        pass

    assert written.getvalue().splitlines() == ["Orders", "Orders, 7", "Reading"]


def test_unwatched_work_on_a_terminal_has_its_bar_alone() -> None:
    console, written = _terminal()

    with bar("Orders", 40, console, unwatched=True) as progress:
        progress.title("Other orders")

    assert "Other orders\n" not in written.getvalue()


def test_a_terminal_is_shown_the_stage_and_every_count() -> None:
    console, written = _terminal()

    with stages(("placed", "settled"), console) as progress:
        progress.title("outage")
        progress.stage("Customers are ordering")
        progress.restart(20)
        progress.advance("placed")
        progress.advance("placed")
        progress.advance("settled")

    text = written.getvalue()
    assert "outage" in text
    assert "Customers are ordering" in text
    assert "2 of 20" in text
    assert "1 of 20" in text


def test_stages_without_a_terminal_write_nothing() -> None:
    console, written = _file()

    with stages(("placed",), console) as progress:
        progress.stage("Customers are ordering")
        progress.restart(1)
        progress.advance("placed")

    assert written.getvalue() == ""
