"""The binary log, read for one thing: which orders have changed.

Only the key comes from a row event; the order itself is then read from the table (table.OldTable).
So an order is always read whole, however many rows and statements a transaction has. The same news
twice, or late, writes the same thing.

Nothing in the log is passed over unless it is known to be harmless: `LEFT_OUT` and `HARMLESS`.
Everything else ends the reading with a sentence.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pymysql
from pymysqlreplication import BinLogStreamReader, event, row_event
from pymysqlreplication.constants import NONE_SOURCE
from pymysqlreplication.exceptions import MalformedBinLogEvent, StatusVariableMismatch

from spillway.errors import SpillwayError
from spillway.migrate.config import Config
from spillway.migrate.old.connection import AWAY, Account, SourceAway, code_of, explained
from spillway.migrate.old.keys import Logged
from spillway.migrate.old.position import Position
from spillway.migrate.old.statements import words_of
from spillway.migrate.old.watched import Watched, WatchedTable

HEARTBEAT_SECONDS = 1.0
#: The server sends a heartbeat each second: after this silence the connection is dead.
SILENCE_SECONDS_MAX = 30
#: MySQL's ER_MASTER_FATAL_ERROR_READING_BINLOG.
LOG_UNREADABLE = 1236
#: MariaDB's ER_SLAVE_SAME_ID.
SAME_ID = 4052
#: The log's own places are of 32 bits, and so is the one that a reader can ask for.
OFFSET_MAX = 2**32 - 1

_ROWS = (row_event.WriteRowsEvent, row_event.UpdateRowsEvent, row_event.DeleteRowsEvent)
_COMMIT = (event.XidEvent, event.XAPrepareEvent)
#: Of what the library knows, what is read here.
READ = (
    *_ROWS,
    *_COMMIT,
    row_event.PartialUpdateRowsEvent,
    row_event.TableMapEvent,
    event.HeartbeatLogEvent,
    event.RotateEvent,
    event.FormatDescriptionEvent,
    event.QueryEvent,
    event.ExecuteLoadQueryEvent,
    event.NotImplementedEvent,
)

#: And what is not: what transactions are called, where a file ends or continues, and what stands
#: before a statement or its rows: values of its own, a comment, the parts of a file.
LEFT_OUT = (
    event.GtidEvent,
    event.PreviousGtidsEvent,
    event.MariadbGtidEvent,
    event.MariadbGtidListEvent,
    event.MariadbBinLogCheckPointEvent,
    event.MariadbStartEncryptionEvent,
    event.StopEvent,
    event.IntvarEvent,
    event.RandEvent,
    event.UserVarEvent,
    event.RowsQueryLogEvent,
    event.MariadbAnnotateRowsEvent,
    event.BeginLoadQueryEvent,
)

# Events by their numbers and names in the servers' sources: Log_event_type of MySQL
# (binlog_event.h) and MariaDB (log_event.h).
#: They change no rows: what transactions are called and who takes part in them, heartbeats, and the
#: parts of a file before the statement that loads it.
HARMLESS = {
    9: "APPEND_BLOCK_EVENT",
    11: "DELETE_FILE_EVENT",
    28: "IGNORABLE_LOG_EVENT",
    34: "ANONYMOUS_GTID_LOG_EVENT",
    36: "TRANSACTION_CONTEXT_EVENT",
    37: "VIEW_CHANGE_EVENT",
    41: "HEARTBEAT_LOG_EVENT_V2",
    42: "GTID_TAGGED_LOG_EVENT",
}
_COMPRESS = "SET GLOBAL log_bin_compress = OFF"
_COMPRESSED_ROWS = {
    166: "WRITE_ROWS_COMPRESSED_EVENT_V1",
    167: "UPDATE_ROWS_COMPRESSED_EVENT_V1",
    168: "DELETE_ROWS_COMPRESSED_EVENT_V1",
    169: "WRITE_ROWS_COMPRESSED_EVENT",
    170: "UPDATE_ROWS_COMPRESSED_EVENT",
    171: "DELETE_ROWS_COMPRESSED_EVENT",
}
#: What they are, and what to do first.
REFUSED = {
    26: ("INCIDENT_EVENT", "the server says that its log lacks changes"),
    39: ("PARTIAL_UPDATE_ROWS_EVENT", "SET GLOBAL binlog_row_value_options = ''"),
    40: ("TRANSACTION_PAYLOAD_EVENT", "SET GLOBAL binlog_transaction_compression = OFF"),
    165: ("QUERY_COMPRESSED_EVENT", _COMPRESS),
    **{number: (name, _COMPRESS) for number, name in _COMPRESSED_ROWS.items()},
}
#: The flag of an event that a reader may pass over when it does not know it.
IGNORABLE = 0x80
#: With binlog_format = ROW the log has their rows and not their text.
_OF_ROWS = frozenset(("INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"))
#: How each sentence ends about a log that cannot be read on.
COPY_AGAIN = "run `spillway migrate copy --again`. Nothing is lost."


EVENT_HEADER_BYTES = 19
_OTHER_CHECKSUMS = (
    "The old database's binlog_checksum was changed, and the log cannot be read across that place"
)

#: Of the library's settings makes a connection.
Connect = Callable[..., Any]

# It recommends settings that we do without, to people who see one line of progress.
logging.getLogger("pymysqlreplication").setLevel(logging.ERROR)


class ConnectionLost(Exception):
    """Reading must continue from the last position at which a transaction ended."""


class DisplacedError(ConnectionLost):
    """Another reader with the same number took the server's attention."""


@dataclass(frozen=True, slots=True)
class News:
    """`keys` are the numbers of orders that changed. `position` is set where a transaction is
    complete: reading can continue there. `at` is the server's time of the change in seconds, 0 for
    a heartbeat. `log_made` is when the position's file was begun, in Unix seconds: another log has
    another one. `by_place`: so far rows were read by their columns' places, because the log does
    not name them."""

    keys: tuple[Logged, ...]
    position: Position | None
    at: int
    schema_changed: bool = False
    log_made: int | None = None
    by_place: bool = False

    @property
    def idle(self) -> bool:
        return self.at == 0


def news(
    account: Account,
    config: Config,
    watched: Watched,
    start: Position,
    *,
    log_made: int | None = None,
    described: Position | None = None,
    connect: Connect = pymysql.connect,
) -> Generator[News]:
    """Endless, with a heartbeat in each second without other news.

    `log_made`: when the file of `start` was begun. `described`: where the table was described by
    which the log up to `start` was read. Both where they are known. Raises `ConnectionLost`, and
    SpillwayError when the log can't be followed any further.
    """
    filters = {
        "only_schemas": _Names(watched.is_schema),
        "only_tables": _Names(watched.is_table),
    }
    stream = _stream(account, config, start, connect, only_events=READ, **filters)
    by_place = described is not None and not start.reached(described)
    try:
        yield from _Reader(stream, watched, start, log_made, by_place).news()
    except pymysql.err.MySQLError as error:
        raise _failure(error, account, start, config.source.server_id) from error
    except OSError as error:
        raise ConnectionLost(type(error).__name__) from error
    finally:
        stream.close()


def log_made(account: Account, config: Config, start: Position) -> int:
    """When the log's file at this position was begun, in Unix seconds.

    The position alone does not name a place: after RESET MASTER, or on another server behind the
    same name, a file of the same name has other events there. SpillwayError: it can't be read, or
    the server is away.
    """
    only = [event.FormatDescriptionEvent]
    stream = _stream(account, config, start, pymysql.connect, only_events=only)
    try:
        first = stream.fetchone()
        problem: Exception | str = "it ended the log"
    except pymysql.err.MySQLError as error:
        first, problem = None, _failure(error, account, start, config.source.server_id)
    except (OSError, ConnectionLost) as error:
        first, problem = None, error
    finally:
        stream.close()
    if isinstance(problem, SpillwayError):
        raise problem
    if first is None:
        raise SourceAway(
            f"The old database does not show its log at {start} ({problem}): run the command again."
            " It continues there."
        )
    return int(first.timestamp)


def _stream(
    account: Account, config: Config, start: Position, connect: Connect, **filters: Any
) -> Any:
    if start.offset > OFFSET_MAX:
        raise SpillwayError(
            f"The position {start} lies beyond 4 GiB, where no reader can begin: FLUSH BINARY LOGS,"
            f" then {COPY_AGAIN}"
        )
    return BinLogStreamReader(
        connection_settings={**account.settings(), "read_timeout": SILENCE_SECONDS_MAX},
        server_id=config.source.server_id,
        log_file=start.file,
        log_pos=start.offset,
        resume_stream=True,
        blocking=True,
        slave_heartbeat=HEARTBEAT_SECONDS,
        filter_non_implemented_events=False,
        **filters,
        # For MariaDB the library would ignore the position and start by GTID.
        is_mariadb=False,
        # Only the row's key is used: bytes in another column must not stop the reading.
        ignore_decode_errors=True,
        enable_logging=False,
        pymysql_wrapper=_connect_once(connect),
    )


@dataclass(frozen=True, slots=True)
class _Names:
    """The library asks whether a name is among them; the server may fold names."""

    among: Any

    def __contains__(self, name: str) -> bool:
        return bool(self.among(name))


def _connect_once(connect: Connect) -> Connect:
    """After a lost connection the reader library would continue at the same place. That may be in a
    transaction, behind the event that names the table: it would then skip the rows in silence. So
    it gets its two connections (log and schema) once, and no third."""
    made = count(1)

    def connect_once(**settings: Any) -> Any:
        if next(made) > 2:
            raise ConnectionLost("the server went away")
        return connect(**settings)

    return connect_once


def _failure(
    error: pymysql.err.MySQLError, account: Account, start: Position, server_id: int
) -> Exception:
    code = code_of(error)
    if code in AWAY:
        return ConnectionLost(f"{code}")
    said = str(error.args[1]) if len(error.args) > 1 else ""
    if code == SAME_ID or (code == LOG_UNREADABLE and "same server_uuid/server_id" in said):
        return DisplacedError(
            f"Another reader of the old database's log has the number {server_id} too: set"
            " source.server_id to one that no replica and no other migration has, and run this"
            " again. It continues there."
        )
    if code != LOG_UNREADABLE:
        return explained(error, account)
    if "checksum" in said:
        return SpillwayError(f"{_OTHER_CHECKSUMS} ({said}): leave it as it is, then {COPY_AGAIN}")
    if "max_allowed_packet" in said:
        return SpillwayError(
            f"The old database can't send its log at {start} ({said}): SET GLOBAL"
            f" max_allowed_packet = 1073741824, and run this again. If it stays, {COPY_AGAIN}"
        )
    return SpillwayError(
        f"The old database has no binary log at {start} any more ({said}): it was purged, or this"
        f" is another server: {COPY_AGAIN}"
    )


@dataclass(slots=True)
class _Reader:
    stream: Any
    watched: Watched
    start: Position
    #: Of the file that is being read; None until it has said so.
    log_made: int | None
    #: Rows were read by their columns' places, which were described later.
    _by_place: bool
    _heard_log: bool = False
    _in_transaction: bool = False
    _beyond: bool = False
    _sums: int | None = None
    _last: Position | None = None
    #: By the log's number of a table, the character set of its order number.
    _charsets: dict[int, str] = field(default_factory=dict)

    def news(self) -> Iterator[News]:
        for seen in self._events():
            match seen:
                case event.FormatDescriptionEvent():
                    self._begin(seen)
                    self._refuse_cut(seen)
                    yield self._news((), 0)
                    self._check_sums(seen)
                case event.RotateEvent():
                    self._turn(seen)
                    yield self._news((), 0)
                case event.HeartbeatLogEvent():
                    yield self._news((), 0)
                case row_event.TableMapEvent():
                    self._describe(seen)
                case _ if type(seen) in _ROWS:
                    self._in_transaction = True
                    yield self._news(tuple(self._keys(seen)), seen.timestamp)
                case event.XidEvent() | event.XAPrepareEvent():
                    self._in_transaction = False
                    yield self._news((), seen.timestamp)
                case event.QueryEvent():
                    mode = getattr(seen, "sql_mode", 0)
                    yield self._statement(seen, seen.query, _decoded(seen.schema), mode)
                case event.ExecuteLoadQueryEvent():
                    yield self._statement(seen, *_load(seen))
                case _:
                    self._other(seen)
                    yield self._news((), 0)

    def _events(self) -> Iterator[Any]:
        while True:
            try:
                seen = self.stream.fetchone()
            except StatusVariableMismatch as error:
                raise SpillwayError(
                    f"The binary log after {self._here()} has a statement with a setting that this"
                    " version can't read: on MariaDB SET GLOBAL character_set_collations = '',"
                    f" reconnect the shop, then {COPY_AGAIN}"
                ) from error
            except _UNREAD as error:
                raise self._unread(error) from error
            if seen is None:
                raise ConnectionLost("the server ended the log")
            yield seen

    def _unread(self, error: Exception) -> SpillwayError:
        return SpillwayError(
            f"The binary log after {self._here()} has a change of {self.watched} that this version"
            f" can't read ({type(error).__name__}: {error}). It can't read COMPRESSED columns"
            f" (MariaDB) and VECTOR columns: give {self.watched} others, then {COPY_AGAIN}"
        )

    def _here(self) -> Position:
        return Position(self.stream.log_file, self.stream.log_pos)

    def _news(self, keys: tuple[Logged, ...], at: int, *, schema_changed: bool = False) -> News:
        here = self._here()
        if self._last is not None and here.file == self._last.file:
            # Its 32 bits ran over: no reader can begin behind that in this file.
            self._beyond = self._beyond or here.offset < self._last.offset
        self._last = here
        certain = self._heard_log and not self._beyond and not self._in_transaction
        position = here if certain else None
        return News(keys, position, at, schema_changed, self.log_made, self._by_place)

    def _begin(self, seen: Any) -> None:
        """The first event of each file; and of each connection, with the time that is in the file.
        It is not in the file where the reading begins, so its own position counts for nothing."""
        made = int(seen.timestamp)
        if self.log_made is not None and self.log_made != made:
            raise SpillwayError(
                f"The binary log at {self.start} is not the one that was followed (it was begun at"
                f" another time): the log was reset, or this is another server:"
                f" {COPY_AGAIN}"
            )
        self.log_made, self._heard_log = made, True

    def _check_sums(self, seen: Any) -> None:
        """The library asks once whether events end with a checksum. Where another file has none, it
        would cut four bytes off each, and rows with them: it must ask again, from this file on."""
        kind = seen.checksum_algorithm
        if self._sums not in (None, kind):
            raise ConnectionLost("its log has other checksums from here on")
        self._sums = kind

    def _refuse_cut(self, seen: Any) -> None:
        """The file where the reading begins is from before the checksums were switched on, and this
        connection from after that: even the file's name has lost four letters."""
        takes_off = seen.packet.event_size - seen.event_size > EVENT_HEADER_BYTES
        if self._sums is None and takes_off and not seen.checksum_algorithm:
            raise SpillwayError(
                f"{_OTHER_CHECKSUMS} (it has none there, and the server's setting is another now):"
                f" leave it as it is, then {COPY_AGAIN}"
            )

    def _turn(self, seen: Any) -> None:
        """Another file; or the one where the reading begins."""
        if self._last is not None and seen.next_binlog != self._last.file:
            self.log_made, self._heard_log, self._beyond = None, False, False

    def _describe(self, seen: Any) -> None:
        """The library reads the key's column as bytes: it would decode texts with Python's codecs,
        which are not MySQL's. Without names the column is known by its place."""
        watched, columns = self.watched.of(seen.table), seen.columns
        named = [column.name for column in columns]
        if not any(named):
            place = self._place(watched, columns)
            self._by_place = True
            columns[place].name = watched.key.column
            columns[place].unsigned = watched.layout.unsigned
        elif watched.key.column in named:
            place = named.index(watched.key.column)
        else:
            raise SpillwayError(
                f"The binary log at {self._here()} has a change of {watched.name.table} without a"
                f" column {watched.key.column}, which it has now: {COPY_AGAIN}"
            )
        # The name that MySQL has for it; the library's own is that of a Python codec.
        self._charsets[seen.table_id] = (columns[place].collation_name or "").partition("_")[0]
        columns[place].character_set_name = "binary"

    def _place(self, watched: WatchedTable, columns: Sequence[Any]) -> int:
        if not watched.layout.fits([column.type for column in columns]):
            raise self._moved()
        return watched.layout.place

    def _moved(self) -> SpillwayError:
        return SpillwayError(
            f"The columns of {self.watched} were changed while the log was not followed"
            f" (before {self._here()}), and the log does not name them: {COPY_AGAIN}"
        )

    def _keys(self, rows_event: Any) -> Iterator[Logged]:
        """Of both images of each row: an order may have changed its number."""
        key = self.watched.of(rows_event.table).key
        charset = self._charsets.get(rows_event.table_id, "")
        try:
            rows = rows_event.rows
        except _UNREAD as error:
            raise self._unread(error) from error
        for row in rows:
            for image in ("", "before_", "after_"):
                values = row.get(f"{image}values")
                if values is None:
                    continue
                if row[f"{image}none_sources"].get(key.column) == NONE_SOURCE.COLS_BITMAP:
                    raise SpillwayError(
                        f"The binary log at {self._here()} has a change without its order number"
                        f" {key.column}: SET GLOBAL binlog_row_image = 'FULL', reconnect the shop,"
                        f" then {COPY_AGAIN}"
                    )
                yield key.logged(values[key.column], charset)

    def _statement(self, seen: Any, statement: str, schema: str, sql_mode: int) -> News:
        kind = self.watched.kind_of(statement, schema, sql_mode)
        here = self._here()
        if kind == "lost":
            first = next((word.text for word in words_of(statement, sql_mode)), "")
            whose = "; its session's binlog_format is not ROW: end it first" * (first in _OF_ROWS)
            raise SpillwayError(
                f"The binary log at {here} has a statement without its rows"
                f" ({' '.join(statement.split())[:60]!r}{whose}): {COPY_AGAIN}"
            )
        if kind == "moved" and self._by_place and self.watched.at.reached(here):
            # The rows up to here were read as the columns are now, and not as they were.
            raise self._moved()
        inside = self._in_transaction and kind in ("inside", "other")
        self._in_transaction = kind == "begin" or inside
        return self._news((), seen.timestamp, schema_changed=kind in ("schema", "moved"))

    def _other(self, seen: Any) -> None:
        number = seen.event_type
        if number in HARMLESS or (number not in REFUSED and seen.packet.flags & IGNORABLE):
            return
        if number in _COMPRESSED_ROWS and _table_id(seen) not in self.stream.table_map:
            return
        if number not in REFUSED:
            what, first = f"an event of a type that this version can't read ({number})", ""
        else:
            name, remedy = REFUSED[number]
            what = f"{name} ({number})"
            first = f"{remedy}, reconnect the shop, then " if "=" in remedy else f"{remedy}: "
        raise SpillwayError(f"The binary log at {self._here()} has {what}: {first}{COPY_AGAIN}")


_UNREAD = (
    ValueError,
    NotImplementedError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,
    MalformedBinLogEvent,
)


def _table_id(seen: Any) -> int:
    """Of a row event that the library has left unread."""
    seen.packet.rewind(20)
    return int.from_bytes(seen.packet.read(6), "little")


def _load(seen: Any) -> tuple[str, str, int]:
    """The statement of a LOAD DATA, of which the library reads the numbers before it."""
    packet = seen.packet
    packet.advance(seen.status_vars_length)
    schema = packet.read(seen.schema_length)
    packet.advance(1)
    return _decoded(packet.read(seen.event_size - packet.read_bytes)), _decoded(schema), 0


def _decoded(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text
