"""Connections to the old database. Credentials come from the environment or an option file, and
appear nowhere else: not in arguments, errors or logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from ssl import SSLContext, SSLEOFError, SSLError, create_default_context
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pymysql
from pymysql.connections import Connection
from pymysql.converters import encoders, escape_string

from spillway.errors import SpillwayError, UsageError, why_not
from spillway.migrate.config import Source
from spillway.migrate.old.option_file import options

CONNECT_TIMEOUT_SECONDS = 10
#: A query that takes longer waits for a lock or has no index.
READ_TIMEOUT_SECONDS = 300

# Codes of MySQL's own errors, as in its manual ("Server Error Reference").
ACCESS_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1698})
NO_SUCH = frozenset({1049, 1054, 1146})
#: The server can't be reached, shuts down, is full, or cut the connection or what it was asked: it
#: comes back. MySQL 5.6 interrupts a statement (1317) when it shuts down.
AWAY = frozenset(
    {0, 1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1317, 1927}
    | {2002, 2003, 2006, 2013, 3032, 3169, 4031}
)
#: A lock is held: MariaDB and MySQL 5.7; MySQL 8 with NOWAIT; and a deadlock.
LOCKED = frozenset({1205, 3572, 1213})

_OTHER_PLUGIN = (
    "The account logs in in a way that this tool does not know ({reason}): give it a password that"
    " it does, with ALTER USER ... IDENTIFIED WITH caching_sha2_password BY '...' (before MySQL 8"
    " and on MariaDB: mysql_native_password)."
)
_EXPIRED = (
    "The password has expired ({reason}): choose another with ALTER USER ... IDENTIFIED BY '...',"
    " and put it where the configuration takes it from."
)
_LOCKED_ACCOUNT = "The account is locked ({reason}): ALTER USER ... ACCOUNT UNLOCK."
_NO_TLS = (
    "The old database speaks no TLS that is safe today ({reason}): connect through a tunnel (ssh -L"
    ' 3307:127.0.0.1:3306 SERVER) with source.tls = "off", or `init --no-tls`.'
)
_UNREACHED = (
    "The old database does not answer at {place} ({reason}): see that it runs, and that host and"
    " port are right."
)
#: What to do about an answer, by its code.
_SENTENCES = {
    1044: "The old database denies {user} the database ({reason}): grant SELECT on it.",
    1045: "The old database does not let {user} in ({reason}): see user and password.{hint}",
    1129: "The old database has blocked this machine ({reason}): run FLUSH HOSTS there.",
    1130: "The old database has no account for this machine ({reason}): create it for this one.",
    1153: "A row is larger than the old database sends ({reason}): raise max_allowed_packet there.",
    1251: _OTHER_PLUGIN,
    1524: _OTHER_PLUGIN,
    1698: _OTHER_PLUGIN,
    1820: _EXPIRED,
    1862: _EXPIRED,
    2002: _UNREACHED,
    2003: _UNREACHED,
    2026: _NO_TLS,
    2049: _OTHER_PLUGIN,
    2059: _OTHER_PLUGIN,
    3118: _LOCKED_ACCOUNT,
    3159: 'The old database takes no connection without TLS: leave out source.tls = "off".',
    4151: _LOCKED_ACCOUNT,
}
_DENIED = "The old database denies this ({reason}): docs/migration/grants.sql has what is needed."
_REQUIRES_TLS = (
    ' Or the account was made with REQUIRE SSL: it is refused without TLS (source.tls = "off", or'
    " a socket)."
)
#: OpenSSL's reasons that are a server's age, and not its certificate.
_OLD_TLS = frozenset(
    (
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "DH_KEY_TOO_SMALL",
    )
)


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

    @property
    def place(self) -> str:
        return self.unix_socket or f"{self.host}:{self.port}"

    def settings(self) -> dict[str, Any]:
        return {
            **vars(self),
            # PyMySQL would send a text as Latin-1; MySQL's own clients send UTF-8.
            "password": self.password.encode(),
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": READ_TIMEOUT_SECONDS,
            "ssl_disabled": self.ssl is None,
        }


def account(
    source: Source, environment: Mapping[str, str], url_variable: str | None = None
) -> Account:
    """UsageError: the variable is not set, or the file is missing or incomplete."""
    variable = url_variable or source.url_variable
    given = _from_url(variable, environment) if variable else _from_file(source.option_file or "")
    database = source.database or given.get("database", "")
    if not database:
        raise UsageError("No database is named: add it to the URL, or as source.database.")
    try:
        known = msgspec.convert({**given, "database": database}, Account, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(f"The connection to the old database is wrong: {error}.") from error
    if not 0 < known.port < 1 << 16:
        raise UsageError(f"The connection to the old database is wrong: no port is {known.port}.")
    # Nobody listens in on a socket, and a certificate has no name for it.
    return known if known.unix_socket else replace(known, ssl=_tls(source))


@contextmanager
def connected(account: Account, *, write: bool = False) -> Iterator[Connection[Any]]:
    """A read-only session (unless `write`), with times in UTC and values as texts, exactly as MySQL
    writes them.

    Texts, because a driver's conversions are one more place where a zero date or an amount could
    silently become something else. MySQL's errors leave the block as one sentence.
    """
    with (
        _translate_errors(account),
        closing(_connect(account)) as connection,
    ):
        # Some of the server's modes would spell a CHAR, or an empty text, in another way.
        # MySQL can hide the primary key that it made itself, and with it the order of the rows.
        run(
            connection,
            "SET /*!80030 show_gipk_in_create_table_and_information_schema = ON, */"
            " time_zone = '+00:00', sql_mode = '', NAMES utf8mb4",
        )
        run(connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        if not write:
            run(connection, "SET SESSION TRANSACTION READ ONLY")
        yield connection


def run(
    connection: Connection[Any], statement: str, values: tuple[object, ...] = ()
) -> list[tuple[str | None, ...]]:
    """The rows, each of texts in the order of the statement; None for NULL. Raises MySQLError."""
    with connection.cursor() as cursor:
        # Without values nothing is formatted: a % in a statement stays one.
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def quoted(name: str) -> str:
    """A name, for a statement."""
    return f"`{name.replace('`', '``')}`"


def account_in_sql(account: str) -> str:
    """An account as CURRENT_USER() has it, for a statement: 'spillway'@'%' of spillway@%."""
    user, _, host = account.rpartition("@")
    return "@".join(f"'{escape_string(part)}'" for part in (user, host))


def _connect(account: Account) -> Connection[Any]:
    try:
        return pymysql.connect(**account.settings(), conv=_TEXTS, autocommit=True)
    except RuntimeError as error:
        raise explained(error, account) from error


@contextmanager
def _translate_errors(account: Account) -> Iterator[None]:
    try:
        yield
    except pymysql.err.MySQLError as error:
        raise explained(error, account) from error


def explained(error: pymysql.err.MySQLError | RuntimeError, account: Account) -> SpillwayError:
    """One sentence. MySQL's own texts name users and hosts, never a password.

    PyMySQL ends with a RuntimeError where a plugin needs a library that is not installed.
    """
    if isinstance(error, RuntimeError):
        return SpillwayError(_OTHER_PLUGIN.format(reason=error))
    # What failed below it: of TLS, PyMySQL would say that the server cannot be reached.
    below = getattr(error, "original_exception", None)
    if isinstance(below, SSLError) and not isinstance(below, SSLEOFError):
        return _tls_refused(below, account)
    return _translated(error, account)


def code_of(error: pymysql.err.MySQLError) -> int:
    return int(error.args[0]) if error.args and isinstance(error.args[0], int) else 0


def _translated(error: pymysql.err.MySQLError, account: Account) -> SpillwayError:
    code = code_of(error)
    reason = str(error.args[1]) if len(error.args) > 1 else str(error)
    if code in NO_SUCH:
        return Missing(f"The old database does not have this ({reason}): fix the configuration.")
    kind = SourceAway if code in AWAY else SpillwayError
    sentence = _SENTENCES.get(code) or (_DENIED if code in ACCESS_DENIED else None)
    if sentence is None:
        return kind(
            f"The old database failed ({code}: {reason}): run the command again. It continues"
            " there."
        )
    hint = _REQUIRES_TLS if account.ssl is None else ""
    return kind(sentence.format(reason=reason, user=account.user, place=account.place, hint=hint))


def _tls_refused(error: SSLError, account: Account) -> SpillwayError:
    reason = getattr(error, "verify_message", "") or error.reason or str(error)
    if error.reason in _OLD_TLS:
        return SpillwayError(_NO_TLS.format(reason=reason))
    if "mismatch" in reason:
        return SpillwayError(
            f"The old database's certificate is for another name than {account.host} ({reason}):"
            ' connect by the name that it is for, or through a tunnel with source.tls = "off".'
        )
    return SpillwayError(
        f"The old database's certificate was refused ({reason}): name its authority's file with"
        " source.tls_ca (of Amazon RDS: global-bundle.pem)."
    )


def _from_url(variable: str, environment: Mapping[str, str]) -> dict[str, Any]:
    url = environment.get(variable, "").strip()
    if not url:
        raise UsageError(
            f"The environment variable {variable} is not set: put the old database's URL there."
        )
    # Never repeat the URL, or the error of a library: both have the password in them.
    wrong = UsageError(
        f"{variable} is not a URL such as mysql://user:password@host:3306/database: write"
        " characters of the password other than letters and digits percent-encoded (# as %23, / as"
        " %2F, ? as %3F, @ as %40, : as %3A, % as %25)."
    )
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query.replace("+", "%2B"), strict_parsing=bool(parts.query))
        given = {
            "user": _decoded(parts.username or ""),
            "password": _decoded(parts.password or ""),
            "host": parts.hostname,
            "port": parts.port,
            "database": _decoded(parts.path.removeprefix("/")),
            "unix_socket": dict(query).get("socket"),
        }
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("mysql", "mariadb") or not parts.username:
        raise wrong
    if parts.fragment or "/" in parts.path[1:] or any(char in url for char in "\t\r\n"):
        raise wrong
    if {name for name, _ in query} - {"socket"}:
        raise UsageError(f"{variable} has more behind its question mark than socket=/a/path.")
    return {name: value for name, value in given.items() if value}


def _decoded(text: str) -> str:
    return unquote(text, errors="strict")


def _from_file(path: str) -> dict[str, Any]:
    file = Path(path).expanduser()
    if not file.is_file():
        raise UsageError(f"There is no MySQL option file {file}.")
    values = options(file)
    if "user" not in values:
        raise UsageError(f"{file} has no user in a group [client]: add user and password there.")
    # As MySQL's clients do: a host's name other than this machine's is not asked by a socket.
    local = values.get("host", "localhost") == "localhost" and values.get("protocol") != "tcp"
    known = {name: values.get(name) for name in ("user", "password", "host", "port", "database")}
    known["unix_socket"] = values.get("socket") if local else None
    return {name: value for name, value in known.items() if value}


def _tls(source: Source) -> SSLContext | None:
    if source.tls == "off":
        return None
    try:
        return create_default_context(cafile=source.tls_ca)
    except OSError as error:
        raise UsageError(
            f"source.tls_ca {source.tls_ca} cannot be read: {why_not(error)}."
        ) from error
