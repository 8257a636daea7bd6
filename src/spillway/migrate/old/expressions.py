"""SQL for what a plain SELECT of a column, or a plain comparison, would get wrong in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pymysql.connections import Connection

from spillway.migrate.old.connection import run
from spillway.migrate.old.statements import words_of


class Described(NamedTuple):
    """A column as information_schema describes it. `charset` and `collation` are None where it
    holds no text; `form` is its type with length and decimals."""

    type: str
    form: str = ""
    charset: str | None = None
    collation: str | None = None
    extra: str = ""
    is_primary: bool = False
    takes_null: bool = True

    @property
    def is_float(self) -> bool:
        """Of which the server shows six digits: 12345.67 as 12345.7. One with decimals of its own
        shows those."""
        return self.type == "float" and "(" not in self.form

    @property
    def is_generated(self) -> bool:
        return any(word in self.extra for word in ("virtual", "stored", "persistent"))


def kinds_of(connection: Connection[Any], table: str) -> dict[str, Described]:
    """By column, in the table's order."""
    rows = run(
        connection,
        "SELECT column_name, data_type, column_type, character_set_name, collation_name, extra,"
        " column_key, is_nullable"
        " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
        " ORDER BY ordinal_position",
        (table,),
    )
    return {
        str(column): Described(
            str(kind),
            str(form),
            charset,
            collation,
            str(extra or "").lower(),
            is_primary=key == "PRI",
            takes_null=nullable == "YES",
        )
        for column, kind, form, charset, collation, extra, key, nullable in rows
    }


def made_of(
    connection: Connection[Any], table: str, kinds: Mapping[str, Described], names: Collection[str]
) -> frozenset[str]:
    """These columns, in lower case, with all that those of them that are generated are made of."""
    found = frozenset(names)
    if not any(kind.is_generated for kind in kinds.values()):
        # A server that generates none has no expressions either.
        return found
    expressions = run(
        connection,
        "SELECT column_name, generation_expression FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s",
        (table,),
    )
    within = {
        str(column).lower(): {word.name.lower() for word in words_of(expression or "")}
        for column, expression in expressions
    }
    # One generated column may be made of another.
    while more := {name for one in found for name in within.get(one, ())} - found:
        found |= more
    return found


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
