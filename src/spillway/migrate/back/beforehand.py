"""What must be so before `back` writes its first order: found by `check` and at its start, not by
the hundredth order. Every finding is a sentence that says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.connections import Connection

from spillway.migrate.config import Back, Config
from spillway.migrate.old.connection import ACCESS_DENIED, account_in_sql, code_of, quoted, run
from spillway.migrate.old.description import Described, Table
from spillway.migrate.old.keys import INTEGERS
from spillway.migrate.old.statements import words_of

#: An order's id, written as an order number.
ORDER_ID_LENGTH = 36
#: The server is read-only: so is the transaction, super_read_only, innodb_read_only.
READ_ONLY = frozenset({1290, 1792, 1836})
NO_DEFAULT = 1364
NO_SUCH_TABLE = 1146

#: Every order has them: where no column has one, no order could come back whole.
_OF_EVERY_ORDER = ("payment_reference", "address.name", "address.lines", "address.city")


def hindrances(
    connection: Connection[Any], config: Config, back: Back, table: Table
) -> Iterator[str]:
    """The connection is that of the user who writes. It is left as it is found."""
    yield from _fields_without_a_column(config, back)
    if config.source.where is not None and _is_hidden(connection, config, back, table):
        yield (
            f"source.where ({config.source.where}) takes every order that `back` writes for none:"
            " name what it asks for in [back.columns]"
        )
    # The first of these explains the others.
    unable = [_without_transactions(connection, config), *_numbers(connection, config, back, table)]
    yield from list(filter(None, unable))[:1] or _refused(connection, config, back)


def why_refused(
    connection: Connection[Any], error: pymysql.err.MySQLError, rights: str, table: str
) -> str:
    """What to do so that this user may do it. `table` is quoted."""
    code, text = code_of(error), str(error.args[-1])
    if code in READ_ONLY:
        return (
            f"the old server is read-only for this user too ({text}): `back` must write. Revoke the"
            " shop's rights on the table instead"
        )
    if code == NO_DEFAULT:
        return f"{text} in {table}: give it one, or name it in [back.columns]"
    if code not in ACCESS_DENIED:
        return f"{table} cannot be written ({text})"
    ((database, user),) = run(connection, "SELECT DATABASE(), CURRENT_USER()")
    return f"run GRANT {rights} ON {quoted(str(database))}.{table} TO {account_in_sql(str(user))}"


def _fields_without_a_column(config: Config, back: Back) -> Iterator[str]:
    named = {place.removeprefix("order.") for place, _ in config.columns}
    lacking = [
        name
        for name in _OF_EVERY_ORDER
        if name not in named and not {name, name.partition(".")[0]} & set(back.may_lose)
    ]
    if lacking:
        yield (
            f"no column has {', '.join(lacking)}: map columns, or say that they are lost on the way"
            f" back with back.may_lose = {json.dumps(lacking)}"
        )


def _is_hidden(connection: Connection[Any], config: Config, back: Back, table: Table) -> bool:
    """By the columns that are alike in every order that `back` writes: fixed ones and defaults. No
    where the condition asks for others too, and where it cannot be told without writing."""
    named = {word.name.lower() for word in words_of(config.source.where or "")}
    asked = [column for column in table.types if column.lower() in named]
    if set(config.column_names) & set(asked):
        return False
    row = ", ".join(
        f"{connection.escape(back.columns[column])} AS {quoted(column)}"
        if column in back.columns
        else f"DEFAULT({quoted(column)}) AS {quoted(column)}"
        for column in asked
    )
    made = f"(SELECT {row or '1'} FROM {quoted(config.source.table)} LIMIT 1)"  # noqa: S608 -- names, quoted
    try:
        found = run(connection, f"SELECT {config.source.condition} FROM {made} o")  # noqa: S608 -- the operator's own
    except pymysql.err.MySQLError:
        return False
    return bool(found) and found[0][0] != "1"


def _without_transactions(connection: Connection[Any], config: Config) -> str | None:
    table = config.source.table
    found = run(
        connection,
        "SELECT t.table_type, t.engine, e.transactions FROM information_schema.tables t"
        " LEFT JOIN information_schema.engines e ON e.engine = t.engine"
        " WHERE t.table_schema = DATABASE() AND t.table_name = %s",
        (table,),
    )
    kind, engine, transactions = found[0] if found else (None, None, None)
    if kind == "VIEW":
        return f"{table} is a view: `back` writes into one table"
    if transactions != "YES":
        return (
            f"{table} is {engine}, which has no transactions, so a crash could write an order"
            f" twice: ALTER TABLE {quoted(table)} ENGINE = InnoDB"
        )
    return None


def _written_columns(config: Config, back: Back) -> list[str]:
    columns = dict.fromkeys((*config.column_names, *back.columns))
    if back.key == "auto_increment":
        del columns[config.order.key]
    return list(columns)


def _refused(connection: Connection[Any], config: Config, back: Back) -> Iterator[str]:
    """Tries statements that change nothing, each with the right that it needs."""
    table = quoted(config.source.table)
    written = ", ".join(map(quoted, _written_columns(config, back)))
    tried = [("INSERT", table, f"INSERT INTO {table} ({written}) SELECT {written} FROM {table}")]  # noqa: S608 -- names, quoted
    changed = [config.order.status.column, config.order.settled_at]
    values = [f"{quoted(column)} = {quoted(column)}" for column in changed if column]
    if values:
        tried.append(("UPDATE", table, f"UPDATE {table} SET {', '.join(values)}"))  # noqa: S608 -- names, quoted
    customers = config.customers
    if customers.table and customers.key and customers.subject:
        other = quoted(customers.table)
        columns = f"{quoted(customers.key)}, {quoted(customers.subject)}"
        tried.append(("SELECT", other, f"SELECT {columns} FROM {other}"))  # noqa: S608 -- names, quoted
    for right, where, statement in tried:
        try:
            run(connection, f"{statement} WHERE FALSE")
        except pymysql.err.MySQLError as error:
            yield why_refused(connection, error, right, where)


def _numbers(
    connection: Connection[Any], config: Config, back: Back, table: Table
) -> Iterator[str]:
    """Can the numbers that `back` gives be in the column, and are they free?"""
    key = config.order.key
    kind = table.kinds[key]
    is_text, first = table.key.kind == "text", back.first_key or 0
    needed = ORDER_ID_LENGTH if back.key == "order_id" else len(str(first))
    length = re.search(r"\d+", kind.form)
    # A text without a length, such as TEXT, holds any number.
    is_short = length is not None and needed > int(length[0])
    if back.key == "auto_increment":
        if "auto_increment" not in kind.extra:
            yield f'back.key: {key} is not AUTO_INCREMENT: choose "numbered" or "order_id"'
    elif (is_text and is_short) or (not is_text and back.key == "order_id"):
        yield f'back.key: {key} ({kind.form}) cannot hold the numbers of "{back.key}"'
    elif not is_text and first > _largest(kind):
        yield f"back.first_key: {first} does not fit {key} ({kind.form})"
    elif not is_text:
        yield from _numbers_in_use(connection, config, first)


def _numbers_in_use(connection: Connection[Any], config: Config, first: int) -> Iterator[str]:
    table = config.source.table
    ((last,),) = run(connection, f"SELECT MAX({quoted(config.order.key)}) FROM {quoted(table)}")  # noqa: S608 -- names, quoted
    if last is None or int(last.partition(".")[0]) < first:
        return
    try:
        mine = run(connection, "SELECT 1 FROM spillway_back WHERE old_key = %s LIMIT 1", (last,))
    except pymysql.err.MySQLError as error:
        if code_of(error) != NO_SUCH_TABLE:
            raise
        mine = []  # `back` has not made it yet.
    if not mine:
        yield f"back.first_key: {table} has orders up to {last}: begin behind them"


def _largest(kind: Described) -> float:
    """Of whole numbers. A DECIMAL's own error says enough."""
    bits = INTEGERS.get(kind.type, 0) * 8
    return 2 ** (bits if "unsigned" in kind.form else bits - 1) - 1 if bits else float("inf")
