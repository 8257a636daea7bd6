"""Reads the old table, in chunks by its key or by single keys, and its binary log's position.

Every reader asks for the same columns and yields whole orders: all rows under one key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import pymysql
from pymysql.connections import Connection

from spillway.errors import SpillwayError
from spillway.migrate.config import Config, Customers
from spillway.migrate.old import expressions, mapping
from spillway.migrate.old.connection import AWAY, LOCKED, account_in_sql, code_of, quoted, run
from spillway.migrate.old.expressions import Described, kinds_of
from spillway.migrate.old.keys import BYTES, NO_NUMBER, Encoded, KeyColumn, Logged, key_column, name
from spillway.migrate.old.mapping import (
    Gone,
    Mapper,
    OldLine,
    OldOrder,
    Reading,
    Spellings,
    Subjects,
)
from spillway.migrate.old.payloads import PayloadCursor, Texts, TwoTexts, halves
from spillway.migrate.old.statements import Followed, Kind, kind_of, words_of
from spillway.migrate.old.views import View, read_view

#: Rows a query; they are streamed, never held together.
CHUNK_ROWS = 2_000
#: Keys a query, and so the rows that one locking read may hold for its instant.
KEYS_MAX = 100
#: Where the first event of a file of the binary log is, behind the four bytes of its kind.
LOG_BEGINS_AT = 4
#: How long the copy waits for transactions in two phases.
PREPARED_SECONDS_MAX = 60.0
PREPARED_PAUSE_SECONDS = 0.2
#: The pause before another try to read a row that a transaction has locked.
LOCK_PAUSE_SECONDS = 0.02
LOCK_WAIT_SECONDS_MAX = 300.0
#: Orders may be five minutes ahead of their reader's clock.
MAPPER_SECONDS_MAX = 60
#: Types of bytes, not text.
BINARY_TYPES = frozenset(
    ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry")
)
#: Beside a row's columns: equal for rows whose order numbers the database holds to be equal.
SAMENESS = "spillway_sameness"
#: And where in the index it is.
PLACE = "spillway_place"


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


#: By information_schema's names, what the log calls a column's type. Types that are not here are
#: not compared.
_LOGGED_TYPES: dict[str, tuple[int, ...]] = {
    "tinyint": (1,),
    "smallint": (2,),
    "int": (3,),
    "float": (4,),
    "double": (5,),
    "timestamp": (7, 17),
    "bigint": (8,),
    "mediumint": (9,),
    "date": (10, 14),
    "time": (11, 19),
    "datetime": (12, 18),
    "year": (13,),
    "varchar": (15,),
    "varbinary": (15,),
    "bit": (16,),
    "decimal": (246,),
    "enum": (247,),
    "set": (248,),
    **dict.fromkeys(("tinytext", "text", "mediumtext", "longtext"), (252,)),
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob"), (252,)),
    "char": (254,),
    "binary": (254,),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a row of the log has the order number, for servers whose log does not name columns."""

    types: tuple[str, ...]
    place: int
    unsigned: bool

    def fits(self, logged: Sequence[int]) -> bool:
        """As far as types tell, the log's columns are these. Behind the order number some may have
        come or gone."""
        known = zip(self.types, logged, strict=False)
        return self.place < len(logged) and all(
            number in _LOGGED_TYPES.get(kind, (number,)) for kind, number in known
        )


@dataclass(frozen=True, slots=True)
class WatchedTable:
    """A table whose changes the log reports, and its column with the order's number."""

    name: Followed
    key: KeyColumn
    layout: Layout


@dataclass(frozen=True, slots=True)
class Watched:
    """All of them, as they were at the position `at`: the old table, or those behind a view."""

    tables: tuple[WatchedTable, ...]
    at: Position

    def is_schema(self, name: str) -> bool:
        return any(one.name.is_schema(name) for one in self.tables)

    def is_table(self, name: str) -> bool:
        return any(one.name.is_table(name) for one in self.tables)

    def of(self, name: str) -> WatchedTable:
        return next(one for one in self.tables if one.name.is_table(name))

    def kind_of(self, statement: str, schema: str, sql_mode: int) -> Kind:
        """What a statement means for the table for which it means most."""
        kinds = {kind_of(statement, one.name, schema, sql_mode) for one in self.tables}
        worst: tuple[Kind, ...] = ("lost", "moved", "schema")
        return next((kind for kind in worst if kind in kinds), next(iter(kinds)))

    def __str__(self) -> str:
        return " and ".join(one.name.table for one in self.tables)


@dataclass(slots=True)
class Table:
    """What is known of the old table: its columns, as information_schema describes them."""

    kinds: dict[str, Described]
    #: Without its columns, the lines of an order are in no order of their own.
    primary: tuple[str, ...]
    key: KeyColumn
    #: The tables that the log reports, each with its column with the order's number: this table, or
    #: those behind this view.
    followed: dict[str, KeyColumn]
    view: View | None
    server: str
    is_mariadb: bool
    #: Of MySQL with its UUID, which no two servers share: a copied server has the same number.
    server_id: str

    @property
    def has_nowait(self) -> bool:
        """A locking read can leave a lock alone: since MySQL 8.0, and MariaDB 10.3."""
        major = self.server.partition(".")[0]
        return self.is_mariadb or not (major.isdigit() and int(major) < 8)

    @property
    def share_lock(self) -> str:
        if not self.has_nowait:
            return "LOCK IN SHARE MODE"
        # MySQL says FOR SHARE since 8.0, where LOCK IN SHARE MODE takes no NOWAIT.
        return "LOCK IN SHARE MODE NOWAIT" if self.is_mariadb else "FOR SHARE NOWAIT"

    @property
    def types(self) -> dict[str, str]:
        return {name: kind.type for name, kind in self.kinds.items()}

    @property
    def utc_columns(self) -> frozenset[str]:
        return frozenset(name for name, kind in self.kinds.items() if kind.type == "timestamp")


def describe(connection: Connection[Any], config: Config) -> Table:
    """SpillwayError: the table or a column that the configuration names does not exist, or can't be
    used as the configuration wants it."""
    kinds = kinds_of(connection, config.source.table)
    version, server_id = run(connection, "SELECT VERSION(), @@server_id")[0]
    uuids = [str(uuid) for _, uuid in run(connection, "SHOW VARIABLES LIKE 'server_uuid'")]
    _check(connection, config, {column: kind.type for column, kind in kinds.items()})
    if config.source.where is not None:
        _check_condition(connection, config)
    key = _key(connection, config.order.key, kinds[config.order.key])
    if config.back is not None and key.kind == "bytes":
        raise SpillwayError(
            f"`back` cannot make an order number of bytes, as {key.column} is: leave [back] out."
        )
    view = _view(connection, config)
    _check_times(connection, config, kinds, is_view=view is not None)
    followed = _behind(connection, config, view, key) if view else {config.source.table: key}
    return Table(
        kinds=kinds,
        primary=tuple(column for column, kind in kinds.items() if kind.is_primary),
        key=key,
        followed=followed,
        view=view,
        server=str(version),
        is_mariadb="mariadb" in str(version).lower(),
        server_id="/".join([str(server_id), *uuids]),
    )


def _key(connection: Connection[Any], column: str, kind: Described) -> KeyColumn:
    ignores_spaces = False
    if kind.collation is not None:
        texts = [
            f"CONVERT('{text}' USING {kind.charset}) COLLATE {kind.collation}"
            for text in ("a", "a ")
        ]
        ignores_spaces = run(connection, f"SELECT {' = '.join(texts)}")[0][0] == "1"
    return key_column(column, kind.type, kind.form, kind.charset, ignores_spaces=ignores_spaces)


def _view(connection: Connection[Any], config: Config) -> View | None:
    """None for a table."""
    source = config.source
    found = run(
        connection,
        "SELECT view_definition, DATABASE() FROM information_schema.views"
        " WHERE table_schema = DATABASE() AND table_name = %s",
        (source.table,),
    )
    if not found:
        if source.changes:
            raise SpillwayError(
                f"{source.table} is a table and no view: its changes are followed without"
                " source.changes, so leave that out."
            )
        return None
    if not source.changes:
        raise SpillwayError(
            f"{source.table} is a view, and the binary log reports only tables: name each table"
            " behind it with its column of the order's number, under [source.changes], as orders ="
            ' "id".'
        )
    definition, database = found[0]
    if not definition:
        raise SpillwayError(
            f"The old database does not show what the view {source.table} is made of: GRANT SHOW"
            f" VIEW ON {database}.{source.table} TO the user that reads."
        )
    return read_view(definition, str(database), config.order.key)


def _behind(
    connection: Connection[Any], config: Config, view: View, key: KeyColumn
) -> dict[str, KeyColumn]:
    """The tables behind the view. Each must spell an order's number as the view does."""
    followed = {}
    for table, column in config.source.changes.items():
        view.column_of(table, column)
        described = kinds_of(connection, table).get(column)
        if described is None:
            raise SpillwayError(f"source.changes: the table {table} shows no column {column}.")
        followed[table] = own = _key(connection, column, described)
        if replace(own, column=key.column) != key:
            raise SpillwayError(
                f"source.changes: {table}.{column} is {described.form}, and spells a number"
                f" otherwise than the view's {key.column}: both must have one type and collation."
            )
    return followed


def watched(connection: Connection[Any], config: Config) -> Watched:
    """The followed tables as they are now, and how far the log is at the same moment.

    A transaction that has read a table keeps its definition from being changed, and a statement
    that changes it writes the log before it lets go of it. So nothing between the description and
    the position can change the columns.
    """
    source = config.source
    run(connection, "START TRANSACTION")
    try:
        run(connection, f"SELECT 1 FROM {quoted(source.table)} LIMIT 0")  # noqa: S608 -- a name, quoted
        table = describe(connection, config)
        columns = {name: kinds_of(connection, name) for name in table.followed}
        wanted = [*_wanted(config), *(word.name for word in words_of(source.where or ""))]
        if table.view:
            # Its columns have other names in the tables behind it.
            wanted += table.view.names
        named = [name.lower() for name in wanted]
        mattering = {
            name: expressions.made_of(connection, name, kinds, named)
            for name, kinds in columns.items()
        }
        schema, folding = run(connection, "SELECT DATABASE(), @@lower_case_table_names")[0]
        at = position_now(connection)
    finally:
        connection.rollback()
    view, folds = source.table if table.view else "", folding != "0"
    tables = (
        WatchedTable(
            Followed(str(schema), name, mattering[name], folds, view),
            key,
            _layout(columns[name], key),
        )
        for name, key in table.followed.items()
    )
    return Watched(tuple(tables), at)


def _layout(columns: dict[str, Described], key: KeyColumn) -> Layout:
    full_type = columns[key.column].form
    return Layout(
        types=tuple(column.type for column in columns.values()),
        place=list(columns).index(key.column),
        unsigned="unsigned" in full_type or "zerofill" in full_type,
    )


def _wanted(config: Config) -> list[str]:
    """The columns that the configuration names."""
    return list(dict.fromkeys([*_columns_of_the_order(config), *mapping.line_columns(config)]))


def _check(connection: Connection[Any], config: Config, types: dict[str, str]) -> None:
    table = config.source.table
    wanted = _wanted(config)
    if not types:
        account, schema = run(connection, "SELECT CURRENT_USER(), DATABASE()")[0]
        raise SpillwayError(
            f"The old database shows no table {table}: fix source.table, or run GRANT SELECT ON"
            f" {quoted(str(schema))}.* TO {account_in_sql(str(account))};"
        )
    lacking = [name for name in wanted if name not in types]
    if lacking:
        raise SpillwayError(
            f"The table {table} has no column {', '.join(lacking)}: fix the configuration."
        )
    # JSON may be in a BLOB as well as in a TEXT: its reader notices what is no JSON.
    binary = [
        name
        for name in wanted
        if types[name] in BINARY_TYPES
        and name != config.lines.column
        and not (name == config.order.key and types[name] in BYTES)
    ]
    if binary:
        raise SpillwayError(
            f"The column {', '.join(binary)} of {table} holds bytes, not text: name another one,"
            " such as a generated column with its HEX()."
        )


def _check_condition(connection: Connection[Any], config: Config) -> None:
    source = config.source
    try:
        run(
            connection,
            f"SELECT 1 FROM {quoted(source.table)} o WHERE {source.condition} LIMIT 0",  # noqa: S608 -- the operator's own
        )
    except pymysql.err.MySQLError as error:
        if code_of(error) in AWAY:
            raise
        raise SpillwayError(
            f"The old database refuses the condition source.where ({error.args[-1]}): fix it."
        ) from error


def _check_times(
    connection: Connection[Any], config: Config, kinds: Mapping[str, Described], *, is_view: bool
) -> None:
    """SpillwayError: a column holds no exact time, or it shows a TIMESTAMP or FROM_UNIXTIME() as
    if it were a time of its own: what it says depends on the zone of whoever reads it."""
    source, fields = config.source, config.order
    for column in filter(None, (fields.created_at, fields.settled_at)):
        if kinds[column].type == "float":
            raise SpillwayError(
                f"The column {column} of {source.table} is a FLOAT, which holds no time to the"
                " minute: name another one."
            )
        if kinds[column].type == "timestamp" or not (is_view or "virtual" in kinds[column].extra):
            continue
        key, at, table = map(quoted, (fields.key, column, source.table))
        some = run(connection, f"SELECT {key} FROM {table} WHERE {at} IS NOT NULL LIMIT 1")  # noqa: S608 -- names, quoted
        query = f"SELECT {at} FROM {table} WHERE {key} = %s ORDER BY {at}"  # noqa: S608
        shown = []
        for zone in ("+12:00", "+00:00") if some else ():
            run(connection, "SET time_zone = %s", (zone,))
            shown.append(run(connection, query, some[0]))
        if shown[:1] != shown[1:]:
            raise SpillwayError(
                f"The column {column} of {source.table} says another time in a session with another"
                " time zone: name the TIMESTAMP, or the number, that it is made of."
            )


def _columns_of_the_order(config: Config) -> list[str]:
    """Those with mostly the same value on all lines of an order; the key comes first."""
    fields = config.order
    names = (fields.key, *mapping.own_columns(config), fields.created_at, fields.settled_at)
    return list(dict.fromkeys(name for name in names if name is not None))


def _of_the_customer(
    connection: Connection[Any], customers: Customers, kind: Described
) -> Iterator[tuple[str, str]]:
    """What another table says of an order's customer: a subject, and how many different ones."""
    if customers.table and customers.key and customers.subject:
        there = kinds_of(connection, customers.table)
        lacking = [name for name in (customers.key, customers.subject) if name not in there]
        if lacking:
            raise SpillwayError(
                f"The old database shows no column {', '.join(lacking)} of {customers.table}: fix"
                " [customers] or grant SELECT on it."
            )
        subject = f"c.{quoted(customers.subject)}"
        own, key = f"o.{quoted(customers.column)}", f"c.{quoted(customers.key)}"
        same = " AND ".join(expressions.same_customer(own, kind, key, there[customers.key]))
        rows = f"FROM {quoted(customers.table)} c WHERE {same}"
        yield mapping.SUBJECT_COLUMN, f"(SELECT MIN({subject}) {rows})"
        yield mapping.SUBJECTS_COLUMN, f"(SELECT COUNT(DISTINCT BINARY {subject}) {rows})"


def _of_the_status(
    connection: Connection[Any], config: Config, kinds: Mapping[str, Described]
) -> Iterator[tuple[str, str]]:
    """Which of the configuration's words the database holds equal to an order's status."""
    column = config.order.status.column
    if column is None or kinds[column].collation is None:
        return
    words = mapping.status_words(config)
    same = expressions.held_equal(connection, f"o.{quoted(column)}", kinds[column], words)
    yield mapping.STATUS_COLUMN, same


class OldTable:
    """Reads and maps orders through one connection, by the table's columns as they are now."""

    def __init__(
        self,
        connection: Connection[Any],
        config: Config,
        subjects: Subjects,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.connection, self.config = connection, config
        self.table = table = describe(connection, config)
        self._subjects, self._now = subjects, now
        self._mapper = self._mapper_of_now()
        self._own = _columns_of_the_order(config)
        self._of_lines = mapping.line_columns(config)
        self._key = f"o.{quoted(config.order.key)}"
        wanted = [
            expressions.every_digit(f"o.{quoted(column)}", table.kinds[column])
            for column in (*self._own, *self._of_lines)
        ]
        wanted[0] = table.key.shown(self._key)
        sameness = table.key.sameness(self._key)
        if sameness is not None:
            wanted.insert(len(self._own), sameness)
            self._own.append(SAMENESS)
        self._same = itemgetter(0 if sameness is None else len(self._own) - 1)
        exactness, place = table.key.exactness(self._key), table.key.place(self._key)
        if exactness is not None and place is not None:
            wanted[len(self._own) : len(self._own)] = [exactness, place]
            self._own += [mapping.EXACTNESS_COLUMN, PLACE]
        self._place = itemgetter(0 if place is None else len(self._own) - 1)
        self._by_place = place is not None
        # Not by a join: two rows of one customer would double the order's lines.
        customer = table.kinds[config.customers.column]
        for column, expression in (
            *_of_the_customer(connection, config.customers, customer),
            *_of_the_status(connection, config, table.kinds),
        ):
            wanted.insert(len(self._own), expression)
            self._own.append(column)
        self._rows_of = f"FROM {quoted(config.source.table)} o WHERE {config.source.condition}"
        self._select = f"SELECT {', '.join(wanted)} {self._rows_of}"
        self._lacking = table.key.is_lacking(self._key)
        # First the key, then the primary key, so that lines keep their order; see `_order`.
        columns = dict.fromkeys((config.order.key, *table.primary))
        self._by_key = "ORDER BY " + ", ".join(f"o.{quoted(column)}" for column in columns)

    def counted(self) -> tuple[int, int]:
        """How many rows there are, and how many of them are of orders."""
        wanted = f"COALESCE(SUM({self.config.source.condition} AND NOT {self._lacking}), 0)"
        statement = f"SELECT COUNT(*), {wanted} FROM {quoted(self.config.source.table)} o"  # noqa: S608 -- names, quoted
        there, of_orders = run(self.connection, statement)[0]
        return int(there or 0), int(of_orders or 0)

    @property
    def mapper(self) -> Mapper:
        """It takes no order of the future for true, and `follow` reads for weeks."""
        if self._now() - self._made_at > MAPPER_SECONDS_MAX:
            self._mapper = self._mapper_of_now()
        return self._mapper

    def _mapper_of_now(self) -> Mapper:
        self._made_at = self._now()
        now_ms = int(self._made_at * 1000)
        return Mapper(self.config, self._subjects, now_ms, self.table.utc_columns)

    def one_order(self) -> str | None:
        """The statement that reads one order, some that is there; None where there is none."""
        number = self._number_of_row(0, None)
        return f"{self._select} AND {self._key} = {self._literal(number)}" if number else None

    def after(self, last: str | None) -> Generator[OldOrder]:
        """Every order behind this key, read chunk by chunk. Rows without a number are none."""
        while True:
            bound = self._number_of_row(CHUNK_ROWS - 1, last)
            until = "" if bound is None else f" AND {self._key} <= {self._literal(bound)}"
            yield from self._read(
                f"{self._select} AND {self._behind(self._key, last)}{until} AND NOT {self._lacking}"
                f" {self._by_key}"
            )
            if bound is None:
                return
            last = bound

    def _number_of_row(self, place: int, last: str | None) -> str | None:
        """The number of the row at this place, counted from 0, behind `last`; None behind the end.

        All rows of the table count, or of the first one behind a view, also those that are no
        orders: a chunk is bounded by what the server has to look at, and not by what it finds. A
        number's rows are never cut in two.
        """
        table, key = next(iter(self.table.followed.items()))
        number = f"o.{quoted(key.column)}"
        found = run(
            self.connection,
            f"SELECT {key.place(number) or key.shown(number)} FROM {quoted(table)} o"  # noqa: S608 -- names, quoted
            f" WHERE {self._behind(number, last)} ORDER BY {number} LIMIT {place}, 1",
        )
        return found[0][0] if found else None

    def _behind(self, number: str, last: str | None) -> str:
        return f"{number} {'IS NOT NULL' if last is None else f'> {self._literal(last)}'}"

    def _literal(self, last: str) -> str:
        # A copy that an older version began noted the number itself.
        if self._by_place and last.startswith("0x"):
            return self.table.key.literal(last)
        if not self.table.key.may_be(last):
            raise SpillwayError(
                f"The copy has come to {last}, which {self.table.key.column} cannot be any more."
                " Its type was changed. Begin with an empty orders table, and without that state."
            )
        return str(self.connection.escape(self.table.key.value(last)))

    def of(self, numbers: Sequence[str], *, settled: bool = False) -> Iterator[OldOrder]:
        """The orders that exist now under these numbers, and under whatever the database holds to
        be the same number.

        `settled`: only what is committed and visible to all, see `_with_locks_passed`.
        """
        possible = [number for number in numbers if self.table.key.may_be(number)]
        at_once = len(possible) if self.table.has_nowait or not settled else 1
        for start in range(0, len(possible), max(1, at_once)):
            some = map(self.table.key.value, possible[start : start + at_once])
            asked = ", ".join(map(self.connection.escape, some))
            statement = f"{self._select} AND {self._key} IN ({asked}) {self._by_key}"
            yield from self._read(statement, settled=settled)

    def readings(self, names: Iterable[str], *, settled: bool = False) -> Iterator[list[Reading]]:
        """What the table says now of the orders of these names, some at a time.

        An order is `Gone` where nothing has its exact name any more. An order that is spelled in
        another way, and the same to the database, is read too: what changes under one of two
        spellings changes what the other is.
        """
        wanted = list(dict.fromkeys(names))
        for start in range(0, len(wanted), KEYS_MAX):
            some = wanted[start : start + KEYS_MAX]
            numbers = [one for one in some if one != NO_NUMBER]
            orders = list(self.of(numbers, settled=settled)) if numbers else []
            if NO_NUMBER in some:
                orders += self.without_number(settled=settled)
            keys = {order.key for order in orders}
            orders += self._shown_as([one for one in numbers if one not in keys])
            found: dict[str, Reading] = {order.key: self.mapper.order(order) for order in orders}
            yield [*found.values(), *(Gone(one) for one in some if one not in found)]

    def _shown_as(self, names: Sequence[str]) -> Iterator[OldOrder]:
        """Rows that are shown by these names, and not found by them: they can only be quarantined.
        It reads every number, for names that hardly any shop has."""
        shown = [self.connection.escape(one) for one in names if self.table.key.may_show(one)]
        if shown:
            number = f"BINARY CONVERT({self._key} USING utf8mb4)"
            wanted = ", ".join(f"BINARY {one}" for one in shown)
            yield from self._read(f"{self._select} AND {number} IN ({wanted}) {self._by_key}")

    def without_number(self, *, settled: bool = False) -> Iterator[OldOrder]:
        """A row without an order number, where there is one: they can only be quarantined, and one
        stands for all."""
        yield from self._read(f"{self._select} AND {self._lacking} LIMIT 1", settled=settled)

    def names(self, logged: Iterable[Logged]) -> list[str]:
        """The names of the orders that the log reports; the server reads its character sets."""
        wanted = list(logged)
        unread = [one for one in wanted if isinstance(one, Encoded)]
        read: dict[Logged, str] = {}
        for start in range(0, len(unread), KEYS_MAX):
            some = unread[start : start + KEYS_MAX]
            texts = (f"CONVERT({one.literal} USING utf8mb4)" for one in some)
            found = run(self.connection, f"SELECT {', '.join(texts)}")[0]
            read |= zip(some, map(name, found), strict=True)
        return [read[one] if isinstance(one, Encoded) else one for one in wanted]

    @contextmanager
    def snapshot(self, patience: float = PREPARED_SECONDS_MAX) -> Iterator[Position]:
        """A consistent view of the whole database, and a position in the binary log before it, from
        which it lacks nothing.

        The end of the log a moment earlier is no such position: a transaction is in the log before
        others see it, so the snapshot may lack one that the log has behind it. MariaDB reports what
        place a snapshot is of; that of an earlier snapshot is safe. And MySQL begins a new file of
        its log only when all transactions of the former ones are visible: a new one is begun, and
        its start is the position. Nothing is locked.

        A transaction that is prepared (XA) is in the log, and nothing tells its rows again when it
        is committed: those that were prepared before the position must have ended.
        """
        run(self.connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        begun = self._log_place()
        _await_prepared(self.connection, patience)
        run(self.connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        try:
            yield begun
        finally:
            if self.connection.open:
                self.connection.rollback()

    def _log_place(self) -> Position:
        """All transactions before it are visible."""
        if not self.table.is_mariadb:
            run(self.connection, "FLUSH BINARY LOGS")
            return Position(position_now(self.connection).file, LOG_BEGINS_AT)
        run(self.connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        status = run(self.connection, "SHOW STATUS LIKE 'binlog_snapshot_%'")
        self.connection.rollback()
        found = {str(name): value for name, value in status}
        file, offset = found.get("Binlog_snapshot_file"), found.get("Binlog_snapshot_position")
        if not file:
            raise SpillwayError("The old database writes no binary log: switch it on with log_bin.")
        return Position(file, int(offset or 0))

    def _with_locks_passed(self, statement: str) -> Iterator[TwoTexts]:
        """Read rows that the binary log has just reported.

        The server writes the log before others see the transaction, so a plain read may still get
        the old row, and nothing would ever report the new one again. The transaction locks its rows
        until others see it: a locking read cannot overtake it. The read does not wait for the lock
        (NOWAIT), so it can never be part of a deadlock with the shop; it tries again.

        MySQL before 8.0 knows no NOWAIT: there it waits for a second at most, and `of` reads one
        order at a time, so that it holds nothing else meanwhile. A transaction that writes two rows
        of that one order in another sequence can deadlock with it. InnoDB then ends the one that
        has changed less, which is the reading.
        """
        locking = f"{statement} {self.table.share_lock}"
        if not self.table.has_nowait:
            run(self.connection, "SET SESSION innodb_lock_wait_timeout = 1")
        deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
        while True:
            try:
                return iter(list(self._rows(locking)))
            except pymysql.err.MySQLError as error:
                if code_of(error) not in LOCKED or time.monotonic() > deadline:
                    raise
            time.sleep(LOCK_PAUSE_SECONDS)

    def _read(self, statement: str, *, settled: bool = False) -> Iterator[OldOrder]:
        read = self._with_locks_passed if settled else self._rows
        yield from chain.from_iterable(self._numbers(read(statement)))

    def _rows(self, statement: str) -> Iterator[TwoTexts]:
        with self.connection.cursor(PayloadCursor) as cursor:
            # Without values nothing is formatted: a % in a name or a condition stays one.
            cursor.execute(statement)
            payloads: Iterator[Any] = iter(cursor.read_next, None)
            yield from halves(payloads, len(self._own), len(self._of_lines))

    def _numbers(self, rows: Iterator[TwoTexts]) -> Iterator[list[OldOrder]]:
        """The orders under each number: one, or one for each of its spellings."""
        alike = ((own, [line for _, line in same]) for own, same in groupby(rows, itemgetter(0)))
        for _, some in groupby(alike, lambda of_one: self._same(of_one[0])):
            rows_of_number = list(some)
            spellings = dict.fromkeys(own[0] for own, _ in rows_of_number)
            yield [
                self._order(
                    [row for row in rows_of_number if row[0][0] == spelling], tuple(spellings)
                )
                for spelling in spellings
            ]

    def _order(self, rows: Sequence[tuple[Texts, list[OldLine]]], same: Spellings) -> OldOrder:
        number = rows[0][0][0]
        own = [dict(zip(self._own, values, strict=True)) for values, _ in rows]
        lines = [line for _, of_one in rows for line in of_one]
        if not self.table.primary:
            # The server may give them in another order each time.
            lines.sort(key=_sortable)
        return OldOrder(name(number), self._place(rows[0][0]), own, lines, same)


def _sortable(line: OldLine) -> tuple[str, ...]:
    return tuple(text or "" for text in line)


def _await_prepared(connection: Connection[Any], patience: float) -> None:
    """Wait until every transaction that is prepared now has ended, where the account sees them."""
    deadline = time.monotonic() + patience
    waited_for = _prepared(connection)
    while waited_for & _prepared(connection):
        if time.monotonic() > deadline:
            raise SpillwayError(
                f"{len(waited_for)} transactions of the old database are prepared and wait for"
                " their end (XA RECOVER lists them): the copy would miss their rows. XA COMMIT or"
                " XA ROLLBACK them, and run this again."
            )
        time.sleep(PREPARED_PAUSE_SECONDS)


def _prepared(connection: Connection[Any]) -> set[tuple[str | None, ...]]:
    try:
        return set(run(connection, "XA RECOVER"))
    except pymysql.err.MySQLError as error:
        if code_of(error) in AWAY:
            raise
        return set()


def position_now(connection: Connection[Any]) -> Position:
    try:
        found = run(connection, "SHOW MASTER STATUS")
    except pymysql.err.ProgrammingError:
        # Its name since MySQL 8.4.
        found = run(connection, "SHOW BINARY LOG STATUS")
    if not found:
        raise SpillwayError("The old database writes no binary log: switch it on with log_bin.")
    return Position(str(found[0][0]), int(found[0][1] or 0))
