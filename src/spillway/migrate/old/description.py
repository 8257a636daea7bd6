"""The old table as the server describes it, held against what the configuration wants of it.

Whatever a column cannot be used for is refused here, before a row is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pymysql
from pymysql.connections import Connection

from spillway.errors import SpillwayError
from spillway.migrate.config import Config
from spillway.migrate.old.connection import AWAY, account_in_sql, code_of, quoted, run
from spillway.migrate.old.keys import BYTES, KeyColumn, key_column
from spillway.migrate.old.views import View, read_view

#: Types of bytes, not text.
BINARY_TYPES = frozenset(
    ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry")
)


class Described(NamedTuple):
    """A column as information_schema describes it. `charset` and `collation` are None where it
    holds no text; `form` is its type with length and decimals."""

    type: str
    form: str = ""
    charset: str | None = None
    collation: str | None = None
    extra: str = ""
    is_primary: bool = False
    takes_null: bool = True

    @property
    def is_float(self) -> bool:
        """Of which the server shows six digits: 12345.67 as 12345.7. One with decimals of its own
        shows those."""
        return self.type == "float" and "(" not in self.form

    @property
    def is_generated(self) -> bool:
        return any(word in self.extra for word in ("virtual", "stored", "persistent"))


def kinds_of(connection: Connection[Any], table: str) -> dict[str, Described]:
    """By column, in the table's order."""
    rows = run(
        connection,
        "SELECT column_name, data_type, column_type, character_set_name, collation_name, extra,"
        " column_key, is_nullable"
        " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
        " ORDER BY ordinal_position",
        (table,),
    )
    return {
        str(column): Described(
            str(kind),
            str(form),
            charset,
            collation,
            str(extra or "").lower(),
            is_primary=key == "PRI",
            takes_null=nullable == "YES",
        )
        for column, kind, form, charset, collation, extra, key, nullable in rows
    }


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


def _check(connection: Connection[Any], config: Config, types: dict[str, str]) -> None:
    table = config.source.table
    wanted = config.column_names
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
