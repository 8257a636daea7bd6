"""The tables whose changes the binary log reports: how statements name them, and where a row has
the order's number."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from spillway.migrate.config import Config
from spillway.migrate.old.connection import quoted, run
from spillway.migrate.old.description import Described, describe, kinds_of
from spillway.migrate.old.keys import KeyColumn
from spillway.migrate.old.position import Position, position_now
from spillway.migrate.old.statements import FollowedTable, Kind, kind_of, words_of

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

    name: FollowedTable
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
        wanted = [*config.column_names, *(word.name for word in words_of(source.where or ""))]
        if table.view:
            # Its columns have other names in the tables behind it.
            wanted += table.view.names
        named = [name.lower() for name in wanted]
        mattering = {
            name: _made_of(connection, name, kinds, named) for name, kinds in columns.items()
        }
        schema, folding = run(connection, "SELECT DATABASE(), @@lower_case_table_names")[0]
        at = position_now(connection)
    finally:
        connection.rollback()
    view, folds = source.table if table.view else "", folding != "0"
    tables = (
        WatchedTable(
            FollowedTable(str(schema), name, mattering[name], folds, view),
            key,
            _layout(columns[name], key),
        )
        for name, key in table.followed.items()
    )
    return Watched(tuple(tables), at)


def _made_of(
    connection: Connection[Any], table: str, kinds: Mapping[str, Described], names: Collection[str]
) -> frozenset[str]:
    """These columns, in lower case, with all that those of them that are generated are made of."""
    found = frozenset(names)
    if not any(kind.is_generated for kind in kinds.values()):
        # A server that generates none has no expressions either.
        return found
    expressions = run(
        connection,
        "SELECT column_name, generation_expression FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s",
        (table,),
    )
    within = {
        str(column).lower(): {word.name.lower() for word in words_of(expression or "")}
        for column, expression in expressions
    }
    # One generated column may be made of another.
    while more := {name for one in found for name in within.get(one, ())} - found:
        found |= more
    return found


def _layout(columns: dict[str, Described], key: KeyColumn) -> Layout:
    full_type = columns[key.column].form
    return Layout(
        types=tuple(column.type for column in columns.values()),
        place=list(columns).index(key.column),
        unsigned="unsigned" in full_type or "zerofill" in full_type,
    )
