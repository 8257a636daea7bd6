"""The binary log, read as the news of which orders have changed, and of nothing else.

Only the key is taken from a row event; the order itself is then read from the table
(source.Reader). So an order is always read whole, however many rows and statements a transaction
spreads over; what a column means is never guessed from a log that was written under another schema;
and seeing the same news twice, or late, writes the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pymysql
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import (
    HeartbeatLogEvent,
    QueryEvent,
    RotateEvent,
    XAPrepareEvent,
    XidEvent,
)
from pymysqlreplication.row_event import DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent

from spillway.errors import SpillwayError
from spillway.migrate.config import Config
from spillway.migrate.connection import Account, code_of
from spillway.migrate.source import Position, Table

HEARTBEAT_SECONDS = 1.0
#: The server says something each heartbeat: a silence of this length is a dead connection.
SILENCE_SECONDS_MAX = 30
#: MySQL's ER_MASTER_FATAL_ERROR_READING_BINLOG: the place is not in the log (any more).
LOG_UNREADABLE = 1236

_EVENTS = (
    WriteRowsEvent,
    UpdateRowsEvent,
    DeleteRowsEvent,
    QueryEvent,
    XidEvent,
    XAPrepareEvent,
    RotateEvent,
    HeartbeatLogEvent,
)


class ConnectionLost(Exception):
    """To be taken up again from the last place at which a transaction ended."""


@dataclass(frozen=True, slots=True)
class News:
    """`keys` of orders that changed. `position` is set where a transaction is complete: reading can
    be taken up there. `at` is the server's time of the change in seconds, 0 for a heartbeat."""

    keys: tuple[str, ...]
    position: Position | None
    at: int
    schema_changed: bool = False

    @property
    def idle(self) -> bool:
        return self.at == 0


def news(account: Account, config: Config, table: Table, start: Position) -> Iterator[News]:
    """Endless. A heartbeat comes each second in which nothing else does.

    Raises ConnectionLost; SpillwayError when the log can't be followed any further.
    """
    stream = BinLogStreamReader(
        connection_settings={**account.settings(), "read_timeout": SILENCE_SECONDS_MAX},
        server_id=config.source.server_id,
        log_file=start.file,
        log_pos=start.offset,
        resume_stream=True,
        blocking=True,
        slave_heartbeat=HEARTBEAT_SECONDS,
        only_events=_EVENTS,
        only_schemas=[account.database],
        only_tables=[config.source.table],
        # With it set, the library would ignore the place: it then starts by GTID only.
        is_mariadb=False,
        # Of a row only its key is used: no other column's bytes may end the reading.
        ignore_decode_errors=True,
        enable_logging=False,
        pymysql_wrapper=_connect_once(),
    )
    try:
        yield from _told(stream, account.database, config, table)
    except pymysql.err.MySQLError as error:
        if code_of(error) == LOG_UNREADABLE:
            raise SpillwayError(
                f"The old database has no binary log at {start} any more: it was purged, or this is"
                " another server. Run `spillway migrate copy --again`; nothing is lost by it."
            ) from error
        raise ConnectionLost(f"{code_of(error)}") from error
    except OSError as error:
        raise ConnectionLost(type(error).__name__) from error
    finally:
        stream.close()


def _connect_once() -> Any:
    """The reader library takes a lost connection up where it broke off, which may be amid a
    transaction: behind the event that says whose rows follow, whose changes it would then skip in
    silence. So it gets its two connections (log and schema) once, and no third."""
    made = 0

    def connect(**settings: Any) -> Any:
        nonlocal made
        made += 1
        if made > 2:
            raise ConnectionLost("the server went away")
        return pymysql.connect(**settings)

    return connect


def _told(stream: Any, database: str, config: Config, table: Table) -> Iterator[News]:
    in_transaction = False
    for event in stream:
        here = Position(stream.log_file, stream.log_pos)
        if isinstance(event, HeartbeatLogEvent | RotateEvent):
            yield News((), None if in_transaction else here, 0)
        elif isinstance(event, XidEvent | XAPrepareEvent):
            in_transaction = False
            yield News((), here, event.timestamp)
        elif isinstance(event, QueryEvent):
            kind = kind_of(_decoded(event.query), config.source.table)
            if kind == "lost" and _decoded(event.schema) == database:
                raise SpillwayError(_lost(_decoded(event.query), here))
            in_transaction = kind == "begin" or (in_transaction and kind == "inside")
            yield News((), None if in_transaction else here, event.timestamp, kind == "schema")
        else:
            in_transaction = True
            keys = tuple(map(table.key, _keys(event, config.order.key)))
            yield News(keys, None, event.timestamp)


def _keys(event: Any, column: str) -> Iterator[str | None]:
    """Of both images of each row: an order may have changed its number."""
    for row in event.rows:
        for image in ("values", "before_values", "after_values"):
            if image in row:
                if column not in row[image]:
                    raise SpillwayError(
                        "The binary log does not name its columns: SET GLOBAL"
                        " binlog_row_metadata = 'FULL', then run `spillway migrate copy --again`."
                    )
                key = row[image][column]
                yield None if key is None else str(key)


Kind = Literal["begin", "inside", "end", "schema", "lost", "other"]
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_WRITES = ("insert", "update", "delete", "replace", "load", "truncate", "drop table")
_SCHEMA = ("alter", "rename", "create")


def kind_of(statement: str, table: str) -> Kind:
    """What a statement in the log means for the one table that is followed.

    lost    its rows changed and the log does not say which
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


def _lost(statement: str, here: Position) -> str:
    return (
        f"The binary log at {here} holds a statement without its rows ({statement[:60]!r}): run"
        " `spillway migrate copy --again` to go over the whole table; nothing is lost by it."
    )


def _decoded(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text
