"""Whatever stands in a binary log arrives, is known to be harmless, or ends with a sentence.

The logs are made by hand: they also have what only servers write that cannot be run here.
"""

from __future__ import annotations

import inspect
import struct

import pymysql
import pytest
from pymysqlreplication import event, row_event

from spillway.errors import SpillwayError
from spillway.migrate.old.binlog import (
    HARMLESS,
    IGNORABLE,
    LEFT_OUT,
    READ,
    REFUSED,
    ConnectionLost,
    DisplacedError,
    log_made,
)
from spillway.migrate.old.connection import Account, SourceAway
from spillway.migrate.old.keys import Encoded, KeyColumn
from spillway.migrate.old.position import Position
from tests.spillway.migrate.logbytes import (
    BIGINT,
    DECIMAL,
    DELETE_V1,
    DELETE_V2,
    INT,
    MADE,
    OTHERS,
    OURS,
    PARTIAL_UPDATE,
    START,
    UPDATE_V1,
    UPDATE_V2,
    VARCHAR,
    WRITE_V1,
    WRITE_V2,
    Event,
    example,
    format_description,
    heartbeat,
    load,
    names,
    query,
    rotate,
    rows,
    table_map,
    told,
    watching,
    xid,
)

TWO_INTEGERS = table_map([(INT, b""), (INT, b"")])


def integers(kind: int, *numbers: int, **more: int) -> Event:
    images = [struct.pack("<ii", number, 5) for number in numbers]
    return rows(kind, *images, columns=2, **more)


#: A transaction that must still arrive behind whatever comes before it.
GOOD = (query("BEGIN"), TWO_INTEGERS, integers(WRITE_V2, 42), xid())
#: Numbers of what the library knows by a class and leaves to us to leave out.
KNOWN = (3, 5, 13, 14, 17, 29, 33, 35, 160, 161, 162, 163, 164)


@pytest.mark.parametrize("number", [*KNOWN, *HARMLESS])
def test_what_is_known_to_be_harmless_is_passed_over(number: int) -> None:
    found = told(Event(number, b"whatever it holds"), *GOOD)
    assert (found.keys, found.ended) == (["42"], None)


@pytest.mark.parametrize("number", [number for number in REFUSED if not 166 <= number <= 171])
def test_what_cannot_be_read_ends_with_its_name_and_what_to_set(number: int) -> None:
    body = rows(PARTIAL_UPDATE, columns=2).body if number == PARTIAL_UPDATE else b"payload"
    found = told(TWO_INTEGERS, Event(number, body), *GOOD)
    name, remedy = REFUSED[number]
    assert isinstance(found.ended, SpillwayError)
    assert found.keys == []
    for said in (f"{name} ({number})", remedy, f"{START.file}:", "copy --again"):
        assert said in str(found.ended)


@pytest.mark.parametrize("number", range(166, 172))
def test_compressed_rows_end_it_where_they_are_of_the_followed_table(number: int) -> None:
    def compressed(table: int) -> Event:
        return Event(number, table.to_bytes(6, "little") + b"\1\0zlib")

    other = table_map([(INT, b"")], table="other", number=OTHERS)
    assert told(other, TWO_INTEGERS, compressed(OTHERS), *GOOD).keys == ["42"]
    partial = rows(PARTIAL_UPDATE, columns=1, number=OTHERS)
    assert told(other, partial, *GOOD).keys == ["42"]
    found = told(other, TWO_INTEGERS, compressed(OURS), *GOOD)
    assert "SET GLOBAL log_bin_compress = OFF" in str(found.ended)


@pytest.mark.parametrize("number", [0, 1, 6, 7, 8, 10, 12, 20, 21, 22, 43, 99, 172, 200, 255])
def test_an_unknown_event_ends_it_unless_it_says_that_it_can_be_ignored(number: int) -> None:
    assert f"can't read ({number})" in str(told(Event(number, b"?"), *GOOD).ended)
    assert told(Event(number, b"?", flags=IGNORABLE), *GOOD).keys == ["42"]


def test_every_event_that_the_library_knows_has_been_judged() -> None:
    """A new version of it may know more, which would be dropped in silence."""
    base = {event.BinLogEvent, row_event.RowsEvent}
    known = {
        one
        for module in (event, row_event)
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, event.BinLogEvent)
    }
    assert known - base == {*READ, *LEFT_OUT}


CASES = {
    "INT": (watching(KeyColumn("id", "integer"), "int"), (INT, b""), struct.pack("<i", -7), "-7"),
    "INT UNSIGNED": (
        watching(KeyColumn("id", "integer"), "int", unsigned=True),
        (INT, b""),
        b"\xff" * 4,
        str(2**32 - 1),
    ),
    "BIGINT UNSIGNED": (
        watching(KeyColumn("id", "integer"), "bigint", unsigned=True),
        (BIGINT, b""),
        b"\xff" * 8,
        str(2**64 - 1),
    ),
    "INT(8) ZEROFILL": (
        watching(KeyColumn("id", "integer", zeros=8), "int", unsigned=True),
        (INT, b""),
        struct.pack("<i", 42),
        "00000042",
    ),
    "VARCHAR latin1": (
        watching(KeyColumn("id", "text", charset="latin1"), "varchar"),
        (VARCHAR, b"\x14\0"),
        b"\x02\x80\xdc",
        Encoded("latin1", b"\x80\xdc"),
    ),
    "VARCHAR utf8mb4": (
        watching(KeyColumn("id", "text", charset="utf8mb4"), "varchar"),
        (VARCHAR, b"\x50\0"),
        b"\x04\xf0\x9f\x8e\x81",
        "🎁",
    ),
    "DECIMAL(4,2)": (
        watching(KeyColumn("id", "decimal", decimals=2), "decimal"),
        (DECIMAL, b"\x04\x02"),
        b"\x8c\x22",
        "12.34",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", [WRITE_V1, UPDATE_V1, DELETE_V1, WRITE_V2, UPDATE_V2, DELETE_V2])
def test_without_names_the_number_is_found_by_its_place(case: str, kind: int) -> None:
    """MySQL 5.6 and 5.7 name no columns, and no sign and no character set either."""
    watched, column, image, name = CASES[case]
    updated = kind in (UPDATE_V1, UPDATE_V2)
    event_ = rows(kind, *[image] * (2 if updated else 1), columns=1, present=1)
    found = told(query("BEGIN"), table_map([column]), event_, xid(), watched=watched)
    assert found.ended is None
    assert found.keys == [name] * (2 if updated else 1)


def test_with_names_it_is_found_by_its_name_wherever_it_was_then() -> None:
    turned = table_map([(INT, b""), (INT, b"")], metadata=names("other", "id"))
    event_ = rows(WRITE_V2, struct.pack("<ii", 5, 42), columns=2)
    assert told(turned, event_, xid(), names_columns=True).keys == ["42"]
    lacking = table_map([(INT, b""), (INT, b"")], metadata=names("other", "no"))
    found = told(lacking, event_, xid(), names_columns=True)
    assert "without a column id" in str(found.ended)


def test_columns_of_other_types_than_described_end_it() -> None:
    described = watching(KeyColumn("id", "integer"), "int", "varchar", place=0)
    found = told(TWO_INTEGERS, integers(WRITE_V2, 1), xid(), watched=described)
    assert "were changed while the log was not followed" in str(found.ended)
    longer = watching(KeyColumn("id", "integer"), "int", "int", "varchar")
    assert told(TWO_INTEGERS, integers(WRITE_V2, 1), xid(), watched=longer).keys == ["1"]


def test_columns_that_moved_before_they_were_described_end_it() -> None:
    """Their types may be the same: only the statement tells."""
    later = watching(KeyColumn("id", "integer"), "int", "int", at=Position(START.file, 10_000))
    moved = query("ALTER TABLE orders MODIFY x INT FIRST")
    found = told(TWO_INTEGERS, integers(WRITE_V2, 1), xid(), moved, watched=later)
    assert "were changed while the log was not followed" in str(found.ended)
    # Nothing was read by a place yet; but it was, before this reading began.
    assert told(moved, watched=later).ended is None
    found = told(moved, watched=later, described=Position(START.file, 9_000))
    assert "were changed while" in str(found.ended)
    # Described before: it is met live, and the table is described again.
    found = told(TWO_INTEGERS, integers(WRITE_V2, 1), xid(), moved)
    assert found.ended is None
    assert found.news[-1].schema_changed
    added = query("ALTER TABLE orders ADD x INT")
    assert told(TWO_INTEGERS, integers(WRITE_V2, 1), xid(), added, watched=later).ended is None


def test_rows_without_their_number_end_it() -> None:
    minimal = rows(UPDATE_V2, struct.pack("<i", 5), struct.pack("<i", 6), columns=2, present=2)
    assert "binlog_row_image = 'FULL'" in str(told(TWO_INTEGERS, minimal, xid()).ended)


@pytest.mark.parametrize("metadata", [bytes([13, 1, 3]), bytes([200, 1, 0])])
def test_a_column_that_the_library_cannot_read_ends_it_with_a_sentence(metadata: bytes) -> None:
    vector = table_map([(INT, b""), (242, b"\4")], metadata=metadata + b"\0" * 9)
    found = told(vector, integers(WRITE_V2, 1), xid())
    assert isinstance(found.ended, SpillwayError)
    assert "VECTOR" in str(found.ended)
    assert "copy --again" in str(found.ended)


def test_a_table_is_found_under_any_case_where_the_server_folds_names() -> None:
    folded = table_map([(INT, b""), (INT, b"")], table="ORDERS", schema="Shop")
    log = (folded, integers(WRITE_V2, 42), xid())
    assert told(*log).keys == []
    watched = watching(KeyColumn("id", "integer"), "int", "int", folds=True)
    assert told(*log, watched=watched).keys == ["42"]


@pytest.mark.parametrize("make", [query, load])
def test_a_statement_without_its_rows_ends_it(make: object) -> None:
    assert callable(make)
    for variables in (b"", b"\x00\0\0\0\0", b"\x01" + b"\0" * 8 + b"\x06\x03std"):
        statement = "LOAD DATA INFILE 'x' INTO TABLE `orders` (id)"
        found = told(make(statement, variables=variables), *GOOD)
        assert "statement without its rows" in str(found.ended)
        assert told(make(statement, "other", variables=variables), *GOOD).keys == ["42"]


def test_a_statement_is_read_in_its_sessions_mode() -> None:
    ansi = b"\x01" + struct.pack("<Q", 4)
    found = told(query('DELETE FROM "orders"', variables=ansi), *GOOD)
    assert "statement without its rows" in str(found.ended)
    assert "binlog_format is not ROW" in str(found.ended)
    assert "binlog_format" not in str(told(query("TRUNCATE orders"), *GOOD).ended)


def test_a_setting_that_the_library_does_not_know_ends_it() -> None:
    """MariaDB 11.5 and later write their character_set_collations (131) beside each statement."""
    found = told(query("CREATE TABLE x (id INT)", variables=b"\x83\x01\0\0\0\0"))
    assert "character_set_collations = ''" in str(found.ended)


def test_a_server_that_is_away_when_the_copy_notes_its_log_is_no_bug() -> None:
    nowhere = Account("shop", "reader", port=1)
    with pytest.raises(SourceAway, match="run the command again"):
        log_made(nowhere, example(), START)


def test_a_position_is_given_only_where_no_transaction_is_under_way() -> None:
    found = told(
        query("BEGIN"), heartbeat(), query("UPDATE a.b SET c = 1", "a"), *GOOD[1:], heartbeat()
    )
    inside = [one.position is None for one in found.news]
    assert inside == [True, False, True, True, True, True, False, False]
    assert found.news[-1].position == found.positions[-1]
    assert {one.log_made for one in found.news[1:]} == {MADE}


def test_no_position_is_beyond_four_gibibytes() -> None:
    """The log's own numbers have 32 bits: they begin again, and no reader can ask for more."""
    huge = Event(16, struct.pack("<Q", 1), ends=2**32 + 500)
    before = Event(16, struct.pack("<Q", 1), ends=2**32 - 500)
    found = told(before, huge, heartbeat(2**32 + 600), rotate("binlog.000008", at=1))
    assert found.positions[-1] == Position(START.file, 2**32 - 500)
    found = told(huge, rotate("binlog.000008", at=1), format_description(MADE + 9), *GOOD)
    assert found.positions[-1].file == "binlog.000008"
    assert "FLUSH BINARY LOGS" in str(told(start=Position(START.file, 2**32)).ended)


def test_the_library_asks_again_where_the_checksums_end() -> None:
    """It takes four bytes off each event, or leaves them, as it was told when it connected."""
    without = format_description(MADE + 9, checksums=0)
    found = told(*GOOD, rotate("binlog.000008", at=1), without, *GOOD)
    assert isinstance(found.ended, ConnectionLost)
    assert found.keys == ["42"]
    assert found.positions[-1] == Position("binlog.000008", 4)


def test_a_log_from_before_the_checksums_is_not_read_with_four_bytes_less() -> None:
    """The file's name would lose them too, and be told as purged."""
    opening = (rotate(START.file, START.offset), format_description(checksums=0))
    found = told(*GOOD, opening=opening)
    assert "binlog_checksum was changed" in str(found.ended)
    assert (found.keys, [one for one in found.positions if one is not None]) == ([], [])


def test_another_log_under_the_same_name_is_known_by_when_it_was_begun() -> None:
    assert told(*GOOD, log_made=MADE).ended is None
    found = told(*GOOD, log_made=MADE - 1)
    assert "not the one that was followed" in str(found.ended)
    assert found.keys == []
    turned = told(rotate("binlog.000008", at=1), heartbeat(), format_description(MADE + 9), *GOOD)
    places = [(one.position, one.log_made) for one in turned.news]
    assert places[2:4] == [(None, None), (None, None)]
    assert places[-1][1] == MADE + 9


@pytest.mark.parametrize(
    ("code", "said", "kind", "expected"),
    [
        (
            1236,
            "Could not find first log file name in binary log index file",
            SpillwayError,
            "copy",
        ),
        (
            1236,
            "log event entry exceeded max_allowed_packet",
            SpillwayError,
            "max_allowed_packet =",
        ),
        (1236, "Slave can not handle events with the checksum", SpillwayError, "binlog_checksum"),
        (1236, "A slave with the same server_uuid/server_id as this", DisplacedError, "server_id"),
        (4052, "A slave with the same server_uuid/server_id is", DisplacedError, "server_id"),
        (1227, "you need the REPLICATION SLAVE privilege", SpillwayError, "REPLICATION SLAVE"),
        (1045, "Access denied", SpillwayError, "Access denied"),
        (1053, "Server shutdown in progress", ConnectionLost, "1053"),
        (1317, "Query execution was interrupted", ConnectionLost, "1317"),
        (1105, "Unknown error", SpillwayError, "1105"),
    ],
)
def test_only_what_means_that_the_server_is_away_is_tried_again(
    code: int, said: str, kind: type[Exception], expected: str
) -> None:
    found = told(*GOOD, end=pymysql.err.OperationalError(code, said))
    assert found.keys == ["42"]
    assert isinstance(found.ended, kind)
    assert expected in str(found.ended)
