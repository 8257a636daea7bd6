"""What keeps others from writing to the old table, as far as these rights can see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection

from spillway.migrate.old.connection import ACCESS_DENIED, LOCKED, NO_SUCH, code_of, quoted, run

LOCK_WAIT_SECONDS = 1
_RIGHTS_OF = "SELECT grantee FROM information_schema"
_WRITES = "privilege_type IN ('INSERT', 'UPDATE', 'DELETE')"
#: They may write although read_only is on.
_IS_EXEMPT = "privilege_type IN ('SUPER', 'READ_ONLY ADMIN', 'CONNECTION_ADMIN')"


@dataclass(frozen=True, slots=True)
class Guard:
    """`closed`: the server itself lets no account write."""

    closed: bool
    detail: str


def guard(connection: Connection[Any], tables: Sequence[str]) -> Guard:
    """By the server's settings, and its accounts where this one may read them."""
    settings = {
        str(name): str(value).upper() not in ("OFF", "0")
        for name, value in run(connection, "SHOW GLOBAL VARIABLES LIKE '%read_only'")
    }
    for closing in ("super_read_only", "innodb_read_only"):
        if settings.get(closing):
            return Guard(True, f"{closing} is on: no account can write")
    accounts = _writers(connection, tables, read_only=settings.get("read_only", False))
    if not settings.get("read_only"):
        may = "which accounts may write, this one cannot see" if accounts is None else ""
        return Guard(False, f"read_only is off; {may or _may_write(accounts or [])}")
    if accounts is None:
        return Guard(
            False,
            "read_only is on, but not for accounts with SUPER, READ_ONLY ADMIN or CONNECTION_ADMIN,"
            " which this one cannot see",
        )
    return Guard(not accounts, f"read_only is on; {_may_write(accounts)}")


def changes_under_way(connection: Connection[Any], table: str) -> bool:
    """Whether a transaction has changed the table and is still open: it could commit after all
    else was looked at.

    For an instant the table is locked against writing, which waits for such transactions. MySQL
    5.6 does not wait, and without the right LOCK TABLES it cannot be asked: then False.
    """
    run(connection, f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}")
    try:
        run(connection, f"LOCK TABLES {quoted(table)} READ")
        run(connection, "UNLOCK TABLES")
    except pymysql.err.MySQLError as error:
        if code_of(error) not in ACCESS_DENIED | LOCKED:
            raise
        return code_of(error) in LOCKED
    return False


def _may_write(accounts: list[str]) -> str:
    return f"{', '.join(accounts)} may write" if accounts else "no account may write"


def _writers(
    connection: Connection[Any], tables: Sequence[str], *, read_only: bool
) -> list[str] | None:
    """Accounts whose rights let them write. None where this one sees no rights but its own."""
    try:
        run(connection, "SELECT 1 FROM mysql.user LIMIT 1")
    except pymysql.err.MySQLError as error:
        if code_of(error) not in ACCESS_DENIED | NO_SUCH:
            raise
        return None
    if read_only:
        return _grantees(connection, f"{_RIGHTS_OF}.user_privileges WHERE {_IS_EXEMPT}")
    everywhere = f"{_RIGHTS_OF}.user_privileges WHERE {_WRITES}"
    here = f"{_RIGHTS_OF}.schema_privileges WHERE {_WRITES} AND DATABASE() LIKE table_schema"
    to_it = f"{_RIGHTS_OF}.table_privileges WHERE {_WRITES} AND table_schema = DATABASE()"
    marks = ", ".join(["%s"] * len(tables))
    to_them = f"{to_it} AND table_name IN ({marks})"
    return _grantees(connection, f"{everywhere} UNION {here} UNION {to_them}", *tables)


def _grantees(connection: Connection[Any], statement: str, *values: str) -> list[str]:
    return sorted({str(row[0]) for row in run(connection, statement, values)})
