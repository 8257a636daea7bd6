"""Binary logs made by hand, for what servers that cannot be run here write into theirs.

Events have the form that MySQL documents ("Replication Protocol", binary log event) and MariaDB
("Replication Protocol", event header): the header of 19 bytes, the body, four bytes of a checksum,
which the reader does not look at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace
from pymysql.protocol import MysqlPacket

from spillway.migrate.config import Config, read_config
from spillway.migrate.old.binlog import ConnectionLost, News, news
from spillway.migrate.old.connection import Account
from spillway.migrate.old.keys import KeyColumn
from spillway.migrate.old.position import Position
from spillway.migrate.old.statements import FollowedTable
from spillway.migrate.old.watched import Layout, Watched, WatchedTable
from tests.spillway.migrate.legacy import DOCS

MADE = 1_600_000_000
AT = 1_700_000_000
START = Position("binlog.000007", 4)
OURS, OTHERS = 70, 71

QUERY, ROTATE, FORMAT, XID, TABLE_MAP, HEARTBEAT = 2, 4, 15, 16, 19, 27
WRITE_V1, UPDATE_V1, DELETE_V1, WRITE_V2, UPDATE_V2, DELETE_V2 = 23, 24, 25, 30, 31, 32
PARTIAL_UPDATE, EXECUTE_LOAD_QUERY = 39, 18
#: Types of columns, as the log has them.
INT, BIGINT, VARCHAR, DECIMAL = 3, 8, 15, 246

End = Exception | None


@dataclass(frozen=True)
class Event:
    """`ends`: the position behind it; left out, it is that of the event before and its own size."""

    type: int
    body: bytes = b""
    flags: int = 0
    at: int = AT
    ends: int | None = None


def format_description(made: int = MADE, version: str = "8.0.36", checksums: int = 1) -> Event:
    """Without lengths of headers: the reader then takes those that it knows."""
    body = struct.pack("<H50sIB", 4, version.encode(), 0, 19) + bytes([checksums])
    return Event(FORMAT, body, at=made, ends=0)


def rotate(file: str, offset: int = 4, at: int = 0) -> Event:
    return Event(ROTATE, struct.pack("<Q", offset) + file.encode(), at=at, ends=0)


def heartbeat(ends: int | None = None) -> Event:
    return Event(HEARTBEAT, START.file.encode(), at=0, ends=ends)


def query(statement: str, schema: str = "shop", variables: bytes = b"") -> Event:
    head = struct.pack("<IIBHH", 1, 0, len(schema), 0, len(variables))
    return Event(QUERY, head + variables + schema.encode() + b"\0" + statement.encode())


def load(statement: str, schema: str = "shop", variables: bytes = b"") -> Event:
    head = struct.pack("<IIBHH", 1, 0, len(schema), 0, len(variables))
    file = struct.pack("<IIIB", 1, 0, 0, 0)
    body = head + file + variables + schema.encode() + b"\0" + statement.encode()
    return Event(EXECUTE_LOAD_QUERY, body)


def xid() -> Event:
    return Event(XID, struct.pack("<Q", 1))


def table_map(
    types: Sequence[tuple[int, bytes]],
    table: str = "orders",
    schema: str = "shop",
    number: int = OURS,
    metadata: bytes = b"",
) -> Event:
    """`types`: of each column the type, and its own bytes (lengths)."""
    about = b"".join(one for _, one in types)
    body = (
        number.to_bytes(6, "little")
        + struct.pack("<H", 1)
        + bytes([len(schema)])
        + schema.encode()
        + b"\0"
        + bytes([len(table)])
        + table.encode()
        + b"\0"
        + bytes([len(types)])
        + bytes(kind for kind, _ in types)
        + bytes([len(about)])
        + about
        + b"\xff" * ((len(types) + 7) // 8)
        + metadata
    )
    return Event(TABLE_MAP, body)


def names(*columns: str) -> bytes:
    """binlog_row_metadata = FULL: field 4, the columns' names."""
    listed = b"".join(bytes([len(one)]) + one.encode() for one in columns)
    return bytes([4, len(listed)]) + listed


def rows(kind: int, *images: bytes, columns: int, number: int = OURS, present: int = 0xFF) -> Event:
    """Each image is the bytes of the columns that are present; none of them is NULL."""
    extra = b"" if kind in (WRITE_V1, UPDATE_V1, DELETE_V1) else struct.pack("<H", 2)
    bitmaps = bytes([present]) * (2 if kind in (UPDATE_V1, UPDATE_V2, PARTIAL_UPDATE) else 1)
    listed = b"".join(b"\0" + image for image in images)
    head = number.to_bytes(6, "little") + struct.pack("<H", 1) + extra
    return Event(kind, head + bytes([columns]) + bitmaps + listed)


@dataclass
class _Cursor:
    names_columns: bool
    _found: Any = None

    def execute(self, statement: str, _values: object = None) -> None:
        asked = statement.upper()
        if "BINLOG_CHECKSUM'" in asked and "SHOW" in asked:
            self._found = ("binlog_checksum", "CRC32")
        elif "BINLOG_ROW_METADATA" in asked:
            self._found = {"Value": "FULL"} if self.names_columns else None

    def fetchone(self) -> Any:
        return self._found

    def close(self) -> None:
        pass


@dataclass
class _Connection:
    """As much of a connection as the reader library uses."""

    packets: Iterator[bytes]
    names_columns: bool
    end: End = None
    charset: str = "utf8mb4"
    asked: list[bytes] = field(default_factory=list)

    def cursor(self) -> _Cursor:
        return _Cursor(self.names_columns)

    def get_server_info(self) -> str:
        return "8.0.36"

    def close(self) -> None:
        pass

    def _write_bytes(self, data: bytes) -> None:
        self.asked.append(data)

    def _read_packet(self) -> MysqlPacket:
        content = next(self.packets, None)
        if content is None and self.end is not None:
            raise self.end
        return MysqlPacket(b"\xfe\0\0\0\0" if content is None else content, "utf8mb4")


def _packets(events: Iterable[Event]) -> Iterator[bytes]:
    place = START.offset
    for one in events:
        size = 19 + len(one.body) + 4
        ends = place + size if one.ends is None else one.ends
        place = ends or place
        header = struct.pack("<IBIIIH", one.at, one.type, 1, size, ends % 2**32, one.flags)
        yield b"\0" + header + one.body + b"\0\0\0\0"


def watching(key: KeyColumn, *types: str, place: int = 0, **changes: Any) -> Watched:
    """`shop.orders`, with columns of these types; the order number stands at this place."""
    made = {"types": types, "place": place, "unsigned": False, **changes}
    folds, at = bool(made.pop("folds", False)), made.pop("at", START)
    name = FollowedTable("shop", "orders", frozenset((key.column,)), folds=folds)
    return Watched((WatchedTable(name, key, Layout(**made)),), at)


ID = KeyColumn("id", "integer")
INTEGERS = watching(ID, "int", "int")


@dataclass
class Told:
    """What the reader made of a log: its news, and what ended them (None: the log's end)."""

    news: list[News]
    ended: Exception | None

    @property
    def keys(self) -> list[Any]:
        return [key for one in self.news for key in one.keys]

    @property
    def positions(self) -> list[Position]:
        return [one.position for one in self.news if one.position is not None]


def told(
    *events: Event,
    watched: Watched = INTEGERS,
    names_columns: bool = False,
    start: Position = START,
    end: End = None,
    opening: Sequence[Event] | None = None,
    **known: Any,
) -> Told:
    """Read a log of these events, behind those with which a server opens it."""
    first = (rotate(start.file, start.offset), format_description())
    packets = _packets([*(first if opening is None else opening), *events])
    found: list[News] = []
    connect: Callable[..., Any] = lambda **_: _Connection(packets, names_columns, end)  # noqa: E731
    config = example()
    log = news(Account("shop", "reader"), config, watched, start, connect=connect, **known)
    try:
        for one in log:
            found.append(one)  # noqa: PERF402 -- kept when the log ends with an error
    except ConnectionLost as lost:
        return Told(found, None if "ended the log" in str(lost) else lost)
    except Exception as error:  # noqa: BLE001 -- the tests look at it
        return Told(found, error)
    return Told(found, None)


def example() -> Config:
    read = read_config(DOCS / "row-per-order.toml")
    return replace(read, source=replace(read.source, url_variable="X", option_file=None))
