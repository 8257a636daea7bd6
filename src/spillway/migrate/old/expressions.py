"""SQL for what a plain SELECT of a column, or a plain comparison, would get wrong in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymysql.connections import Connection

from spillway.migrate.old.connection import run
from spillway.migrate.old.description import Described


def every_digit(column: str, kind: Described) -> str:
    """A FLOAT as the DOUBLE that it is."""
    return f"({column} + 0e0)" if kind.is_float else column


def held_equal(
    connection: Connection[Any], column: str, kind: Described, words: Sequence[str]
) -> str:
    """The places among these words, counted from 1, of the first and of the last one that the
    column's collation holds equal to its value: "2 2", and "0 0" where there is none."""
    texts = [_in_column(word, kind) for word in words]
    # A word that the column's character set cannot hold would become "?", and equal to that.
    exact = (
        f"BINARY CONVERT({text} USING utf8mb4) = {_bytes(word)}"
        for text, word in zip(texts, words, strict=True)
    )
    can_be = run(connection, f"SELECT {', '.join(exact)}")[0]
    known = [text if can == "1" else "NULL" for text, can in zip(texts, can_be, strict=True)]
    first = f"FIELD({column}, {', '.join(known)})"
    last = f"FIELD({column}, {', '.join(reversed(known))})"
    return f"CONCAT({first}, ' ', IF({last} = 0, 0, {len(words) + 1} - {last}))"


def same_customer(own: str, kind: Described, other: str, other_kind: Described) -> Iterator[str]:
    """Conditions under which a row of another table is that of an order's customer: the value of
    `own` is that of `other` to the other table's collation, by whose index it is found."""
    if kind.collation is None and other_kind.collation is None:
        yield f"{other} = {own}"
    elif kind.collation is None or other_kind.collation is None:
        # A text and a number compare as numbers: "12 High Street" is 12, and "guest" is 0.
        yield f"{other} = {own}"
        texts = (
            f"CONVERT({one} USING utf8mb4) COLLATE utf8mb4_bin" for one in (other, f"TRIM({own})")
        )
        yield " = ".join(texts)
    elif kind.collation == other_kind.collation:
        yield f"{other} = {own}"
    else:
        there = f"CONVERT({own} USING {other_kind.charset})"
        yield f"{other} = {there} COLLATE {other_kind.collation}"
        # What that character set cannot hold would be found as "?".
        yield f"BINARY CONVERT({there} USING utf8mb4) = BINARY CONVERT({own} USING utf8mb4)"


def _in_column(word: str, kind: Described) -> str:
    return f"CONVERT(_utf8mb4 {_bytes(word)} USING {kind.charset}) COLLATE {kind.collation}"


def _bytes(word: str) -> str:
    return f"x'{word.encode().hex()}'"
