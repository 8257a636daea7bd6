"""Rows as the server sends them, and their texts: a repeated one is read once.

PyMySQL reads a row column by column, and an order of twenty lines says twenty times who placed it,
when and where to. Read like that, lines cost the copy more than everything else. PyMySQL has no
public way to a row's bytes, hence the one private name (decision 0025).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymysql.cursors import SSCursor
from pymysql.protocol import MysqlPacket

#: Values of some columns in the order of the statement; None for NULL.
Texts = tuple[str | None, ...]
#: What a row says of its order, and of its line.
TwoTexts = tuple[Texts, Texts]

# A length of up to 250 is its own first byte; else that says what follows (MySQL's "Protocol Basic
# Data Types", length-encoded integers).
_LENGTH_MAX = 0xFA
_NULL = 0xFB
_LENGTH_BYTES = {0xFC: 2, 0xFD: 3, 0xFE: 8}


class PayloadCursor(SSCursor):
    """Yields each row as the bytes that the server sent, while the server is still sending."""

    def _do_get_result(self) -> None:
        super()._do_get_result()  # type: ignore[misc]
        result: Any = self._result  # type: ignore[attr-defined]
        result._read_row_from_packet = MysqlPacket.get_all_data  # noqa: SLF001


def halves(payloads: Iterator[bytes], first: int, others: int) -> Iterator[TwoTexts]:
    """The texts of a row's `first` columns, and of its `others`.

    A row that begins as the one before it did shares its beginning: the same tuple.
    """
    beginning: bytes | None = None
    texts: Texts = ()
    for payload in payloads:
        if beginning is None or not payload.startswith(beginning):
            texts, length = _texts(payload, 0, first)
            beginning = payload[:length]
        yield texts, _texts(payload, len(beginning), others)[0]


def _texts(payload: bytes, at: int, count: int) -> tuple[Texts, int]:
    """So many columns from there on, and where they end."""
    found: list[str | None] = []
    for _ in range(count):
        length = payload[at]
        at += 1
        if length == _NULL:
            found.append(None)
            continue
        if length > _LENGTH_MAX:
            size = _LENGTH_BYTES[length]
            length = int.from_bytes(payload[at : at + size], "little")
            at += size
        # What is no UTF-8 (bytes in a BLOB) stays recognisable as such, and is refused later.
        found.append(payload[at : at + length].decode("utf-8", "surrogateescape"))
        at += length
    return tuple(found), at
