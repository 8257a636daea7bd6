"""The old table, read for verification: one streamed query."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from itertools import chain, groupby
from operator import itemgetter

from pymysql.cursors import SSDictCursor

from spillway.migrate.config import Config
from spillway.migrate.old.connection import Account, connected
from spillway.migrate.verifying.canonical import Canonical
from spillway.migrate.verifying.rows import Reader, Row

#: An order's number as the table spells it, and the order; None for what can't be read as one.
Read = tuple[str, Canonical | None]
#: The number of all rows that have none.
NONE = ""
_NUMBERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal"))
#: Of a column that has a word of its own for each order, not all are kept.
WORDS_KEPT = 1_000
#: Without decimals of their own.
_FLOATS = ("float", "float unsigned", "float unsigned zerofill")
#: The copy takes the first two alone; the others are told as they are.
_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit")


@dataclass(frozen=True)
class Columns:
    timestamps: frozenset[str]
    floats: frozenset[str]
    collations: Mapping[str, str | None]
    primary: tuple[str, ...]
    key_is_text: bool
    key_is_bytes: bool
    key_is_number: bool


@dataclass(frozen=True)
class OldSide:
    config: Config
    account: Account
    #: Old customer id to subject.
    subject_of: Callable[[str], str | None]

    def all(self) -> Iterator[Read]:
        """Every order, in one statement: the table as it was at one moment."""
        yield from self._without_number()
        yield from self._orders("IS NOT NULL", ())

    def some(self, keys: Sequence[str]) -> Iterator[Read]:
        """Those of these orders that are there, perhaps with others."""
        if NONE in keys:
            yield from self._without_number()
        typed = (self._typed(key) for key in self._askable(keys) if key != NONE)
        numbers = [number for number in typed if number is not None]
        if numbers:
            yield from self._orders(f"IN ({', '.join(['%s'] * len(numbers))})", tuple(numbers))

    @property
    def _these(self) -> str:
        """The table with the rows that count; each query adds which of them it wants."""
        source = self.config.source
        return f"{_name(source.table)} o WHERE {_literally(source.condition)}"

    @property
    def _key(self) -> str:
        return f"o.{_name(self.config.order.key)}"

    @property
    def _number_of(self) -> str:
        """The number as it is spelled: bytes by their digits."""
        return f"LOWER(HEX({self._key}))" if self.columns.key_is_bytes else self._key

    def present(self, keys: Collection[str]) -> set[str]:
        """Which of these are there, by reading every number instead of asking for these."""
        return {number for number in self.numbers() if number in keys}

    def numbers(self) -> Iterator[str]:
        """The number of every row that has one, equal ones beside each other."""
        key = self._key
        rows = self.rows(
            f"SELECT {self._number_of} AS k FROM {self._these}"  # noqa: S608
            f" AND {key} IS NOT NULL ORDER BY {key}"
        )
        return (row["k"] for row in rows if not _is_blank(row["k"]))

    def sample(self, size: int) -> list[str]:
        """So many random keys, by one pass over the key's index: the server sorts nothing."""
        key, these = self._key, self._these
        share = 2 * size / max(1, self._number(f"SELECT COUNT(*) AS n FROM {these}"))  # noqa: S608
        rows = self.rows(
            f"SELECT DISTINCT {self._number_of} AS k FROM {these}"  # noqa: S608
            f" AND {key} IS NOT NULL AND RAND() < {share:.9f}"
        )
        keys = list(dict.fromkeys(row["k"] for row in rows if not _is_blank(row["k"])))
        return random.sample(keys, min(size, len(keys)))

    def count(self) -> int:
        """How many orders, each spelling of a number being one."""
        key = self._number_of
        spelling = f"BINARY {key}" if self.columns.key_is_text else key
        return self._number(
            f"SELECT COUNT(DISTINCT {spelling}) AS n FROM {self._these} AND TRIM({key}) NOT LIKE ''"  # noqa: S608
        )

    @property
    def sorts_lines(self) -> bool:
        """Without a primary key the server may give an order's rows in any order."""
        return self.config.lines.column is None and not self.columns.primary

    def _number(self, query: str) -> int:
        return next(int(row["n"]) for row in self.rows(query))

    @cached_property
    def columns(self) -> Columns:
        rows = self._described(self.config.source.table)
        types = {row["n"]: row["t"] for row in rows}
        return Columns(
            timestamps=frozenset(row["n"] for row in rows if row["t"] == "timestamp"),
            floats=frozenset(row["n"] for row in rows if row["f"] in _FLOATS),
            collations={row["n"]: row["c"] for row in rows},
            primary=tuple(row["n"] for row in rows if row["k"] == "PRI"),
            key_is_text=any(row["c"] for row in rows if row["n"] == self.config.order.key),
            key_is_bytes=types.get(self.config.order.key) in _BYTES,
            key_is_number=types.get(self.config.order.key) in _NUMBERS,
        )

    def _described(self, table: str) -> list[Row]:
        return list(
            self.rows(
                "SELECT column_name AS n, data_type AS t, column_type AS f, column_key AS k,"
                " collation_name AS c FROM information_schema.columns"
                " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
                (table,),
            )
        )

    @cached_property
    def _alike(self) -> Callable[[str], list[str]]:
        """Asks the database, once for each word: there are few."""
        status = self.config.order.status
        collation = self.columns.collations.get(status.column or "")
        known = [*(status.map or {}), *self.config.statuses]

        @lru_cache(WORDS_KEPT)
        def alike(word: str) -> list[str]:
            if collation is None:
                return []
            charset = collation.partition("_")[0]
            there = f"CONVERT(%s USING {charset})"
            held = f"BINARY CONVERT({there} USING utf8mb4) = BINARY %s"
            same = f"{there} = {there} COLLATE {collation} AND {held}"
            asked = ", ".join(f"{same} AS `{place}`" for place in range(len(known)))
            values = tuple(chain.from_iterable((word, one, one, one) for one in known))
            (answer,) = self.rows(f"SELECT {asked}", values)
            return [one for place, one in enumerate(known) if answer[str(place)] == "1"]

        return alike

    def _is_customer(self, own: str, other: str) -> str:
        """The comparison of an order's customer with another table's, as texts unless both are
        numbers: as numbers, a text counts by the digits that it begins with."""
        customers = self.config.customers
        collations = {row["n"]: row["c"] for row in self._described(customers.table or "")}
        mine, theirs = self.columns.collations[customers.column], collations[customers.key]
        if mine == theirs:
            return f"{other} = {own}"
        if mine is None or theirs is None:
            texts = (f"BINARY CONVERT({one} USING utf8mb4)" for one in (other, f"TRIM({own})"))
            return f"{other} = {own} AND {' = '.join(texts)}"
        converted = f"CONVERT({own} USING {theirs.partition('_')[0]})"
        is_same = f"BINARY CONVERT({converted} USING utf8mb4) = BINARY CONVERT({own} USING utf8mb4)"
        return f"{other} = {converted} COLLATE {theirs} AND {is_same}"

    def _without_number(self) -> Iterator[Read]:
        """Once, where there are such rows: nothing can be said of them but that."""
        lacking = f"({self._key} IS NULL OR TRIM({self._number_of}) LIKE '')"
        found = self.rows(f"SELECT 1 FROM {self._these} AND {lacking} LIMIT 1")  # noqa: S608
        yield from ((NONE, None) for _ in found)

    def _spelled_twice(self, which: str, values: tuple[object, ...]) -> set[str]:
        """Every spelling of the numbers that the database groups together although they are not
        spelled alike: no order has such a number."""
        if not self.columns.key_is_text:
            return set()
        key, these = self._key, self._these
        # `#k`: a column of the condition must not be in both.
        rows = self.rows(
            f"SELECT {key} AS k FROM (SELECT {key} AS `#k` FROM {these} AND {key} {which}"  # noqa: S608
            f" GROUP BY {key} HAVING COUNT(DISTINCT BINARY {key}) > 1) two, {these}"
            f" AND {key} = two.`#k`",
            values,
        )
        return {row["k"] for row in rows}

    def _askable(self, keys: Sequence[str]) -> Sequence[str]:
        """Without those that have characters which the column's character set has not: it had
        another one once, and the server refuses to compare them."""
        collation = self.columns.collations.get(self.config.order.key) or "utf8mb4"
        charset = collation.partition("_")[0]
        strange = [key for key in keys if not key.isascii()] if charset != "utf8mb4" else []
        if not strange:
            return keys
        there = f"BINARY CONVERT(CONVERT(%s USING {charset}) USING utf8mb4)"
        asked = ", ".join(f"{there} = BINARY %s AS `{n}`" for n in range(len(strange)))
        values = tuple(chain.from_iterable((key, key) for key in strange))
        (answer,) = self.rows(f"SELECT {asked}", values)
        lost = {key for n, key in enumerate(strange) if answer[str(n)] != "1"}
        return [key for key in keys if key not in lost]

    def _typed(self, key: str) -> object:
        """A number as a number: the server compares a text with a DECIMAL inexactly. None for what
        a column of this type cannot have: it had another one once."""
        try:
            if self.columns.key_is_bytes:
                return bytes.fromhex(key.zfill(len(key) + len(key) % 2))
            number = Decimal(key) if self.columns.key_is_number else None
        except (ValueError, InvalidOperation):
            return None
        return key if number is None else number if number.is_finite() else None

    def _orders(self, which: str, values: tuple[object, ...]) -> Iterator[Read]:
        key, customers = self.config.order.key, self.config.customers
        # Not all: some may be invisible, others forbidden.
        # A FLOAT shows six digits, and as a DOUBLE all that it has.
        exact = dict.fromkeys(self.columns.floats, " * 1e0")
        wanted = ", ".join(
            f"o.{_name(column)}{exact.get(column, '')} AS {_name(column)}"
            for column in self.config.column_names
        )
        wanted += f", {self._number_of} AS `#number`"
        if customers.table and customers.key and customers.subject:
            subject = f"BINARY CONVERT(c.{_name(customers.subject)} USING utf8mb4)"
            own, other = f"o.{_name(customers.column)}", f"c.{_name(customers.key)}"
            of_them = f"FROM {_name(customers.table)} c WHERE {self._is_customer(own, other)}"
            first, last = (f"(SELECT {end}({subject}) {of_them})" for end in ("MIN", "MAX"))
            wanted = f"{wanted}, {first} AS `#first`, {last} AS `#last`"
        order_by = ", ".join(f"o.{_name(name)}" for name in (key, *self.columns.primary))
        rows = self.rows(
            f"SELECT {wanted} FROM {self._these} AND {self._key} {which} ORDER BY {order_by}",  # noqa: S608
            values,
        )
        ambiguous = self._spelled_twice(which, values)
        reader = Reader(self.config, self.subject_of, self.columns.timestamps, self._alike)
        for name, group in groupby(rows, key=itemgetter("#number")):
            if _is_blank(name):
                continue
            order = None if name in ambiguous else reader.read(name, list(group))
            if order is not None and self.sorts_lines:
                order = order._replace(lines=tuple(sorted(order.lines)))
            yield name, order

    def rows(self, query: str, values: tuple[object, ...] = ()) -> Iterator[Row]:
        with (
            connected(self.account) as connection,
            connection.cursor(SSDictCursor) as cursor,
        ):
            # Always formatted, also without values: `_literally` is for that.
            cursor.execute(query, values)
            yield from cursor


def _literally(sql: str) -> str:
    return sql.replace("%", "%%")


def _name(name: str) -> str:
    return f"`{_literally(name)}`"


def _is_blank(number: str) -> bool:
    return not number.strip(" ")
