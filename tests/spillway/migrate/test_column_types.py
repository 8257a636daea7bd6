"""Every type of column that an old shop may have, on a real server: one table, one order in it, and
a column for each case. What it says arrives right, as both readings see it, or is set aside."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spillway.errors import SpillwayError
from spillway.migrate.checking import Check
from spillway.migrate.config import Config
from spillway.migrate.old.connection import Account, account, connected
from spillway.migrate.old.mapping import Mapped
from spillway.migrate.old.table import OldTable
from spillway.migrate.verifying.canonical import Canonical
from spillway.migrate.verifying.old import OldSide
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import Shop, lines, order
from tests.spillway.migrate.reading import ROW, as_stored, config
from tests.spillway.migrate.servers import Server, on_every_server
from tests.spillway.migrate.tables import config_for, make_orders_table, migration

REFUSED = "holds (bytes|no time)"
JSON_LINES = '[{"sku": "Ü", "qty": 2, "price": "4.00"}]'


class Case(NamedTuple):
    """`place` is the field that the column is for; `value` is SQL. `expected` is what arrives in
    that field, or the rule for which the order is set aside."""

    place: str
    type: str
    value: str
    expected: object


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


CASES = [
    Case("at", "TIMESTAMP(3) NULL", "'2019-07-01 10:00:00.123'", at("2019-07-01T10:00:00.123")),
    Case("at", "DATETIME(6)", "'2019-07-01 10:00:00.123456'", at("2019-07-01T09:00:00.123")),
    Case("at", "DATETIME", "'2019-10-27 01:30:00'", at("2019-10-27T00:30")),
    Case("at", "DATETIME", "'0000-00-00'", "date_impossible"),
    Case("at", "DATETIME", "'2019-02-31'", "date_impossible"),
    Case("at", "DATETIME", "'9999-12-31 23:59:59'", "date_implausible"),
    Case("at", "DATE", "'2019-07-01'", at("2019-06-30T23:00")),
    Case("at", "TIME", "'10:00:00'", "date_unreadable"),
    Case("at", "YEAR", "2019", "date_implausible"),
    Case("at", "BIGINT", "1700000000", at("2023-11-14T22:13:20")),
    Case("at", "BIGINT(14) ZEROFILL", "1700000000", at("2023-11-14T22:13:20")),
    Case("at", "BIGINT", "-5", "date_unreadable"),
    Case("at", "DECIMAL(14,3)", "1700000000", "date_unreadable"),
    Case("at", "DOUBLE", "1700000000", at("2023-11-14T22:13:20")),
    Case("at", "FLOAT", "1700000000", REFUSED),
    Case("at", "CHAR(40) CHARACTER SET ucs2", "'2019-07-01T10:00+02:00'", at("2019-07-01T08:00")),
    Case("at", "VARCHAR(40) AS ('2019-07-01T10:00:00Z') STORED", "", at("2019-07-01T10:00")),
    # The server shows six digits of it: 12345.7.
    Case("price", "FLOAT", "12345.67", "amount_has_a_fraction"),
    Case("price", "FLOAT", "12345.5", 1_234_550),
    Case("price", "FLOAT UNSIGNED", "123456.5", 12_345_650),
    Case("price", "FLOAT(9,2)", "12345.67", 1_234_567),
    Case("price", "DOUBLE", "12345.67", 1_234_567),
    Case("price", "DOUBLE", "0.1 + 0.2e0", "amount_has_a_fraction"),
    Case("price", "DECIMAL(10,4)", "4", 400),
    Case("price", "DECIMAL(10,4)", "4.0050", "amount_has_a_fraction"),
    Case("price", "DECIMAL(8,2) ZEROFILL", "4.5", 450),
    Case("price", "DECIMAL(8,2) AS (qty * 2.25) VIRTUAL", "", 450),
    Case("price", "VARCHAR(20)", "'1,234.56'", "amount_not_a_number"),
    Case("price", "YEAR", "2019", 201_900),
    Case("price", "BIT(8)", "b'1'", REFUSED),
    Case("qty", "FLOAT", "9999", 9999),
    Case("qty", "DECIMAL(10,2)", "3", 3),
    Case("qty", "DECIMAL(10,2)", "3.5", "quantity_not_a_number"),
    Case("qty", "BIT(8)", "b'11'", REFUSED),
    Case("qty", "VARBINARY(8)", "'3'", REFUSED),
    Case("st", "ENUM('new','done')", "'done'", "confirmed"),
    # The value 0 of an ENUM: what the server made of a word that it does not have.
    Case("st", "ENUM('new','done')", "0", "status_unknown"),
    Case("st", "SET('new','done')", "'done'", "confirmed"),
    Case("st", "SET('new','done')", "'new,done'", "status_unknown"),
    Case("st", "VARCHAR(9) CHARACTER SET latin1", "'DONE '", "confirmed"),
    Case("st", "CHAR(9)", "'Done'", "confirmed"),
    Case("st", "VARCHAR(9) COLLATE utf8mb4_bin", "'Done'", "status_unknown"),
    Case("st", "VARCHAR(9) COLLATE utf8mb4_nopad_bin", "'done '", "status_unknown"),
    Case("st", "VARCHAR(9) CHARACTER SET utf16", "'Döne'", "confirmed"),
    Case("st", "VARCHAR(9) CHARACTER SET cp1251", "'готово'", "confirmed"),
    Case("st", "VARCHAR(9) CHARACTER SET cp1251", "'ГОТОВО'", "confirmed"),
    # "??" is what latin1 makes of a word that the configuration has and it has not.
    Case("st", "VARCHAR(9) CHARACTER SET latin1", "'??????'", "status_unknown"),
    Case("st", "INT", "2", "confirmed"),
    Case("st", "TINYINT", "NULL", "status_unknown"),
    Case("st", "JSON", "'\"done\"'", "status_unknown"),
    Case("name", "VARCHAR(40) CHARACTER SET latin1", "'Łukasz'", "?ukasz"),
    Case("name", "VARCHAR(40) CHARACTER SET latin1", "'Zoë €'", "Zoë €"),
    Case("name", "VARCHAR(40) CHARACTER SET latin2", "'Łukasz'", "Łukasz"),
    Case("name", "VARCHAR(40) CHARACTER SET utf8mb3", "'Łukasz'", "Łukasz"),
    Case("name", "VARCHAR(40) CHARACTER SET utf16", "'🎁 Łukasz'", "🎁 Łukasz"),
    Case("name", "VARCHAR(40) CHARACTER SET ucs2", "'Łukasz'", "Łukasz"),
    Case("name", "VARCHAR(40) CHARACTER SET sjis", "'山田 ソ'", "山田 ソ"),
    Case("name", "VARCHAR(40) CHARACTER SET gbk", "'王小明'", "王小明"),
    Case("name", "VARCHAR(40) CHARACTER SET euckr", "'김철수'", "김철수"),
    Case("name", "VARCHAR(40) CHARACTER SET big5", "'許功蓋'", "許功蓋"),
    Case("name", "CHAR(40)", "'Ada  '", "Ada"),
    Case("name", "VARCHAR(40)", "CONCAT('a', CHAR(0), 'b')", "a b"),
    # UTF-8 through a connection that said Latin-1, into a column of either kind.
    Case("name", "VARCHAR(40) CHARACTER SET latin1", "_latin1 x'4BC3B66C6E'", "Köln"),
    Case("name", "VARCHAR(40) CHARACTER SET utf8mb4", "_latin1 x'4BC3B66C6E'", "Köln"),
    Case("name", "VARCHAR(40) CHARACTER SET latin1", "_latin1 x'4BF66C6E'", "Köln"),
    Case("name", "LONGTEXT", "REPEAT('ü', 200000)", "text_invalid"),
    Case("name", "BLOB", "'Ada'", REFUSED),
    Case("cust", "INT UNSIGNED", "7", "old|7"),
    Case("cust", "INT(5) ZEROFILL", "7", "old|00007"),
    Case("cust", "INT(5) ZEROFILL", "0", "guest-1001"),
    Case("cust", "FLOAT", "1234567", "old|1234567"),
    Case("cust", "CHAR(36) CHARACTER SET ascii", "'6ccd780c-baba-1026-9564-5b8c656024db'",
         "old|6ccd780c-baba-1026-9564-5b8c656024db"),
    Case("items", "JSON", f"'{JSON_LINES}'", "Ü"),
    Case("items", "LONGTEXT CHARACTER SET latin1", f"'{JSON_LINES}'", "Ü"),
    Case("items", "LONGBLOB", f"'{JSON_LINES}'", "Ü"),
    Case("items", "LONGBLOB", f"CONVERT('{JSON_LINES}' USING latin1)", "text_invalid"),
    Case("items", "LONGBLOB", f"CONVERT('{JSON_LINES}' USING utf16)", "lines_not_json"),
]  # fmt: skip

#: What MySQL 5.6 has no word for.
NEWER = re.compile(r"JSON| AS \(|_nopad_")
STATUSES = {"2": {"is": "confirmed"}, "готово": {"is": "confirmed"}, "donE": {"is": "confirmed"}}


def settings_of(case: Case, column: str) -> Config:
    order: dict[str, Any] = {"total": None}
    sections: dict[str, Mapping[str, Any]] = {
        "order": order,
        "source": {"tls": "off"},
        "texts": {"utf8_in_latin1": [column] if case.place == "name" else []},
        "statuses": {} if "done" in case.value else STATUSES,
    }
    match case.place:
        case "at":
            order["created_at"] = column
        case "st":
            order["status"] = {"column": column}
        case "name":
            order["address"] = {
                "name": {"column": column},
                "lines": [{"value": "-"}],
                "city": {"value": "-"},
                "country": {"value": "GB"},
            }
        case "cust":
            sections["customers"] = {"column": column}
        case "items":
            sections["source"] = {"tls": "off", "shape": "row_per_order"}
            sections["lines"] = {"column": column}
        case "qty":
            sections["lines"] = {"quantity": column}
        case _:
            sections["lines"] = {"unit_price": column}
            order["discount"] = None
    return config(**sections)


def arrived(order: Canonical, case: Case) -> object:
    (sku, quantity, price), *_ = order.lines
    found = {
        "at": order.accepted_at,
        "st": order.state.outcome,
        "name": dict(order.address)["name"],
        "cust": order.customer,
        "items": sku,
        "qty": quantity,
        "price": price,
    }
    return found[case.place]


@pytest.fixture
def database(old_server: Server) -> Iterator[tuple[Any, Account]]:
    with old_server.database() as name:
        connection = old_server.connect(name)
        environment = {"OLD_SHOP": old_server.url(name)}
        with connection.cursor() as cursor:
            yield cursor.execute, account(config(source={"tls": "off"}).source, environment)
        connection.close()


@on_every_server
def test_what_a_column_of_any_type_says_arrives_or_is_set_aside(
    old_server: Server, database: tuple[Any, Account]
) -> None:
    execute, old = database
    cases = [one for one in CASES if old_server.make == "mariadb" or not NEWER.search(one.type)]
    execute("SET sql_mode = ''")
    texts = [f"`{name}` VARCHAR(20) NULL" for name in ROW if name != "no"]
    odd = [f"c{number} {case.type}" for number, case in enumerate(cases)]
    execute(f"CREATE TABLE orders (no INT PRIMARY KEY, {', '.join([*texts, *odd])})")
    stored = {f"c{number}": case.value for number, case in enumerate(cases) if case.value}
    marks = ", ".join(["%s"] * len(ROW))
    execute(
        f"INSERT INTO orders ({', '.join([*ROW, *stored])}) VALUES ({marks},"
        f" {', '.join(value.replace('%', '%%') for value in stored.values())})",
        list(ROW.values()),
    )
    for number, case in enumerate(cases):
        settings = settings_of(case, f"c{number}")
        if case.expected == REFUSED:
            with connected(old) as connection, pytest.raises(SpillwayError, match=REFUSED):
                OldTable(connection, settings, str)
            continue
        with connected(old) as connection:
            (order,) = (reader := OldTable(connection, settings, str)).after(None)
            read = reader.mapper.order(order)
        if not isinstance(read, Mapped):
            assert case.expected in [reason.rule for reason in read.reasons], (case, read)
            continue
        assert arrived(as_stored(read), case) == case.expected, case
        assert dict(OldSide(settings, old, str).all()) == {"1001": as_stored(read)}, case


#: Types of an order's customer and of the other table's key, the values, and whether they are one.
PEOPLE = [
    ("VARCHAR(40)", "VARCHAR(40)", "'Ann@X.org '", "'ann@x.org'", True),
    ("VARCHAR(40) COLLATE utf8mb4_bin", "VARCHAR(40) COLLATE utf8mb4_bin", "'Ann'", "'ann'", False),
    # Of two collations, that of the other table, whose index finds it.
    ("VARCHAR(40) COLLATE utf8mb4_bin", "VARCHAR(40)", "'Ann'", "'ann'", True),
    ("VARCHAR(40) CHARACTER SET latin1", "VARCHAR(40)", "'Zoë'", "'zoë'", True),
    ("VARCHAR(40)", "VARCHAR(40) CHARACTER SET latin1", "'Ł'", "'?'", False),
    # As numbers, these would be equal.
    ("VARCHAR(40)", "INT", "'12 High Street'", "12", False),
    ("VARCHAR(40)", "INT", "'guest'", "0", False),
    ("VARCHAR(40)", "INT", "' 12'", "12", True),
    ("VARCHAR(40) CHARACTER SET ucs2", "BIGINT", "'12'", "12", True),
    ("VARCHAR(40)", "INT", "'1e1'", "10", False),
    ("INT", "VARCHAR(40)", "12", "'12 High Street'", False),
    ("INT", "VARCHAR(40) CHARACTER SET latin1", "12", "'12'", True),
    ("INT", "BIGINT UNSIGNED", "12", "12", True),
    ("DECIMAL(9,0)", "INT(9) ZEROFILL", "12", "12", True),
]  # fmt: skip


@on_every_server
def test_a_customer_in_another_table_is_the_one_that_the_value_names(
    database: tuple[Any, Account],
) -> None:
    execute, old = database
    execute("SET sql_mode = ''")
    texts = [f"`{name}` VARCHAR(20) NULL" for name in ROW if name not in ("no", "cust")]
    settings = config(
        source={"tls": "off"},
        customers={"by": "table", "table": "people", "key": "id", "subject": "sub"},
    )
    for own, other, mine, theirs, is_same in PEOPLE:
        execute("DROP TABLE IF EXISTS orders, people")
        execute(f"CREATE TABLE orders (no INT PRIMARY KEY, cust {own}, {', '.join(texts)})")
        execute(f"CREATE TABLE people (id {other}, sub VARCHAR(20), KEY (id))")
        execute(f"INSERT INTO people VALUES ({theirs}, 'S1')")
        row = {name: value for name, value in ROW.items() if name != "cust"}
        marks = ", ".join(["%s"] * len(row))
        execute(
            f"INSERT INTO orders (cust, {', '.join(row)}) VALUES ({mine}, {marks})",
            list(row.values()),
        )
        with connected(old) as connection:
            (order,) = (reader := OldTable(connection, settings, str)).after(None)
            read = reader.mapper.order(order)
        verified = dict(OldSide(settings, old, str).all())
        expected = "old|S1" if is_same else None
        case = (own, other, mine, theirs)
        assert (read.place.customer_id if isinstance(read, Mapped) else None) == expected, case
        assert (found.customer if (found := verified["1001"]) else None) == expected, case


@pytest.mark.parametrize(
    ("made", "is_refused"),
    [
        ("CREATE VIEW orders AS SELECT o.*, FROM_UNIXTIME(epoch) AS at FROM stored o", True),
        ("CREATE VIEW orders AS SELECT o.*, CAST(stamp AS CHAR) AS at FROM stored o", True),
        ("CREATE VIEW orders AS SELECT o.*, stamp AS at FROM stored o", False),
        ("CREATE VIEW orders AS SELECT o.*, epoch AS at FROM stored o", False),
        ("CREATE VIEW orders AS SELECT o.*, DATE('2019-07-01') AS at FROM stored o", False),
    ],
)  # fmt: skip
def test_a_time_that_depends_on_who_reads_it_is_refused(
    database: tuple[Any, Account], made: str, is_refused: bool
) -> None:
    execute, old = database
    texts = [f"`{name}` VARCHAR(20) NULL" for name in ROW if name not in ("no", "at")]
    execute(
        "CREATE TABLE stored (no INT PRIMARY KEY, epoch INT, stamp TIMESTAMP NULL,"
        f" {', '.join(texts)})"
    )
    execute("INSERT INTO stored (no, epoch, stamp) VALUES (1, 1700000000, '2019-07-01 10:00:00')")
    execute(made)
    settings = config(source={"tls": "off", "changes": {"stored": "no"}})
    with connected(old) as connection:
        if is_refused:
            with pytest.raises(SpillwayError, match="column at of orders"):
                OldTable(connection, settings, str)
        else:
            assert len(list(OldTable(connection, settings, str).after(None)))


@pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)
def test_check_counts_the_orders_whose_amounts_it_rounds(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    dynamodb = client(aws, "dynamodb")
    shop.run("ALTER TABLE order_lines MODIFY unit_price DECIMAL(12, 4)")
    for number, price in enumerate(("1.00", "0.3333", "2.5000", "0.0050")):
        shop.insert({**lines(random.Random(1), f"I{number}")[0], "unit_price": price})
    known = config_for(shop, make_orders_table(dynamodb), tmp_path)
    assert (known.money.fractions, known.order.total) == ("round", None)
    with migration(shop, dynamodb, known) as parts:
        found = Check(parts, lambda *_: None).run(None)
        (said,) = (one for one in found.findings if one.subject == "rounding")
        assert (said.level, found.unmapped) == ("warning", 0)
        assert said.detail.startswith(
            "an amount of 2 orders was rounded, of I1, I3 for example; no"
        )
        shop.run("UPDATE order_lines SET unit_price = 1")
        found = Check(parts, lambda *_: None).run(None)
        assert [one for one in found.findings if one.subject == "rounding"] == []


def test_check_names_what_the_rows_say_and_the_configuration_does_not(
    old_server: Server, aws: str, tmp_path: Path
) -> None:
    """Statuses without a meaning, UTF-8 that is stored as Latin-1, a customer in two spellings."""
    dynamodb = client(aws, "dynamodb")
    with old_server.database() as name:
        shop = Shop(old_server, name, "row-per-order")
        for status in ("shipped", "Shipped", "lost", "lost", ""):
            mojibake = "Jos\u00c3\u00a9"
            row = order(random.Random(1), status=status, customer_name=mojibake, city=mojibake)
            shop.insert({**row, "customer_id": "Ann@x" if status == "lost" else "ann@X"})
        known = config_for(shop, make_orders_table(dynamodb), tmp_path)
        with migration(shop, dynamodb, known) as parts:
            found = Check(parts, lambda *_: None).run(None)
        shop.close()
    said = [(one.level, one.subject, one.detail) for one in found.findings]
    assert (
        "warning",
        "statuses",
        "without a meaning in [statuses]: 'lost' (2), 'NULL or empty' (1)",
    ) in said
    assert next(one[:2] for one in said if "'Shipped' (1)" in one[2] and "equal" in one[2]) == (
        "good",
        "statuses",
    )
    (spelled,) = (detail for _, subject, detail in said if subject == "customers")
    assert "'Ann@x' and 'ann@X'" in spelled
    # customer_name is among the example's texts.utf8_in_latin1; city is utf8mb4 and is not.
    (mended,) = (text for level, _, text in said if level == "warning" and "utf8_in_latin1" in text)
    assert mended.startswith("city has UTF-8 that was stored as Latin-1 in 5 of its 5")
