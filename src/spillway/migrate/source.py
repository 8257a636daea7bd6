"""Reads the old table, in chunks by its key or by single keys, and its binary log's position.

Every reader asks for the same columns and yields whole orders: all rows under one key.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import pymysql
from pymysql.connections import Connection

from spillway.errors import SpillwayError
from spillway.migrate import mapping
from spillway.migrate.config import Config
from spillway.migrate.connection import LOCKED, code_of, run
from spillway.migrate.mapping import Gone, Mapper, OldOrder, Reading, Subjects
from spillway.migrate.payloads import PayloadCursor, TwoTexts, halves
from spillway.migrate.values import folded

#: Rows a query; they are streamed, never held together.
CHUNK_ROWS = 2_000
#: Keys a query, and so the rows that one locking read may hold for its instant.
KEYS_MAX = 100
#: How long a flush may wait for the statements under way: new writes wait behind it.
FLUSH_WAIT_SECONDS = 2
FLUSH_TRIES_MAX = 30
#: The pause before another try to read a row that a transaction has locked.
LOCK_PAUSE_SECONDS = 0.02
LOCK_WAIT_SECONDS_MAX = 300.0
#: Types of bytes, not text.
BINARY_TYPES = frozenset(
    ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry")
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the binary log. Its files are numbered."""

    file: str
    offset: int

    def reached(self, goal: Position) -> bool:
        return self._order >= goal._order

    @property
    def _order(self) -> tuple[int, int]:
        number = self.file.rpartition(".")[2]
        return int(number) if number.isdigit() else 0, self.offset

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"


@dataclass(slots=True)
class Table:
    """What is known of the old table: its columns, as information_schema describes them."""

    types: dict[str, str]
    charsets: dict[str, str | None]
    primary: tuple[str, ...]
    key_is_number: bool
    #: By the key's collation, "a1" and "A1" are the same order.
    key_is_folded: bool
    server: str
    is_mariadb: bool
    server_id: str

    def key(self, text: str | None) -> str:
        """An order's key, from its column's text. Empty where the column is NULL."""
        return folded(text or "") if self.key_is_folded else text or ""

    @property
    def utc_columns(self) -> frozenset[str]:
        return frozenset(name for name, kind in self.types.items() if kind == "timestamp")


def describe(connection: Connection[Any], config: Config) -> Table:
    """SpillwayError: the table or a column that the configuration names does not exist."""
    columns = run(
        connection,
        "SELECT column_name, data_type, character_set_name, column_key, collation_name"
        " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
        " ORDER BY ordinal_position",
        (config.source.table,),
    )
    version, server_id = run(connection, "SELECT VERSION(), @@server_id")[0]
    types = {str(name): str(kind) for name, kind, *_ in columns}
    _check(config, types)
    collations = {name: str(collation) for name, *_, collation in columns}
    return Table(
        types=types,
        charsets={str(name): charset for name, _, charset, *_ in columns},
        primary=tuple(str(name) for name, _, _, key, _ in columns if key == "PRI"),
        key_is_number=types[config.order.key].endswith("int"),
        key_is_folded=collations[config.order.key].endswith("_ci"),
        server=str(version),
        is_mariadb="mariadb" in str(version).lower(),
        server_id=str(server_id),
    )


def _check(config: Config, types: dict[str, str]) -> None:
    table = config.source.table
    wanted = dict.fromkeys([*_columns_of_the_order(config), *mapping.line_columns(config)])
    if not types:
        raise SpillwayError(
            f"The old database shows no table {table}: fix source.table or grant SELECT on it."
        )
    lacking = [name for name in wanted if name not in types]
    if lacking:
        raise SpillwayError(
            f"The table {table} has no column {', '.join(lacking)}: fix the configuration."
        )
    # JSON may be in a BLOB as well as in a TEXT: its reader notices what is no JSON.
    binary = [
        name for name in wanted if types[name] in BINARY_TYPES and name != config.lines.column
    ]
    if binary:
        raise SpillwayError(
            f"The column {', '.join(binary)} of {table} holds bytes, not text: name another one,"
            " such as a generated column with its HEX()."
        )


def _columns_of_the_order(config: Config) -> list[str]:
    """Those with mostly the same value on all lines of an order; the key comes first."""
    fields = config.order
    names = (fields.key, *mapping.own_columns(config), fields.created_at, fields.settled_at)
    return list(dict.fromkeys(name for name in names if name is not None))


class OldTable:
    """Reads and maps orders through one connection, by the table's columns as they are now."""

    def __init__(self, connection: Connection[Any], config: Config, subjects: Subjects) -> None:
        self.connection, self.config = connection, config
        self.table = table = describe(connection, config)
        now = time.time_ns() // 1_000_000
        self.mapper = Mapper(config, subjects, now, table.utc_columns)
        self._own = _columns_of_the_order(config)
        self._of_lines = mapping.line_columns(config)
        self._key = f"o.{quoted(config.order.key)}"
        wanted = [f"o.{quoted(name)}" for name in (*self._own, *self._of_lines)]
        joined, customers = "", config.customers
        if customers.table and customers.key and customers.subject:
            wanted.insert(len(self._own), f"c.{quoted(customers.subject)}")
            self._own.append(mapping.SUBJECT_COLUMN)
            joined = (
                f" LEFT JOIN {quoted(customers.table)} c"
                f" ON c.{quoted(customers.key)} = o.{quoted(customers.column)}"
            )
        self._select = f"SELECT {', '.join(wanted)} FROM {quoted(config.source.table)} o{joined}"  # noqa: S608 -- names, quoted
        # First the key, then the primary key, so that lines keep their order.
        names = dict.fromkeys((config.order.key, *table.primary))
        self._by_key = "ORDER BY " + ", ".join(f"o.{quoted(name)}" for name in names)

    def after(self, last: str | None) -> Iterator[OldOrder]:
        """Every order behind this key, read chunk by chunk."""
        more = True
        while more:
            more = False
            for order in self._chunk(last):
                more, last = True, order.last
                yield order

    def _chunk(self, last: str | None) -> Iterator[OldOrder]:
        """An order that the chunk cuts in two is read whole with the next chunk, unless it alone
        fills the chunk: then all of it is read here."""
        where = f"{self._key} IS NOT NULL" if last is None else f"{self._key} > %s"
        statement = f"{self._select} WHERE {where} {self._by_key} LIMIT {CHUNK_ROWS}"
        values = () if last is None else (self._typed(last),)
        count, held, found = 0, None, 0
        for order in self._read(statement, values):
            if held is not None:
                yield held
                found += 1
            held = order
            count += len(order.lines)
        if held is None:
            return
        if count < CHUNK_ROWS:
            yield held
        elif found == 0:
            yield from self.of([held.key])

    def of(self, keys: Sequence[str], *, settled: bool = False) -> Iterator[OldOrder]:
        """The orders that exist under these keys now.

        `settled`: only what is committed and visible to all, see `_with_locks_passed`.
        """
        marks = ", ".join(["%s"] * len(keys))
        statement = f"{self._select} WHERE {self._key} IN ({marks}) {self._by_key}"
        yield from self._read(statement, tuple(map(self._typed, keys)), settled=settled)

    def readings(self, keys: Iterable[str], *, settled: bool = False) -> Iterator[list[Reading]]:
        """What the table says of each of these orders now, some at a time; `Gone` for nothing."""
        wanted = [key for key in keys if key]
        for start in range(0, len(wanted), KEYS_MAX):
            some = wanted[start : start + KEYS_MAX]
            orders = self.of(some, settled=settled)
            found: dict[str, Reading] = {order.key: self.mapper.order(order) for order in orders}
            yield [found.get(key, Gone(key)) for key in some]

    def without_key(self) -> list[OldOrder]:
        """The rows without an order number, as one order: they can only be quarantined."""
        statement = f"{self._select} WHERE {self._key} IS NULL LIMIT {CHUNK_ROWS}"
        return list(self._read(statement, ()))

    @contextmanager
    def snapshot(self) -> Iterator[Position]:
        """A consistent view of the whole database, and the binary log's position at that moment.

        MariaDB reports the snapshot's own position. MySQL does not: there a global read lock covers
        the instant between the two statements. If the lock does not come quickly, it is given up.
        """
        run(self.connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        marked = _marked_by_mariadb(self.connection) if self.table.is_mariadb else None
        try:
            yield marked or _marked_under_lock(self.connection)
        finally:
            if self.connection.open:
                self.connection.rollback()

    def _with_locks_passed(self, statement: str, values: tuple[object, ...]) -> Iterator[TwoTexts]:
        """Read rows that the binary log has just reported.

        The server writes the log before others see the transaction, so a plain read may still get
        the old row, and nothing would ever report the new one again. The transaction locks its rows
        until others see it: a locking read cannot overtake it. The read does not wait for the lock
        (NOWAIT), so it can never be part of a deadlock with the shop; it tries again.
        """
        # MySQL says FOR SHARE OF since 8.0, where LOCK IN SHARE MODE takes no NOWAIT.
        lock = "LOCK IN SHARE MODE" if self.table.is_mariadb else "FOR SHARE OF o"
        locking = f"{statement} {lock} NOWAIT"
        deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
        while True:
            try:
                return iter(list(self._rows(locking, values)))
            except pymysql.err.MySQLError as error:
                if code_of(error) not in LOCKED or time.monotonic() > deadline:
                    raise
            time.sleep(LOCK_PAUSE_SECONDS)

    def _read(
        self, statement: str, values: tuple[object, ...], *, settled: bool = False
    ) -> Iterator[OldOrder]:
        read = self._with_locks_passed if settled else self._rows
        yield from self._orders(read(statement, values))

    def _rows(self, statement: str, values: tuple[object, ...]) -> Iterator[TwoTexts]:
        with self.connection.cursor(PayloadCursor) as cursor:
            cursor.execute(statement, values or None)
            payloads: Iterator[Any] = iter(cursor.read_next, None)
            yield from halves(payloads, len(self._own), len(self._of_lines))

    def _orders(self, rows: Iterator[TwoTexts]) -> Iterator[OldOrder]:
        alike = ((own, [line for _, line in same]) for own, same in groupby(rows, itemgetter(0)))
        for key, some in groupby(alike, lambda of_one: self.table.key(of_one[0][0])):
            found = list(some)
            own = [dict(zip(self._own, values, strict=True)) for values, _ in found]
            lines = [line for _, same in found for line in same]
            yield OldOrder(key, found[-1][0][0], own, lines)

    def _typed(self, key: str) -> object:
        """A number as a number: MySQL would not use its index for a text."""
        return int(key) if self.table.key_is_number else key


def _marked_by_mariadb(connection: Connection[Any]) -> Position | None:
    run(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    status = "SHOW STATUS LIKE 'binlog_snapshot_%'"
    found = {str(name): value for name, value in run(connection, status)}
    file, offset = found.get("Binlog_snapshot_file"), found.get("Binlog_snapshot_position")
    return Position(file, int(offset or 0)) if file else None


def _marked_under_lock(connection: Connection[Any]) -> Position:
    run(connection, f"SET SESSION lock_wait_timeout = {FLUSH_WAIT_SECONDS}")
    for attempt in range(1, FLUSH_TRIES_MAX + 1):
        try:
            run(connection, "FLUSH TABLES WITH READ LOCK")
            break
        except pymysql.err.OperationalError as error:
            if code_of(error) not in LOCKED or attempt == FLUSH_TRIES_MAX:
                raise
            time.sleep(attempt)
    try:
        run(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        return position_now(connection)
    finally:
        run(connection, "UNLOCK TABLES")


def position_now(connection: Connection[Any]) -> Position:
    try:
        found = run(connection, "SHOW MASTER STATUS")
    except pymysql.err.ProgrammingError:
        # Its name since MySQL 8.4.
        found = run(connection, "SHOW BINARY LOG STATUS")
    if not found:
        raise SpillwayError("The old database writes no binary log: switch it on with log_bin.")
    return Position(str(found[0][0]), int(found[0][1] or 0))


def quoted(name: str) -> str:
    return f"`{name}`"
