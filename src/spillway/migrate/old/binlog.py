"""The binary log, read for one thing: which orders have changed.

Only the key comes from a row event; the order itself is then read from the table (table.OldTable).
So an order is always read whole, however many rows and statements a transaction has. Nothing
depends on the schema under which the log was written. The same news twice, or late, writes the same
thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import pymysql
from pymysqlreplication import BinLogStreamReader, event, row_event
from pymysqlreplication.constants import NONE_SOURCE

from spillway.errors import SpillwayError
from spillway.migrate.config import Config
from spillway.migrate.old.connection import Account, code_of
from spillway.migrate.old.keys import KeyColumn, Logged
from spillway.migrate.old.table import Position, Table

HEARTBEAT_SECONDS = 1.0
#: The server sends a heartbeat each second: after this silence the connection is dead.
SILENCE_SECONDS_MAX = 30
#: MySQL's ER_MASTER_FATAL_ERROR_READING_BINLOG: the place is not in the log (any more).
LOG_UNREADABLE = 1236

_STATUS = (event.HeartbeatLogEvent, event.RotateEvent)
_COMMIT = (event.XidEvent, event.XAPrepareEvent)
_ROWS = (row_event.WriteRowsEvent, row_event.UpdateRowsEvent, row_event.DeleteRowsEvent)


class ConnectionLost(Exception):
    """Reading must continue from the last position at which a transaction ended."""


@dataclass(frozen=True, slots=True)
class News:
    """`keys` are the numbers of orders that changed. `position` is set where a transaction is
    complete: reading can continue there. `at` is the server's time of the change in seconds, 0 for
    a heartbeat."""

    keys: tuple[Logged, ...]
    position: Position | None
    at: int
    schema_changed: bool = False

    @property
    def idle(self) -> bool:
        return self.at == 0


def news(account: Account, config: Config, table: Table, start: Position) -> Iterator[News]:
    """Endless, with a heartbeat in each second without other news.

    Raises `ConnectionLost`, and SpillwayError when the log can't be followed any further.
    """
    stream = BinLogStreamReader(
        connection_settings={**account.settings(), "read_timeout": SILENCE_SECONDS_MAX},
        server_id=config.source.server_id,
        log_file=start.file,
        log_pos=start.offset,
        resume_stream=True,
        blocking=True,
        slave_heartbeat=HEARTBEAT_SECONDS,
        only_events=[*_STATUS, *_COMMIT, *_ROWS, event.QueryEvent],
        only_schemas=[account.database],
        only_tables=[config.source.table],
        # For MariaDB the library would ignore the position and start by GTID.
        is_mariadb=False,
        # Only the row's key is used: bytes in another column must not stop the reading.
        ignore_decode_errors=True,
        enable_logging=False,
        pymysql_wrapper=_connect_once(),
    )
    try:
        yield from _news(stream, account.database, config, table)
    except pymysql.err.MySQLError as error:
        if code_of(error) == LOG_UNREADABLE:
            raise SpillwayError(
                f"The old database has no binary log at {start} any more: it was purged, or this is"
                " another server. Run `spillway migrate copy --again`: nothing is lost."
            ) from error
        raise ConnectionLost(f"{code_of(error)}") from error
    except OSError as error:
        raise ConnectionLost(type(error).__name__) from error
    finally:
        stream.close()


def _connect_once() -> Any:
    """After a lost connection the reader library would continue at the same place. That may be in a
    transaction, behind the event that names the table: it would then skip the rows in silence. So
    it gets its two connections (log and schema) once, and no third."""
    made = count(1)

    def connect(**settings: Any) -> Any:
        if next(made) > 2:
            raise ConnectionLost("the server went away")
        return pymysql.connect(**settings)

    return connect


def _news(stream: Any, database: str, config: Config, table: Table) -> Iterator[News]:
    in_transaction = False
    for seen in stream:
        here = Position(stream.log_file, stream.log_pos)
        if isinstance(seen, _STATUS):
            yield News((), None if in_transaction else here, 0)
        elif isinstance(seen, _COMMIT):
            in_transaction = False
            yield News((), here, seen.timestamp)
        elif isinstance(seen, event.QueryEvent):
            statement = _decoded(seen.query)
            kind = kind_of(statement, config.source.table)
            if kind == "lost" and _decoded(seen.schema) == database:
                raise SpillwayError(
                    f"The binary log at {here} has a statement without its rows"
                    f" ({statement[:60]!r}): run `spillway migrate copy --again` to read the whole"
                    " table. Nothing is lost."
                )
            in_transaction = kind == "begin" or (in_transaction and kind == "inside")
            yield News((), None if in_transaction else here, seen.timestamp, kind == "schema")
        else:
            in_transaction = True
            yield News(tuple(_keys(seen, table.key)), None, seen.timestamp)


def _keys(rows_event: Any, key: KeyColumn) -> Iterator[Logged]:
    """Of both images of each row: an order may have changed its number."""
    charset = _left_undecoded(rows_event, key.column)
    for row in rows_event.rows:
        for image in ("", "before_", "after_"):
            values = row.get(f"{image}values")
            if values is None:
                continue
            if key.column not in values:
                raise SpillwayError(
                    "The binary log does not name its columns: SET GLOBAL binlog_row_metadata ="
                    " 'FULL', then run `spillway migrate copy --again`."
                )
            if row[f"{image}none_sources"].get(key.column) == NONE_SOURCE.COLS_BITMAP:
                raise SpillwayError(
                    f"The binary log has a change without its order number {key.column}: SET GLOBAL"
                    " binlog_row_image = 'FULL', reconnect the shop, then run `spillway migrate"
                    " copy --again`."
                )
            yield key.logged(values[key.column], charset)


def _left_undecoded(rows_event: Any, column: str) -> str:
    """Have the reader library leave this column's bytes as they are; returns their character set.

    It would decode them with Python's codecs, which are not MySQL's, and drop what does not fit.
    """
    charset = ""
    for place, one in enumerate(rows_event.columns):
        if one.name == column:
            # The name that MySQL has for it; the library's own is that of a Python codec.
            charset = (one.collation_name or "").partition("_")[0]
            # Of this event alone: the next one finds the column as it is.
            rows_event.columns = list(rows_event.columns)
            rows_event.columns[place] = as_bytes = copy(one)
            as_bytes.character_set_name = "binary"
    return charset


Kind = Literal["begin", "inside", "end", "schema", "lost", "other"]
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_WRITES = ("insert", "update", "delete", "replace", "load", "truncate", "drop table")
_SCHEMA = ("alter", "rename", "create")


def kind_of(statement: str, table: str) -> Kind:
    """What a statement in the log means for the followed table.

    lost    its rows changed, and the log does not say which
    schema  its columns may have changed
    """
    plain = " ".join(_COMMENT.sub(" ", statement).split())
    lower = plain.lower()
    if lower in ("begin", "start transaction") or lower.startswith("xa start"):
        return "begin"
    if lower.startswith(("savepoint", "rollback to")):
        return "inside"
    if lower in ("commit", "rollback") or lower.startswith("xa "):
        return "end"
    if not re.search(rf"(?<![\w$]){re.escape(table.lower())}(?![\w$])", lower):
        return "other"
    if lower.startswith(_WRITES):
        return "lost"
    return "schema" if lower.startswith(_SCHEMA) else "other"


def _decoded(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text
