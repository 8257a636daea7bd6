"""What a column holds, turned into what an order holds."""

from __future__ import annotations

import sys
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.order import is_order_id, order_id_time
from spillway.migrate.config import Money, Times
from spillway.migrate.old.values import (
    Clock,
    Unusable,
    identifier,
    minor_units,
    order_id,
    utf8_from_latin1,
    whole_number,
    written,
)
from spillway.migrate.verifying.rows import person_text

NOW = 1_795_428_000_000  # 2026-11-23
MAJOR, ROUND = Money(), Money(fractions="round")


@pytest.mark.parametrize(
    ("text", "currency", "money", "minor"),
    [
        ("12.34", "GBP", MAJOR, 1234),
        ("12.3", "GBP", MAJOR, 1230),
        ("0.10", "GBP", MAJOR, 10),
        ("-0.01", "GBP", MAJOR, -1),
        ("12", "JPY", MAJOR, 12),
        ("12000", "RWF", MAJOR, 12000),
        ("1.234", "KWD", MAJOR, 1234),
        ("1234", "GBP", Money(unit="minor"), 1234),
        ("0.125", "GBP", ROUND, 12),
        ("0.135", "GBP", ROUND, 14),
        ("1.1E2", "GBP", MAJOR, 11000),
    ],
)
def test_an_amount_becomes_minor_units(text: str, currency: str, money: Money, minor: int) -> None:
    assert minor_units(text, currency, money) == minor


@pytest.mark.parametrize(
    "text", ["", "abc", "NaN", "1e999999999", "Infinity", "1" * 50, "1_0", "\u0663.50"]
)
def test_what_is_no_amount_is_named_and_costs_no_memory(text: str) -> None:
    with pytest.raises(Unusable) as no:
        minor_units(text, "GBP", MAJOR)
    assert no.value.args[0] == "amount_not_a_number"


def test_a_fraction_of_a_penny_is_not_silently_dropped() -> None:
    with pytest.raises(Unusable) as no:
        minor_units("0.005", "GBP", MAJOR)
    assert no.value.args[0] == "amount_has_a_fraction"


def test_a_quantity_is_whole() -> None:
    assert whole_number("3.000") == 3
    with pytest.raises(Unusable):
        whole_number("2.5")


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("times", "text", "expected"),
    [
        (Times(), "2023-01-05 12:00:00", at(2023, 1, 5, 12)),
        (Times(), "2023-07-05 12:00:00", at(2023, 7, 5, 11)),
        # Twice: at 00:30 and at 01:30 UTC.
        (Times(), "2023-10-29 01:30:00", at(2023, 10, 29, 0, 30)),
        (Times(ambiguous="later"), "2023-10-29 01:30:00", at(2023, 10, 29, 1, 30)),
        # Never: clocks went from 01:00 to 02:00. A clock not put forward says 01:30 UTC.
        (Times(), "2023-03-26 01:30:00", at(2023, 3, 26, 1, 30)),
        (Times(), "1700000000", 1_700_000_000_000),
        (Times(numbers_are="milliseconds"), "1700000000123", 1_700_000_000_123),
        (Times(), "2023-01-05 12:00:00.250000", at(2023, 1, 5, 12) + 250),
        # An offset of its own counts, not the zone's.
        (Times(), "2019-07-01T10:00:00-04:00", at(2019, 7, 1, 14)),
        (Times(), "2019-07-01T10:00:00Z", at(2019, 7, 1, 10)),
        (Times(ambiguous="quarantine"), "2023-10-29 01:30:00+0530", at(2023, 10, 28, 20)),
    ],
)
def test_a_local_time_becomes_utc(times: Times, text: str, expected: int) -> None:
    assert Clock("Europe/London", times, NOW).unix_ms(text, utc=False) == expected


@pytest.mark.parametrize(
    ("times", "text", "rule"),
    [
        (Times(ambiguous="quarantine"), "2023-10-29 01:30:00", "date_ambiguous"),
        (Times(nonexistent="quarantine"), "2023-03-26 01:30:00", "date_nonexistent"),
        (Times(), "0000-00-00 00:00:00", "date_impossible"),
        (Times(), "2023-02-31 10:00:00", "date_impossible"),
        (Times(), "1970-01-01 00:00:00", "date_implausible"),
        (Times(), "2099-01-01 00:00:00", "date_implausible"),
        (Times(), "0001-01-01 00:00:00", "date_implausible"),
        (Times(), "9" * 40, "date_implausible"),
        (Times(), "\u00b2", "date_unreadable"),
    ],
)
def test_an_impossible_time_is_named(times: Times, text: str, rule: str) -> None:
    with pytest.raises(Unusable) as no:
        Clock("Europe/London", times, NOW).unix_ms(text, utc=False)
    assert no.value.args[0] == rule


def test_a_timestamp_is_utc_already() -> None:
    clock = Clock("Europe/London", Times(), NOW)
    assert clock.unix_ms("2023-10-29 01:30:00", utc=True) == at(2023, 10, 29, 1, 30)


@given(st.text(max_size=60))
def test_utf8_that_was_stored_as_latin1_is_mended_and_honest_latin1_stays(text: str) -> None:
    stored = "".join(
        byte.to_bytes().decode("cp1252", errors="ignore") or chr(byte) for byte in text.encode()
    )
    assert utf8_from_latin1(stored) == text


def test_honest_latin1_stays_what_it_is() -> None:
    assert utf8_from_latin1("café € über") == "café € über"


def test_a_text_comes_on_one_line() -> None:
    for tidy in (identifier, written):
        assert tidy(" a\x00b\r\n\tc  d ", repair=True) == "a b c d"


#: Letters without case (ideographs, syllables), private characters and unassigned ones.
ALIKE = frozenset(("Lo", "Co", "Cn"))


@pytest.mark.parametrize("repair", [True, False])
@pytest.mark.parametrize("of_those_alike", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_both_sides_of_a_verification_read_a_person_s_text_alike(
    repair: bool, of_those_alike: int
) -> None:
    """Two readings of one rule, for characters that come first, last and between others: all, but
    for those of which there are so many that are alike, every so many."""
    for char in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(char) in ALIKE and ord(char) % of_those_alike:
            continue
        text = f"{char}a {char}\u3000b{char}"
        assert person_text(text, repair=repair) == written(text, repair=repair), hex(ord(char))


@given(key=st.text(max_size=40), other=st.text(max_size=40), at_ms=st.integers(0, (1 << 44) - 1))
def test_an_order_id_is_made_of_time_and_key_alone(key: str, other: str, at_ms: int) -> None:
    made = order_id("orders", key, at_ms)
    assert is_order_id(made)
    assert order_id_time(made) == at_ms
    assert made == order_id("orders", key, at_ms)
    assert (made == order_id("orders", other, at_ms)) == (key == other)
    assert made != order_id("old_orders", key, at_ms)


def test_an_order_id_is_the_same_in_every_version() -> None:
    """Another version that made other ids would bring every order over a second time."""
    made = order_id("orders", "4711", 1_700_000_000_000)
    assert made == "018bcfe5-6800-7c8c-a461-0b726e661921"
