"""The old table, read: in chunks by its key, by single keys, and where its binary log stands.

Every reader asks for the same columns and hands out whole orders: all rows under one key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import pymysql
from pymysql.connections import Connection

from spillway.errors import SpillwayError
from spillway.migrate.config import Config
from spillway.migrate.connection import LOCKED, code_of, run, translate_mysql_errors
from spillway.migrate.mapping import SUBJECT_COLUMN, OldOrder, line_columns, own_columns
from spillway.migrate.payloads import PayloadCursor, Texts, halves
from spillway.migrate.values import folded

#: Rows a query; a chunk's rows are streamed, never held together.
CHUNK_ROWS = 2_000
#: Keys a query, and so the rows that one locking read may hold for its instant.
KEYS_MAX = 100
#: How long a flush may wait for the statements under way, while new writes wait for it.
FLUSH_WAIT_SECONDS = 2
FLUSH_TRIES_MAX = 30
#: A row that another transaction holds is asked for again so often.
LOCK_PAUSE_SECONDS = 0.02
LOCK_WAIT_SECONDS_MAX = 300.0
#: What these hold is bytes, not text.
BINARY_TYPES = frozenset(
    ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry")
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the binary log, whose files are numbered."""

    file: str
    offset: int

    def reached(self, goal: Position) -> bool:
        return self._order() >= goal._order()

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
    """SpillwayError: the table or a column that the configuration names is not there."""
    with translate_mysql_errors():
        columns = run(
            connection,
            "SELECT column_name, data_type, character_set_name, column_key, collation_name"
            " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
            " ORDER BY ordinal_position",
            (config.source.table,),
        )
        version, server_id = run(connection, "SELECT VERSION(), @@server_id")[0]
    if not columns:
        raise SpillwayError(
            f"The old database shows no table {config.source.table}: fix source.table or grant"
            " SELECT on it."
        )
    types = {str(name): str(kind) for name, kind, *_ in columns}
    lacking = [name for name in columns_of(config) if name not in types]
    if lacking:
        raise SpillwayError(
            f"The table {config.source.table} has no column {', '.join(lacking)}: fix the"
            " configuration."
        )
    # JSON in a BLOB is as good as in a TEXT: its reader says what is no JSON.
    binary = [
        name
        for name in columns_of(config)
        if types[name] in BINARY_TYPES and name != config.lines.column
    ]
    if binary:
        raise SpillwayError(
            f"The column {', '.join(binary)} of {config.source.table} holds bytes, not text: name"
            " another one, such as a generated column with its HEX()."
        )
    return Table(
        types=types,
        charsets={str(name): charset for name, _, charset, *_ in columns},
        primary=tuple(str(name) for name, _, _, key, _ in columns if key == "PRI"),
        key_is_number=types[config.order.key].endswith("int"),
        key_is_folded=any(
            name == config.order.key and str(collation).endswith("_ci")
            for name, *_, collation in columns
        ),
        server=str(version),
        is_mariadb="mariadb" in str(version).lower(),
        server_id=str(server_id),
    )


def columns_of(config: Config) -> list[str]:
    """Every column of the table that is read, each once."""
    return list(dict.fromkeys([*_columns_of_the_order(config), *line_columns(config)]))


def _columns_of_the_order(config: Config) -> list[str]:
    """Those whose values an order's lines mostly share; the key is the first."""
    fields = config.order
    names = [fields.key, *own_columns(config), fields.created_at, fields.settled_at]
    return list(dict.fromkeys(name for name in names if name is not None))


@dataclass(slots=True)
class Reader:
    """Reads orders through one connection."""

    connection: Connection[Any]
    config: Config
    table: Table
    _own: list[str] = field(init=False)
    _of_lines: list[str] = field(init=False)
    _select: str = field(init=False)

    def __post_init__(self) -> None:
        self._own = _columns_of_the_order(self.config)
        self._of_lines = line_columns(self.config)
        own = [f"o.{quoted(name)}" for name in self._own]
        customers = self.config.customers
        joined = ""
        if customers.table and customers.key and customers.subject:
            self._own.append(SUBJECT_COLUMN)
            own.append(f"c.{quoted(customers.subject)}")
            joined = (
                f" LEFT JOIN {quoted(customers.table)} c"
                f" ON c.{quoted(customers.key)} = o.{quoted(customers.column)}"
            )
        wanted = [*own, *(f"o.{quoted(name)}" for name in self._of_lines)]
        self._select = (
            f"SELECT {', '.join(wanted)} FROM {quoted(self.config.source.table)} o{joined}"  # noqa: S608 -- names, quoted
        )

    def after(self, last: str | None) -> Iterator[OldOrder]:
        """Orders by key from there on, one chunk's worth; none at the end.

        An order that the chunk cuts in two is read again whole with the next one, unless it alone
        fills the chunk: then all of it is read here.
        """
        key = quoted(self.config.order.key)
        where = f"o.{key} IS NOT NULL" if last is None else f"o.{key} > %s"
        statement = f"{self._select} WHERE {where} ORDER BY {self._by()} LIMIT {CHUNK_ROWS}"
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
        """The orders under these keys that are there now.

        `settled`: only what is committed and seen by everybody, see `_with_locks_passed`.
        """
        key = quoted(self.config.order.key)
        marks = ", ".join(["%s"] * len(keys))
        statement = f"{self._select} WHERE o.{key} IN ({marks}) ORDER BY {self._by()}"
        values = tuple(self._typed(one) for one in keys)
        if settled:
            with translate_mysql_errors():
                rows = self._with_locks_passed(statement, values)
            yield from self._orders(iter(rows))
        else:
            yield from self._read(statement, values)

    def without_key(self) -> OldOrder | None:
        """The rows that have no order number, as one: they can be nothing but quarantined."""
        key = quoted(self.config.order.key)
        statement = f"{self._select} WHERE o.{key} IS NULL LIMIT {CHUNK_ROWS}"
        return next(self._read(statement, ()), None)

    def _with_locks_passed(
        self, statement: str, values: tuple[object, ...]
    ) -> list[tuple[Texts, Texts]]:
        """Read rows that the binary log has just reported.

        The log is written before the transaction is visible to others, so a plain read may still
        see the old row, and nothing would ever report the new one again. The transaction holds its
        rows' locks until it is visible: a locking read cannot pass it. It does not wait for the
        lock either (NOWAIT), so it can never be part of a deadlock with the shop; it asks again.
        """
        locking = f"{statement} {self._lock()}"
        deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
        while True:
            try:
                return list(self._rows(locking, values))
            except pymysql.err.MySQLError as error:
                if code_of(error) not in LOCKED or time.monotonic() > deadline:
                    raise
            time.sleep(LOCK_PAUSE_SECONDS)

    def _lock(self) -> str:
        # MySQL says FOR SHARE OF since 8.0, where LOCK IN SHARE MODE takes no NOWAIT.
        return "LOCK IN SHARE MODE NOWAIT" if self.table.is_mariadb else "FOR SHARE OF o NOWAIT"

    def _by(self) -> str:
        """By key, and within it by the primary key, so that lines keep their order."""
        names = [self.config.order.key, *self.table.primary]
        return ", ".join(f"o.{quoted(name)}" for name in dict.fromkeys(names))

    def _read(self, statement: str, values: tuple[object, ...]) -> Iterator[OldOrder]:
        with translate_mysql_errors():
            yield from self._orders(self._rows(statement, values))

    def _rows(self, statement: str, values: tuple[object, ...]) -> Iterator[tuple[Texts, Texts]]:
        """What each row says of its order, and of its line; never held together."""
        with self.connection.cursor(PayloadCursor) as cursor:
            cursor.execute(statement, values or None)
            payloads: Iterator[Any] = iter(cursor.read_next, None)
            yield from halves(payloads, len(self._own), len(self._of_lines))

    def _orders(self, rows: Iterator[tuple[Texts, Texts]]) -> Iterator[OldOrder]:
        """By key, however its spellings differ."""
        alike = ((own, [line for _, line in same]) for own, same in groupby(rows, itemgetter(0)))
        for key, some in groupby(alike, lambda of_one: self.table.key(of_one[0][0])):
            found = list(some)
            own = [dict(zip(self._own, values, strict=True)) for values, _ in found]
            lines = [line for _, same in found for line in same]
            yield OldOrder(key, found[-1][0][0], own, lines)

    def _typed(self, key: str) -> object:
        """A number as one: compared as a text, MySQL would not use its index."""
        return int(key) if self.table.key_is_number else key


@contextmanager
def snapshot(connection: Connection[Any], table: Table) -> Iterator[Position]:
    """A consistent view of the whole database, and where the binary log stands at that moment.

    MariaDB tells the snapshot's own position. MySQL does not: there a global read lock is held for
    the instant between the two statements, and given up at once where it can't be had quickly.
    """
    with translate_mysql_errors():
        run(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        position = _marked_by_mariadb(connection) if table.is_mariadb else None
        position = position or _marked_under_lock(connection)
    try:
        yield position
    finally:
        if connection.open:
            connection.rollback()


def _marked_by_mariadb(connection: Connection[Any]) -> Position | None:
    run(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    found = {row[0]: row[1] for row in run(connection, "SHOW STATUS LIKE 'binlog_snapshot_%'")}
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
    """The end of the binary log."""
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
