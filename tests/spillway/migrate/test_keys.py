"""Whatever the order number's column is made of, copy, log and look-ups name a row the same way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orders.aws.items import decompressed
from spillway.errors import SpillwayError
from spillway.migrate.checking import Check
from spillway.migrate.config import Config, Customers
from spillway.migrate.copying import Copy
from spillway.migrate.following import Follow
from spillway.migrate.new.state import quarantined_of
from spillway.migrate.old.binlog import News, news
from spillway.migrate.old.connection import account, connected
from spillway.migrate.old.keys import Logged
from spillway.migrate.old.mapping import Gone, Mapped
from spillway.migrate.old.position import Position, position_now
from spillway.migrate.old.table import CHUNK_ROWS, OldTable
from spillway.migrate.old.watched import watched
from spillway.migrate.running import Parts
from spillway.migrate.verifying.old import OldSide
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import Shop, lines, schema
from tests.spillway.migrate.servers import Server, on_every_server
from tests.spillway.migrate.tables import config_for, make_orders_table, migration, verified

NOTHING: Any = lambda *_: None  # noqa: E731
INVOICE = "invoice     VARCHAR(20) NULL"


class Numbered(Shop):
    """A table with a row per line, whose order number is of any type."""

    def retype(self, kind: str) -> None:
        self.run("DROP TABLE IF EXISTS order_lines")
        made = schema("row-per-line").replace(INVOICE, f"invoice {kind} NULL")
        self.run(
            made.replace("KEY (invoice)", "KEY (invoice(9))")
            if kind in ("BLOB", "TEXT CHARACTER SET utf8mb4")
            else made
        )

    def add(self, *numbers: object) -> None:
        """An order of one line for each."""
        for number in numbers:
            self.insert(
                {
                    "invoice": number,
                    "stock_code": "MUG",
                    "quantity": 1,
                    "invoiced_at": "2022-06-03 12:00:00",
                    "unit_price": "4.00",
                    "customer_id": "77",
                    "country": "France",
                }
            )


@pytest.fixture
def numbered(old_server: Server) -> Iterator[Numbered]:
    with old_server.database() as name:
        shop = Numbered(old_server, name, "row-per-line")
        yield shop
        shop.close()


_COLLATIONS = "SELECT collation_name FROM information_schema.collations"
#: Column types, and numbers that are hard in them.
TYPES: dict[str, tuple[object, ...]] = {
    "INT(8) ZEROFILL": (42, 43, 123456789),
    "BIGINT UNSIGNED": (2**64 - 1, 2**53 + 1),
    "INT UNSIGNED": (2**32 - 1, 2**31),
    "MEDIUMINT UNSIGNED": (2**24 - 1, 2**23),
    "SMALLINT": (-7, 0),
    "DECIMAL(10,2)": ("1.5", "0.07", "-3", "12345678.90"),
    "DECIMAL(8,2) ZEROFILL": ("1.5", "0"),
    "DECIMAL(20,0)": ("12345678901234567890",),
    "CHAR(8)": ("A1", "b2  ", "Ü3"),
    "VARCHAR(20) CHARACTER SET latin1": ("", "€Ü-1", "BÜ-1", "\x81Ü", "tab\t", "two  "),
    "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_nopad_ci": ("Ü 1", "x ", "x"),
    "VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci": ("Ä1", "Ö1"),
    "VARCHAR(20) CHARACTER SET cp1251": ("Я-1", "ё-2"),
    "VARCHAR(20) CHARACTER SET ucs2": ("Ü1", "A1"),
    "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci": ("ß-1", "æ-1", "🎁-1"),
    "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_turkish_ci": ("i1", "I1"),
    "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin": ("a", "A", "e\u0301", "é"),
    "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin": ("a", "a ", "a\t"),
    "BINARY(16)": (bytes(range(240, 256)), b"\x01" + bytes(15), bytes(16), b"'\\%" + b" " * 13),
    "VARBINARY(20)": (b"\0", b"\0\0", b"a", b"A", b" ", b"", bytes(range(200, 220))),
    "TEXT CHARACTER SET utf8mb4": ("long " * 30, "Ord-X1"),
}
#: Of before the column was changed: the log and the index still tell them.
FORMER = ("A€Ł1", "🎁", "1e3", "NaN", "Infinity", "0g", "12x", "-", "1.0", "00ff")


def prepared(shop: Shop, folder: Path) -> tuple[Any, Config]:
    config = config_for(shop, "unused", folder, back=None)
    return account(config.source, {"OLD_SHOP": shop.server.url(shop.database)}), config


def until(goal: Position, stream: Iterator[News]) -> Iterator[Logged]:
    for some in stream:
        yield from some.keys
        if some.position is not None and some.position.reached(goal):
            return


@on_every_server
def test_copy_and_log_name_a_row_the_same_way(numbered: Numbered, tmp_path: Path) -> None:
    """Under a mode of the server's that spells a CHAR with its padding."""
    old, config = prepared(numbered, tmp_path)
    numbered.run("SET GLOBAL sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'")
    try:
        known = {name for (name,) in numbered.run(_COLLATIONS)}
        for kind, numbers in TYPES.items():
            # MySQL 5.6 has no collation that minds spaces at the end.
            if "COLLATE" in kind and kind.rpartition(" ")[2] not in known:
                continue
            numbered.retype(kind)
            with connected(old) as connection:
                start = position_now(connection)
                numbered.add(*numbers)
                numbered.run("DELETE FROM order_lines WHERE invoice IS NULL")
                goal = position_now(connection)
                reader = OldTable(connection, config, lambda old: old)
                read = chain(reader.after(None), reader.without_number())
                copied = [order.key for order in read]
                logged = reader.names(
                    until(goal, news(old, config, watched(connection, config), start))
                )
                assert sorted(logged) == sorted(copied), kind
                assert len(set(copied)) == len(numbers), kind
                for name in copied:
                    assert name in {order.key for order in reader.of([name])}, (kind, name)
                assert not {order.key for order in reader.of(FORMER)} & {*FORMER}, kind
    finally:
        numbered.run("SET GLOBAL sql_mode = 'NO_ENGINE_SUBSTITUTION'")


def test_verify_finds_by_its_number_each_order_that_it_reads(
    numbered: Numbered, tmp_path: Path
) -> None:
    """With rules of its own, for whichever type."""
    old, config = prepared(numbered, tmp_path)
    for kind, numbers in TYPES.items():
        numbered.retype(kind)
        numbered.add(*numbers)
        side = OldSide(config, old, lambda old: old)
        read = {key: order for key, order in side.all() if key}
        assert len(read) == len([number for number in numbers if number not in ("", b"")]), kind
        assert None not in read.values(), kind
        assert {key: order for key, order in side.some(list(read)) if key} == read, kind
        for key, order in read.items():
            assert dict(side.some([key]))[key] == order, (kind, key)
        assert sorted(side.numbers()) == sorted(read), kind
        assert sorted(side.sample(100)) == sorted(read), kind
        assert side.present(set(read)) == set(read), kind
        assert not {key for key, _ in side.some(FORMER)} & {*FORMER}, kind
        assert side.count() == len(read), kind


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT(9,2)", "UUID", "DATE", "BLOB", "ENUM('a')"])
def test_a_number_that_names_no_order_exactly_is_refused_before_anything_is_read(
    numbered: Numbered, tmp_path: Path, kind: str
) -> None:
    numbered.retype(kind)
    old, config = prepared(numbered, tmp_path)
    with (
        connected(old) as connection,
        pytest.raises(SpillwayError, match=r"invoice .*name another"),
    ):
        OldTable(connection, config, lambda old: old)


USUAL = (
    *("latin1_swedish_ci", "latin1_german1_ci", "latin1_german2_ci", "latin1_nopad_bin"),
    *("cp1251_general_ci", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_turkish_ci"),
    *("utf8mb4_unicode_nopad_ci", "utf8mb3_general_ci", "utf8mb4_bin"),
)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_database_alone_says_which_spellings_are_one_number(
    numbered: Numbered, tmp_path: Path, every: bool
) -> None:
    """The server's collations against its own `=`."""
    old, config = prepared(numbered, tmp_path)
    hard = (
        *("A1", "a1", "A1 ", "A1\t", "Ü1", "U1", "UE1", "Y1", "ß1", "ss1", "æ1", "ae1", "€Ü1"),
        *("€ü1", "I1", "\u01311", "i1", "İ1", "é1", "e1", "Я1", "я1", "Ё1", "A\u00ad1", "ﬁ1"),
    )
    collations = numbered.run(
        "SELECT collation_name, character_set_name FROM information_schema.collations"
        " WHERE character_set_name <> 'binary' AND is_compiled = 'Yes'"
    )
    if not every:
        collations = [one for one in collations if one[0] in USUAL]
    assert len(collations) >= len(USUAL)
    wrong = set()
    for collation, charset in collations:
        numbered.retype(f"VARCHAR(20) CHARACTER SET {charset} COLLATE {collation}")
        numbered.add(*hard)
        equal = numbered.run(
            "SELECT CONVERT(a.invoice USING utf8mb4), GROUP_CONCAT(DISTINCT BINARY"
            " CONVERT(b.invoice USING utf8mb4) ORDER BY BINARY b.invoice SEPARATOR '|')"
            " FROM order_lines a JOIN order_lines b ON a.invoice = b.invoice GROUP BY a.id"
        )
        with connected(old) as connection:
            orders = list(OldTable(connection, config, lambda old: old).after(None))
        read = {(one.key, frozenset(one.spellings)) for one in orders}
        if read != {(number, frozenset(bytes(same).decode().split("|"))) for number, same in equal}:
            wrong.add(collation)
    # There the server's own order contradicts its `=`. A number that is taken for two is told by
    # the comparison, two that are taken for one are quarantined.
    assert wrong <= {"cp1250_czech_cs", "big5_chinese_ci", "big5_chinese_nopad_ci"}


def found(parts: Parts) -> dict[str, tuple[int, int]]:
    """By old number, each order's quantity in all and its total, straight from the table."""
    table = parts.state.dynamodb.scan(TableName=parts.place.orders_table)["Items"]
    orders = [item for item in table if "accepted_at" in item]
    read = {item["imported"]["S"]: decompressed(item["content"]["B"]) for item in orders}
    assert len(read) == len(orders)
    for number, order in read.items():
        assert order.payment is not None
        # The number as the shop writes it, but for what cannot be printed.
        assert order.payment.reference == f"invoice-{number}".replace("\t", " ")
    return {
        number: (sum(line.quantity for line in order.lines), order.total)
        for number, order in read.items()
    }


@pytest.mark.parametrize(
    ("kind", "numbers", "names"),
    [
        ("VARCHAR(20) CHARACTER SET latin1", ("BÜ-1", "€Ü-2", "Bu-1"), ("BÜ-1", "€Ü-2", "Bu-1")),
        ("VARCHAR(20) COLLATE utf8mb4_unicode_ci", ("ß-1", "ß-2", "æ"), ("ß-1", "ß-2", "æ")),
        ("INT(8) ZEROFILL", (42, 43, 44), ("00000042", "00000043", "00000044")),
        ("DECIMAL(9,2)", ("1.5", "1.51", "10"), ("1.50", "1.51", "10.00")),
        ("CHAR(9)", ("Ord-X1", "ord-x2 ", "\tT"), ("Ord-X1", "ord-x2", "\tT")),
        ("BINARY(3)", (b"\xff\0\0", b"A\0 ", b"a\0 "), ("ff0000", "410020", "610020")),
    ],
)
def test_every_change_arrives_under_the_number_that_the_shop_writes(
    numbered: Numbered,
    aws: str,
    tmp_path: Path,
    kind: str,
    numbers: tuple[object, ...],
    names: tuple[str, ...],
) -> None:
    dynamodb = client(aws, "dynamodb")
    numbered.retype(kind)
    changed, deleted, added = numbers
    numbered.add(changed, changed, deleted)
    config = config_for(numbered, make_orders_table(dynamodb), tmp_path, back=None)
    with migration(numbered, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        assert found(parts) == {names[0]: (2, 800), names[1]: (1, 400)}
        numbered.run("UPDATE order_lines SET quantity = 7 WHERE invoice = %s LIMIT 1", (changed,))
        numbered.run("DELETE FROM order_lines WHERE invoice = %s", (deleted,))
        numbered.add(added)
        Follow(parts, NOTHING).run(until_caught_up=True)
        expected = {names[0]: (8, 3200), names[2]: (1, 400)}
        assert found(parts) == expected
        assert verified(parts).differences == []
        assert Copy(parts, NOTHING).run(again=True).removed == 0
        assert found(parts) == expected


def test_a_number_that_gets_a_second_spelling_is_set_aside_until_it_has_one_again(
    numbered: Numbered, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    numbered.add("A1", "B1")
    config = config_for(numbered, make_orders_table(dynamodb), tmp_path)
    with migration(numbered, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        numbered.add("a1")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert set(parts.quarantined()) == {"A1", "a1"}
        assert set(found(parts)) == {"B1"}
        assert verified(parts).differences == []
        numbered.run("UPDATE order_lines SET invoice = 'a1' WHERE invoice = 'A1'")
        numbered.run("UPDATE order_lines SET invoice = 'b1' WHERE invoice = 'B1'")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert found(parts) == {"a1": (2, 800), "b1": (1, 400)}
        assert parts.quarantined() == {}
        assert verified(parts).differences == []


def test_rows_without_an_order_number_are_set_aside_and_never_one_order(
    numbered: Numbered, aws: str, tmp_path: Path
) -> None:
    """Two guests, an open order, and every way of writing nothing."""
    dynamodb = client(aws, "dynamodb")
    numbered.add("A1", None, None, "", "   ")
    numbered.run("UPDATE order_lines SET customer_id = NULL, status = 'new' WHERE invoice IS NULL")
    config = config_for(numbered, make_orders_table(dynamodb), tmp_path)
    with migration(numbered, dynamodb, config) as parts:
        assert Check(parts, NOTHING).run(None).reasons["key_missing"].orders >= 1
        tally = Copy(parts, NOTHING).run()
        assert (tally.written, list(parts.quarantined())) == (1, [""])
        assert Copy(parts, NOTHING).run_quarantined().written == 0
        for number in (None, "", " "):
            numbered.add(number)
            Follow(parts, NOTHING).run(until_caught_up=True)
            assert set(found(parts)) == {"A1"}
            assert list(parts.quarantined()) == [""]
        Copy(parts, NOTHING).run(again=True)
        assert verified(parts).differences == []
        numbered.run("UPDATE order_lines SET invoice = NULL WHERE invoice = 'A1'")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert found(parts) == {}
        numbered.run("UPDATE order_lines SET invoice = CONCAT('N', id)")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert parts.quarantined() == {}
        assert len(found(parts)) == 8
        assert verified(parts).differences == []


@pytest.mark.parametrize("number", [None, ""])
def test_rows_without_an_order_number_that_nobody_set_aside_are_a_difference(
    numbered: Numbered, aws: str, tmp_path: Path, number: str | None
) -> None:
    dynamodb = client(aws, "dynamodb")
    numbered.add("A1")
    config = config_for(numbered, make_orders_table(dynamodb), tmp_path)
    with migration(numbered, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        numbered.add(number)
        (difference,) = verified(parts).differences
        assert difference.key == ""


def test_a_change_that_the_log_has_without_its_number_ends_the_following_with_a_sentence(
    numbered: Numbered, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    numbered.add("A1")
    config = config_for(numbered, make_orders_table(dynamodb), tmp_path)
    with migration(numbered, dynamodb, config) as parts:
        Copy(parts, NOTHING).run()
        numbered.run("SET SESSION binlog_row_image = 'MINIMAL'")
        numbered.run("UPDATE order_lines SET quantity = 7")
        with pytest.raises(SpillwayError, match="binlog_row_image"):
            Follow(parts, NOTHING).run(until_caught_up=True)


def test_a_customer_with_two_subjects_is_set_aside_and_doubles_no_line(
    numbered: Numbered, aws: str, tmp_path: Path
) -> None:
    """One with the same subject twice is one customer."""
    dynamodb = client(aws, "dynamodb")
    numbered.run("CREATE TABLE people (id VARCHAR(20), subject VARCHAR(20), KEY (id))")
    numbered.run(
        "INSERT INTO people VALUES ('7', 'S7'), ('1', 'S1'), ('1', 'S1'), ('2', 'S2'), ('2', 's2')"
    )
    for customer in "712":
        numbered.add(f"A{customer}", f"A{customer}")
        numbered.run("UPDATE order_lines SET customer_id = %s WHERE customer_id = 77", (customer,))
    config = config_for(numbered, make_orders_table(dynamodb), tmp_path)
    people = Customers(
        column="customer_id", by="table", table="people", key="id", subject="subject"
    )
    config = replace(config, customers=people)
    with migration(numbered, dynamodb, config) as parts:
        (blocker,) = Check(parts, NOTHING).run(None).blockers
        assert (blocker.subject, "'2'" in blocker.detail) == ("customers", True)
        Copy(parts, NOTHING).run()
        numbered.run("UPDATE order_lines SET quantity = 2 WHERE quantity = 1 LIMIT 6")
        Follow(parts, NOTHING).run(until_caught_up=True)
        assert found(parts) == {"A7": (4, 1600), "A1": (4, 1600)}
        (aside,) = parts.state.listed("quarantine")
        assert [reason.rule for reason in quarantined_of(aside)[1]] == ["customer_ambiguous"]
        assert verified(parts).differences == []

        numbered.run("INSERT INTO people VALUES ('7', 'other')")
        (difference,) = verified(parts).differences
        assert difference.key == "A7"
        numbered.run("DELETE FROM people WHERE BINARY subject IN ('other', 's2')")
        Copy(parts, NOTHING).run_quarantined()
        assert set(found(parts)) == {"A7", "A1", "A2"}
        assert verified(parts).differences == []


@pytest.mark.parametrize(
    ("charset", "number", "code"),
    # A byte without a character; a character with two codes; one that Python's latin1 has not.
    [("cp1251", "?", "98"), ("cp932", "\u2252", "81E0"), ("latin1", "\x81", "81")],
)
def test_what_cannot_be_found_by_the_number_that_is_shown_is_no_order(
    numbered: Numbered, tmp_path: Path, charset: str, number: str, code: str
) -> None:
    numbered.retype(f"VARCHAR(20) CHARACTER SET {charset}")
    numbered.add("A1", "B2")
    for one in (code, "8790") if charset == "cp932" else (code,):
        numbered.run(
            f"UPDATE order_lines SET invoice = 0x{one} WHERE invoice IN ('A1', 'B2') LIMIT 1"
        )
    old, config = prepared(numbered, tmp_path)
    with connected(old) as connection:
        reader = OldTable(connection, config, lambda old: old)
        orders = list(reader.after(None))
        assert number in {order.key for order in orders}
        for order in orders:
            read = reader.mapper.order(order)
            by_its_number = [row.own for row in reader.of([order.key]) if row.own == order.own]
            assert isinstance(read, Mapped) == bool(by_its_number), order
            # Nor is it gone, when something else of it has changed.
            ((again,),) = reader.readings([order.key])
            assert not isinstance(again, Gone), order


@pytest.mark.parametrize(
    ("kind", "stayed", "noted"),
    [
        ("BIGINT", "7", ["A1", "1.5", "", "\u0661", "NaN"]),
        ("DECIMAL(20,0)", "7", ["A1", "NaN", "-Infinity", "1_0"]),
        ("BINARY(2)", "4131", ["A1-", "abc"]),
    ],
)
def test_a_number_that_was_noted_when_its_column_had_another_type_is_gone(
    numbered: Numbered, tmp_path: Path, kind: str, stayed: str, noted: list[str]
) -> None:
    numbered.retype(kind)
    numbered.add("A1" if kind == "BINARY(2)" else stayed)
    old, config = prepared(numbered, tmp_path)
    with connected(old) as connection:
        reader = OldTable(connection, config, lambda old: old)
        ((there, *others),) = reader.readings([*noted, stayed], settled=True)
        assert (there.key, [one.key for one in others if isinstance(one, Gone)]) == (stayed, noted)
        if kind == "BIGINT":
            with pytest.raises(SpillwayError, match="come to A1, which invoice cannot be any more"):
                list(reader.after("A1"))
    side = OldSide(config, old, lambda old: old)
    assert [key for key, _ in side.some([*filter(None, noted), stayed])] == [stayed]


@pytest.mark.parametrize("charset", ["latin1", "utf8mb4"])
def test_a_number_of_more_rows_than_are_read_at_once_is_read_whole(
    numbered: Numbered, tmp_path: Path, charset: str
) -> None:
    numbered.retype(f"VARCHAR(20) CHARACTER SET {charset}")
    numbered.add("Ü1")
    line = {**lines(random.Random(1), "Ü2")[0]}
    numbered.fill(iter([line] * (CHUNK_ROWS + 1)))
    numbered.add("Ü3", "Ü3")
    old, config = prepared(numbered, tmp_path)
    with connected(old) as connection:
        orders = list(OldTable(connection, config, lambda old: old).after(None))
    assert [(order.key, len(order.lines)) for order in orders] == [
        ("Ü1", 1),
        ("Ü2", CHUNK_ROWS + 1),
        ("Ü3", 2),
    ]
