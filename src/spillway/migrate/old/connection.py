"""Connections to the old database. Credentials come from the environment or an option file, and
appear nowhere else: not in arguments, errors or logs."""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from ssl import SSLContext, SSLError, create_default_context
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pymysql
from pymysql.connections import Connection
from pymysql.converters import encoders

from spillway.errors import SpillwayError, UsageError
from spillway.migrate.config import Source

CONNECT_TIMEOUT_SECONDS = 10
#: A query that takes longer waits for a lock or has no index.
READ_TIMEOUT_SECONDS = 300

# Codes of MySQL's own errors, as in its manual ("Server Error Reference").
ACCESS_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1698})
NO_SUCH = frozenset({1049, 1054, 1146})
#: The server can't be reached, shuts down, or cut the connection: it comes back.
AWAY = frozenset(
    {0, 1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013}
)
#: A lock is held: MariaDB and MySQL 5.7; MySQL 8 with NOWAIT; and a deadlock.
LOCKED = frozenset({1205, 3572, 1213})


#: Only how values are written: without decoders, what is read stays text.
_TEXTS: dict[Any, Any] = {**encoders}


class SourceAway(SpillwayError):
    """The old database does not answer now."""


class Missing(SpillwayError):
    """The old database has no such table or column."""


@dataclass(frozen=True)
class Account:
    """How to reach the old database, by PyMySQL's names. Its text does not show the password."""

    database: str
    user: str
    password: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 3306
    unix_socket: str | None = None
    ssl: SSLContext | None = None

    def settings(self) -> dict[str, Any]:
        return {
            **vars(self),
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": READ_TIMEOUT_SECONDS,
            "ssl_disabled": self.ssl is None,
        }


def account(
    source: Source, environment: Mapping[str, str], url_variable: str | None = None
) -> Account:
    """SpillwayError: the variable is not set, or the file is missing or incomplete."""
    variable = url_variable or source.url_variable
    given = _from_url(variable, environment) if variable else _from_file(source.option_file or "")
    database = source.database or given.get("database", "")
    if not database:
        raise UsageError("No database is named: add it to the URL, or as source.database.")
    try:
        known = msgspec.convert({**given, "database": database}, Account, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"The connection to the old database is wrong: {error}.") from error
    return replace(known, ssl=_tls(source))


@contextmanager
def connected(account: Account, *, write: bool = False) -> Iterator[Connection[Any]]:
    """A read-only session (unless `write`), with times in UTC and values as texts, exactly as MySQL
    writes them.

    Texts, because a driver's conversions are one more place where a zero date or an amount could
    silently become something else. MySQL's errors leave the block as one sentence.
    """
    with (
        _translate_errors(),
        closing(pymysql.connect(**account.settings(), conv=_TEXTS, autocommit=True)) as connection,
    ):
        # Some of the server's modes would spell a CHAR, or an empty text, in another way.
        run(connection, "SET time_zone = '+00:00', sql_mode = '', NAMES utf8mb4")
        run(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        if not write:
            run(connection, "SET SESSION TRANSACTION READ ONLY")
        yield connection


def run(
    connection: Connection[Any], statement: str, values: tuple[object, ...] = ()
) -> list[tuple[str | None, ...]]:
    with connection.cursor() as cursor:
        # Without values nothing is formatted: a % in a statement stays one.
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


@contextmanager
def _translate_errors() -> Iterator[None]:
    """MySQL's errors as one sentence. Their own texts name users and hosts, never a password."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        raise translated(error) from error
    except SSLError as error:
        raise SpillwayError(
            f"The old database's certificate was refused ({error.reason}): name its authority with"
            " source.tls_ca."
        ) from error


def code_of(error: pymysql.err.MySQLError) -> int:
    return int(error.args[0]) if error.args and isinstance(error.args[0], int) else 0


def translated(error: pymysql.err.MySQLError) -> SpillwayError:
    """One sentence with the next step."""
    code = code_of(error)
    reason = str(error.args[1]) if len(error.args) > 1 else str(error)
    if code in ACCESS_DENIED:
        return SpillwayError(
            f"The old database denies this ({reason}): `spillway migrate check` lists the grants."
        )
    if code in NO_SUCH:
        return Missing(f"The old database does not have this ({reason}): fix the configuration.")
    kind = SourceAway if code in AWAY else SpillwayError
    return kind(
        f"The old database failed ({code}: {reason}): run the command again. It continues there."
    )


def _from_url(variable: str, environment: Mapping[str, str]) -> dict[str, Any]:
    url = environment.get(variable, "")
    if not url:
        raise UsageError(f"The environment variable {variable} is not set.")
    # Never repeat the URL: it contains the password.
    wrong = UsageError(f"{variable} is not a URL such as mysql://user:password@host:3306/database.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise wrong from error
    if parts.scheme not in ("mysql", "mariadb") or not parts.username:
        raise wrong
    given = {
        "user": unquote(parts.username),
        "password": unquote(parts.password or ""),
        "host": parts.hostname,
        "port": port,
        "database": unquote(parts.path.lstrip("/")),
        "unix_socket": dict(parse_qsl(parts.query)).get("socket"),
    }
    return {name: value for name, value in given.items() if value}


def _from_file(path: str) -> dict[str, Any]:
    file = Path(path).expanduser()
    if not file.is_file():
        raise UsageError(f"There is no MySQL option file {file}.")
    parser = configparser.ConfigParser(allow_no_value=True, interpolation=None, strict=False)
    try:
        parser.read(file, encoding="utf-8")
    except configparser.Error as error:
        raise UsageError(f"{file} is not a MySQL option file.") from error
    client = dict(parser["client"]) if parser.has_section("client") else {}
    if "user" not in client:
        raise UsageError(f"{file} has no user in a group [client].")
    values = {name: (value or "").strip("\"'") for name, value in client.items()}
    return {**values, "unix_socket": values.get("socket")}


def _tls(source: Source) -> SSLContext | None:
    if source.tls == "off":
        return None
    try:
        return create_default_context(cafile=source.tls_ca)
    except OSError as error:
        raise UsageError(f"source.tls_ca {source.tls_ca} cannot be read.") from error
