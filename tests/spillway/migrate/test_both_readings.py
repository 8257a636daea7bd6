"""The copy and the verification read a row alike, and right: a table of cases, and random texts.

They share no code, so a value that either of them gets wrong shows as a difference. What both get
wrong in the same way shows nowhere but here: every right value is written by hand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import iso4217
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from spillway.currencies import DECIMALS, WITHDRAWN
from spillway.migrate.config import Config
from spillway.migrate.verifying.rows import Reader
from tests.spillway.migrate.reading import ROW, Both, both, config

#: Its amounts cannot differ from what the lines add up to.
NO_TOTAL = config(order={"total": None})
ROUNDED = config(order={"total": None}, money={"fractions": "round"})
MINOR = config(order={"total": None}, money={"unit": "minor"})


def in_zone(zone: str, **times: object) -> Config:
    return config(source={"time_zone": zone}, times=times)


LONDON = in_zone("Europe/London")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def read(found: Both) -> Any:
    """What both made of it, or why the copy set it aside."""
    if found.copied is None:
        return found.reasons
    assert found.verified == found.copied
    return found.copied


TIMES: list[tuple[Config, str | None, str]] = [
    # With an offset of their own.
    (LONDON, "2019-07-01T10:00:00Z", "2019-07-01T10:00"),
    (LONDON, "2019-07-01 10:00:00+02:00", "2019-07-01T08:00"),
    (LONDON, "2019-07-01T10:00:00+0200", "2019-07-01T08:00"),
    (LONDON, "2019-07-01 10:00:00 +0200", "2019-07-01T08:00"),
    (LONDON, "2019-07-01T10:00:00-09", "2019-07-01T19:00"),
    (LONDON, "2019-07-01T10:00-03:30", "2019-07-01T13:30"),
    (LONDON, "2019-10-27T01:30:00+00:00", "2019-10-27T01:30"),
    # Without one: the zone's, in winter, in summer, twice and never.
    (LONDON, "2019-01-01 10:00:00", "2019-01-01T10:00"),
    (LONDON, "2019-07-01T10:00", "2019-07-01T09:00"),
    (LONDON, "20190701T100000", "2019-07-01T09:00"),
    (LONDON, " 2019-07-01 10:00:00 ", "2019-07-01T09:00"),
    (LONDON, "2019-07-01", "2019-06-30T23:00"),
    (LONDON, "2019-07-01 10:00:00.9", "2019-07-01T09:00:00.900"),
    (LONDON, "2019-07-01 10:00:00.123456789", "2019-07-01T09:00:00.123"),
    (LONDON, "2019-10-27 01:30:00", "2019-10-27T00:30"),
    (in_zone("Europe/London", ambiguous="later"), "2019-10-27 01:30:00", "2019-10-27T01:30"),
    (LONDON, "2019-03-31 01:30:00", "2019-03-31T01:30"),
    # Half an hour, from +11:00 to +10:30.
    (in_zone("Australia/Lord_Howe"), "2019-04-07 01:45:00", "2019-04-06T14:45"),
    (
        in_zone("Australia/Lord_Howe", ambiguous="later"),
        "2019-04-07 01:45:00",
        "2019-04-06T15:15",
    ),
    (in_zone("Australia/Lord_Howe"), "2019-10-06 02:15:00", "2019-10-05T15:45"),
    # +01:00, but for Ramadan; since October 2018.
    (in_zone("Africa/Casablanca"), "2019-05-20 12:00:00", "2019-05-20T12:00"),
    (in_zone("Africa/Casablanca"), "2019-07-20 12:00:00", "2019-07-20T11:00"),
    (in_zone("Africa/Casablanca"), "2018-01-20 12:00:00", "2018-01-20T12:00"),
    # Rules that were others once: Moscow +04:00 until 2014, Samoa without a 30 December 2011.
    (in_zone("Europe/Moscow"), "2012-01-10 12:00:00", "2012-01-10T08:00"),
    (in_zone("Europe/Moscow"), "2020-01-10 12:00:00", "2020-01-10T09:00"),
    (in_zone("Pacific/Apia"), "2011-12-29 12:00:00", "2011-12-29T22:00"),
    (in_zone("Pacific/Apia"), "2011-12-31 12:00:00", "2011-12-30T22:00"),
    # Numbers count from 1970.
    (LONDON, "1700000000", "2023-11-14T22:13:20"),
    (LONDON, "00000001700000000", "2023-11-14T22:13:20"),
    (
        in_zone("Europe/London", numbers_are="milliseconds"),
        "1700000000123",
        "2023-11-14T22:13:20.123",
    ),
    # Set aside.
    (in_zone("Europe/London", ambiguous="quarantine"), "2019-10-27 01:30:00", "date_ambiguous"),
    (in_zone("Europe/London", nonexistent="quarantine"), "2019-03-31 01:30:00", "date_nonexistent"),
    (LONDON, None, "date_missing"),
    *(
        (LONDON, text, "date_unreadable")
        for text in (
            "",
            "01.07.2019",
            "07/01/2019 10:00 AM",
            "2019-07-01 10:00:00 AM",
            "2019-07-01 10:00:00 UTC",
            "2019-07-01 24:00:00",
            "2016-12-31 23:59:60",
            "2019-07-01x10:00:00",
            "2019-W05-3",
            "2019-182",
            "-5",
            "-1700000000",
            "1700000000.000",
            "1.7e9",
            "10:00:00",
            "838:59:59",
            "\u0661\u0667\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660",
        )
    ),
    *(
        (LONDON, text, "date_impossible")
        for text in ("0000-00-00 00:00:00", "0000-00-00", "2019-02-30 10:00:00", "2019-00-10")
    ),
    *(
        (LONDON, text, "date_implausible")
        for text in (
            "1970-01-01 00:00:00",
            "2099-01-01 00:00:00",
            "9999-12-31 23:59:59",
            "0001-01-01",
            "2019",
            "20190701",
            "20190701100000",
            "1700000000123",
            "1700000000123456",
            "9" * 60,
        )
    ),
]


@pytest.mark.parametrize(("settings", "text", "expected"), TIMES)
def test_a_time_is_read_right_or_set_aside(
    settings: Config, text: str | None, expected: str
) -> None:
    found = read(both(settings, {**ROW, "at": text}))
    if expected.startswith("date"):
        assert found == (expected,)
    else:
        assert found.accepted_at == at(expected)


def test_a_timestamp_was_read_in_utc_whatever_the_zone() -> None:
    found = read(both(LONDON, {**ROW, "at": "2019-07-01 10:00:00"}, utc=frozenset({"at"})))
    assert found.accepted_at == at("2019-07-01T10:00")


AMOUNTS: list[tuple[Config, str, str, int | str]] = [
    (NO_TOTAL, "GBP", "12.34", 1234),
    (NO_TOTAL, "GBP", "12.3400", 1234),
    (NO_TOTAL, "GBP", " 5 ", 500),
    (NO_TOTAL, "GBP", "+5", 500),
    (NO_TOTAL, "GBP", ".5", 50),
    (NO_TOTAL, "GBP", "5.", 500),
    (NO_TOTAL, "GBP", "-0", 0),
    (NO_TOTAL, "GBP", "1e2", 10000),
    (NO_TOTAL, "GBP", "1.5E-1", 15),
    (NO_TOTAL, "JPY", "1200", 1200),
    (NO_TOTAL, "JPY", "1200.00", 1200),
    (NO_TOTAL, "BIF", "1200", 1200),
    (NO_TOTAL, "KWD", "1.234", 1234),
    (NO_TOTAL, "KWD", "1.2", 1200),
    (NO_TOTAL, "HRK", "7.50", 750),
    (NO_TOTAL, "DEM", "7.50", 750),
    (MINOR, "GBP", "1234", 1234),
    (MINOR, "JPY", "1200", 1200),
    (MINOR, "KWD", "1234", 1234),
    # The noise of a DOUBLE, and halves to even.
    (ROUNDED, "GBP", "0.30000000000000004", 30),
    (ROUNDED, "GBP", "0.125", 12),
    (ROUNDED, "GBP", "0.135", 14),
    (ROUNDED, "JPY", "1200.5", 1200),
    (ROUNDED, "KWD", "1.2345", 1234),
    *(
        (NO_TOTAL, "GBP", text, "amount_not_a_number")
        for text in (
            "",
            "1,234.56",
            "1.234,56",
            "12,34",
            "1_000",
            "1 000",
            "1'000",
            "\u0663.50",
            "\xa35",
            "5 GBP",
            "NaN",
            "Infinity",
            "0x10",
            "--5",
            "1e9999",
            "9" * 41,
        )
    ),
    (NO_TOTAL, "GBP", "0.30000000000000004", "amount_has_a_fraction"),
    (NO_TOTAL, "JPY", "12.34", "amount_has_a_fraction"),
    (MINOR, "KWD", "1.234", "amount_has_a_fraction"),
    (NO_TOTAL, "GBP", "-5.00", "unit_price_out_of_range"),
    *(
        (NO_TOTAL, code, "5", "currency_unknown")
        # Lower case, a sign, a name; no money; units of account; ended, and not with two decimals.
        for code in ("gbp", "jpy", "\xa3", "Euro", "XXX", "XAU", "XTS", "CLF", "UYW", "UYI", "ITL")
    ),
]


@pytest.mark.parametrize(("settings", "currency", "text", "expected"), AMOUNTS)
def test_an_amount_is_read_right_or_set_aside(
    settings: Config, currency: str, text: str, expected: int | str
) -> None:
    found = read(both(settings, {**ROW, "cur": currency, "qty": "1", "price": text}))
    if isinstance(expected, str):
        assert expected in found
    else:
        assert (found.total, found.lines[0][2]) == (expected, expected)


def test_currencies_are_those_of_iso_s_list() -> None:
    """Without what nobody pays with, and with one that ended lately."""
    funds = {"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"}
    listed = {one.code: one.exponent for one in iso4217.Currency if one.exponent is not None}
    assert {**listed, "BGN": 2} == {**DECIMALS, **{code: listed[code] for code in funds}}
    assert not WITHDRAWN & DECIMALS.keys()


@pytest.mark.parametrize("currency", sorted({*DECIMALS, *WITHDRAWN}))
def test_both_know_every_currency(currency: str) -> None:
    found = read(both(NO_TOTAL, {**ROW, "cur": currency, "price": "7"}))
    assert found.total == 14 * 10 ** DECIMALS.get(currency, 2)


CUSTOMERS: list[tuple[Mapping[str, object], str | None, str]] = [
    ({}, "77", "old|77"),
    ({}, " 77 ", "old|77"),
    ({}, "007", "old|007"),
    ({}, "-7", "old|-7"),
    ({}, "Ann@Example.org", "old|Ann@Example.org"),
    ({}, None, "guest-1001"),
    ({}, "  ", "guest-1001"),
    # Most shops' word for a guest. One customer who is all guests would see every guest's orders.
    ({}, "0", "guest-1001"),
    ({}, "00000", "guest-1001"),
    ({"guest_ids": ["-1", "guest"]}, "-1", "guest-1001"),
    ({"guest_ids": ["-1", "guest"]}, "guest", "guest-1001"),
    ({"guest_ids": []}, "0", "old|0"),
    ({"guest_ids": []}, "000", "old|000"),
    ({"guests": "quarantine"}, "0", "customer_missing"),
    ({}, "a\nb", "customer_invalid"),
    ({}, "x" * 300, "customer_invalid"),
]


@pytest.mark.parametrize(("changes", "old", "expected"), CUSTOMERS)
def test_a_customer_is_read_right_or_set_aside(
    changes: Mapping[str, object], old: str | None, expected: str
) -> None:
    found = read(both(config(customers=changes), {**ROW, "cust": old}))
    if expected.startswith("customer"):
        assert found == (expected,)
    else:
        assert found.customer == expected


STATUSES: list[tuple[Mapping[str, object], str | None, str]] = [
    ({}, "done", "confirmed"),
    ({}, "Done", "confirmed"),
    ({}, "DONE  ", "confirmed"),
    ({}, "lost", "status_unknown"),
    ({}, None, "status_unknown"),
    ({}, "", "status_unknown"),
    # NULL and an empty text are the word "".
    ({"": {"is": "open"}}, None, "open"),
    ({"": {"is": "open"}}, " ", "open"),
    ({"1": {"is": "open"}, "10": {"is": "confirmed"}}, "10", "confirmed"),
    # Where both are named they are two, and a third spelling is neither.
    ({"DONE": {"is": "open"}}, "done", "confirmed"),
    ({"DONE": {"is": "open"}}, "DONE", "open"),
    ({"DONE": {"is": "open"}}, "Done", "status_unknown"),
    ({"DONE": {"is": "confirmed"}}, "Done", "confirmed"),
    ({"\u00fcber": {"is": "open"}}, "\u00dcBER", "open"),
]


@pytest.mark.parametrize(("words", "old", "expected"), STATUSES)
def test_a_status_has_the_meaning_of_its_word_or_is_set_aside(
    words: Mapping[str, object], old: str | None, expected: str
) -> None:
    found = read(both(config(statuses=words), {**ROW, "st": old}))
    assert found == (expected,) if expected == "status_unknown" else found.state.outcome == expected


def test_a_status_is_translated_before_its_meaning_is_looked_up() -> None:
    renamed = config(order={"status": {"column": "st", "map": {"Versandt": "done"}}})
    for word in ("Versandt", "versandt", "done"):
        assert read(both(renamed, {**ROW, "st": word})).state.outcome == "confirmed"


IN_JSON = config(
    source={"shape": "row_per_order"},
    lines={"column": "items", "list": "lines"},
    order={"total": None},
)

LINES: list[tuple[str | None, list[tuple[str, int, int]] | str]] = [
    ('[{"sku": "A", "qty": 2, "price": "1.50"}]', [("A", 2, 150)]),
    ('{"lines": [{"sku": "A", "qty": 2.0, "price": 1.50}]}', [("A", 2, 150)]),
    ('[{"sku": 4711, "qty": "2", "price": 1e2, "more": {"x": [null]}}]', [("4711", 2, 10000)]),
    (
        '[{"sku": "A\\ud83c\\udf81", "qty": 12345678901234567890, "price": 1}]',
        "quantity_not_a_number",
    ),
    ('[{"sku": "\\ud83c\\udf81", "qty": 1, "price": 1}]', [("\U0001f381", 1, 100)]),
    ('[{"sku": "\\ud83c", "qty": 1, "price": 1}]', "text_invalid"),
    ('[{"sku": "A\\u0000", "qty": 1, "price": 1}]', "text_invalid"),
    # Programs differ in which one counts.
    ('[{"sku": "A", "qty": 1, "qty": 2, "price": 1}]', "json_name_twice"),
    ('{"lines": [], "lines": [{"sku": "A", "qty": 1, "price": 1}]}', "json_name_twice"),
    # 1.10 or 1.1: what an article's number is made of cannot be told.
    ('[{"sku": 1.10, "qty": 1, "price": 1}]', "sku_not_a_text"),
    ('[{"sku": 1.2345678901234568e22, "qty": 1, "price": 1}]', "sku_not_a_text"),
    ('[{"sku": null, "qty": 1, "price": 1}]', "line_incomplete"),
    ('[{"sku": "A", "qty": true, "price": 1}]', "line_incomplete"),
    ('[{"sku": "A", "qty": NaN, "price": 1}]', "line_incomplete"),
    ('[{"sku": "A", "qty": 1.5, "price": 1}]', "quantity_not_a_number"),
    ('[{"sku": "A", "qty": "1,5", "price": 1}]', "quantity_not_a_number"),
    ('[{"sku": "A", "qty": -1, "price": 1}]', "quantity_out_of_range"),
    ('{"0": {"sku": "A", "qty": 1, "price": 1}}', "lines_not_a_list"),
    ("[]", "lines_count_out_of_range"),
    ("null", "lines_not_a_list"),
    (None, "lines_not_a_list"),
    ('"[]"', "lines_not_a_list"),
    ("{", "lines_not_json"),
    ("[" * 100_000, "lines_not_json"),
]


@pytest.mark.parametrize(("text", "expected"), LINES)
def test_lines_in_json_are_read_right_or_set_aside(
    text: str | None, expected: list[tuple[str, int, int]] | str
) -> None:
    found = read(both(IN_JSON, {**ROW, "items": text}))
    if isinstance(expected, str):
        assert expected in found
    else:
        assert list(found.lines) == expected


def test_a_byte_of_a_blob_that_is_no_utf8_counts_where_it_is_asked_for_alone() -> None:
    text = '[{"sku": "%s", "qty": 1, "price": 1, "name": "Caf\udce9"}]'
    for sku, readable in (("A", True), ("\udce9", False)):
        found = both(IN_JSON, {**ROW, "items": text % sku})
        blob = (text % sku).encode("utf-8", "surrogateescape")
        verified = Reader(IN_JSON, str, frozenset(), lambda _: []).read(
            "1001", [{**ROW, "items": blob}]
        )
        assert found.verified == verified
        assert (found.copied is not None) == readable
        assert found.copied in (verified, None)


ADDS_UP: list[tuple[Mapping[str, str | None], tuple[int, int] | str]] = [
    ({"total": "8.00"}, (0, 800)),
    ({"disc": "1.00", "total": "7.00"}, (100, 700)),
    ({"disc": "-1.00", "total": "7.00"}, (100, 700)),
    ({"disc": "0.00", "total": "8.0000"}, (0, 800)),
    ({"disc": "8", "total": "0"}, (800, 0)),
    ({"total": "8.01"}, "total_does_not_add_up"),
    ({"total": None}, "total_missing"),
    ({"total": "-8.00"}, "amount_out_of_range"),
    ({"disc": "9.00", "total": "-1.00"}, "discount_exceeds_subtotal"),
    ({"ship": "-1.00", "total": "7.00"}, "amount_out_of_range"),
]


@pytest.mark.parametrize(("changes", "expected"), ADDS_UP)
def test_a_total_adds_up_or_is_set_aside(
    changes: Mapping[str, str | None], expected: tuple[int, int] | str
) -> None:
    found = read(both(config(), {**ROW, **changes}))
    if isinstance(expected, str):
        assert expected in found
    else:
        assert (found.discount, found.total) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"disc": "1", "total": "7", "code": " XMAS\t10 "}, "XMAS 10"),
        ({"disc": "1", "total": "7"}, "NONE"),
        ({"code": "XMAS"}, ""),
    ],
)
def test_a_coupon_is_that_of_a_discount(changes: Mapping[str, str | None], expected: str) -> None:
    assert read(both(config(), {**ROW, **changes})).coupon == expected


@pytest.mark.parametrize("stored", ["Dänemark", "DÃ¤nemark"])
def test_a_map_is_asked_for_what_a_word_says(stored: str) -> None:
    """However it is stored: a map has each word once, and the way back writes it well."""
    name = {"column": "name", "map": {"Dänemark": "DK"}}
    dash = {"value": "-"}
    address = {"name": dash, "lines": [dash], "city": dash, "country": name}
    settings = config(order={"address": address}, texts={"utf8_in_latin1": ["name"]})
    assert dict(read(both(settings, {**ROW, "name": stored})).address)["country"] == "DK"
    refused = both(settings, {**ROW, "name": "DÃ¼nen"})
    assert "country_invalid" in refused.reasons


#: What a column of any type and age may hold.
TEXTS = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "0", "00", "new", "Done", "GBP", "JPY", "KWD", "HRK", "gbp", "\x00"]),
    st.from_regex(r"[-+]?[0-9]{0,4}[.,]?[0-9]{0,5}([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(
        r"(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]"
        r"([ T][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,9})?)?"
        r"( ?(Z|[-+][01][0-9](:?[0-5][0-9])?))?)?",
        fullmatch=True,
    ),
    st.text(max_size=20),
    st.integers(-(10**6), 2 * 10**13).map(str),
)
ZONES = ("Europe/London", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "Asia/Tehran")
ANY_CONFIG = st.builds(
    lambda zone, ambiguous, numbers, unit, fractions, total: config(
        source={"time_zone": zone},
        times={"ambiguous": ambiguous, "numbers_are": numbers},
        money={"unit": unit, "fractions": fractions},
        order={"total": total},
        texts={"too_long": "cut", "utf8_in_latin1": ["name"]},
    ),
    st.sampled_from(ZONES),
    st.sampled_from(["earlier", "later", "quarantine"]),
    st.sampled_from(["seconds", "milliseconds"]),
    st.sampled_from(["major", "minor"]),
    st.sampled_from(["quarantine", "round"]),
    st.sampled_from(["total", None]),
)


#: `make test-nightly` makes many more.
CASES = int(os.environ.get("SPILLWAY_FUZZ_CASES", "25"))


#: The first texts of any kind take a second to make.
@limits(max_examples=CASES, suppress_health_check=[HealthCheck.too_slow])
@given(settings=ANY_CONFIG, changes=st.dictionaries(st.sampled_from(list(ROW)[1:]), TEXTS))
@example(settings=NO_TOTAL, changes={"cur": "BIF"})
@example(settings=LONDON, changes={"at": "2019-W05-3"})
def test_whatever_the_copy_reads_the_verification_reads_alike(
    settings: Config, changes: Mapping[str, str | None]
) -> None:
    found = both(settings, {**ROW, **changes})
    if found.copied is not None:
        assert found.verified == found.copied


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)


@limits(max_examples=CASES)
@given(
    lines=st.lists(
        st.fixed_dictionaries(
            {
                "sku": SCALARS | st.sampled_from(["A", "B", " C "]),
                "qty": SCALARS | st.sampled_from([1, "2", 3.0]),
                "price": SCALARS | st.sampled_from(["1.50", 2, 0.5]),
            }
        )
        | SCALARS,
        max_size=4,
    )
)
def test_whatever_lines_the_copy_reads_the_verification_reads_alike(lines: list[Any]) -> None:
    found = both(IN_JSON, {**ROW, "items": json.dumps(lines)})
    if found.copied is not None:
        assert found.verified == found.copied
