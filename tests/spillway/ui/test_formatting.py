"""Durations, ages, times and counts for people."""

from __future__ import annotations

import pytest

from spillway.operate.prices.plan import read_time
from spillway.ui.formatting import (
    age,
    clock,
    counted,
    date_and_clock,
    duration,
    large,
    money,
    rfc3339,
    with_zone,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0714, "71 ms"),
        (0.9994, "999 ms"),
        (1.618, "1.62 s"),
        (57.1, "57.1 s"),
        (90.4, "1 min 30 s"),
        (12_000.0, "3 h 20 min"),
        (-1.5, "-1.5 s"),
    ],
)
def test_a_duration_has_three_digits_or_two_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_599, "59 min 59 s"),
        (7_199, "2 h"),
        (90_000, "1 d 1 h"),
        (86_405, "1 d"),
    ],
)
def test_an_age_is_whole_seconds_in_two_units(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_a_time_is_written_as_the_api_writes_it() -> None:
    assert rfc3339(1_764_252_187_120) == "2025-11-27T14:03:07.120Z"


def test_a_count_has_its_noun() -> None:
    assert [counted(1, "order"), counted(2_000, "order"), counted(0, "entry", "entries")] == [
        "1 order",
        "2,000 orders",
        "0 entries",
    ]


def test_a_million_is_shortened() -> None:
    assert [large(999_999), large(36_000_000)] == ["999,999", "36 M"]


def test_money_has_its_currency_s_decimals() -> None:
    assert money(905, "GBP") == "9.05 GBP"
    assert money(0, "GBP") == "0.00 GBP"
    assert money(3195, "JPY") == "3,195 JPY"
    assert money(3195, "KWD") == "3.195 KWD"
    assert money(10**15 + 1, "EUR") == "10,000,000,000,000.01 EUR"
    assert money(123_456_789, "EUR") == "1,234,567.89 EUR"


def test_a_time_with_its_zone_is_one_that_can_be_typed() -> None:
    shown = with_zone(1_790_000_000_000)
    assert read_time(shown) == 1_790_000_000_000


def test_times_name_their_zone_which_is_that_of_logs_and_alarms() -> None:
    at = 1_790_000_000_120
    assert clock(at) == "14:13:20.120Z"
    assert date_and_clock(at) == "2026-09-21 14:13:20 UTC"
    assert rfc3339(at) == "2026-09-21T14:13:20.120Z"
