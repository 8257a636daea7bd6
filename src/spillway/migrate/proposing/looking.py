"""What init knows of the old database: its tables' descriptions, a few rows, and words' counts.

Everything is read in a read-only session. Rows stay in memory: of them only counts and shapes get
into the configuration, never a person's data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pymysql.connections import Connection

from spillway.errors import UsageError
from spillway.migrate.old.connection import quoted, run
from spillway.migrate.proposing.words import COLUMNS, COUNTED, DELIVERY, INVOICE, plain

#: The newest and the oldest rows, so many of each.
SAMPLED_ROWS = 500
#: Longer texts are not read.
TEXT_BYTES_MAX = 65_536
#: In a larger table words are counted in its newest rows.
COUNTED_ROWS_MAX = 2_000_000
#: A column with more words is no state, currency or country.
WORDS_MAX = 60
#: What a line has, and an order does not.
OF_LINES = ("sku", "quantity")
#: Types of which no row is read.
UNREAD = frozenset(("binary", "varbinary", "bit", "geometry", "point", "polygon", "vector"))
BLOBS = frozenset(("tinyblob", "blob", "mediumblob", "longblob"))

Row = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Column:
    """As information_schema describes it. `kind` is its type without a length."""

    name: str
    kind: str
    type: str
    charset: str | None = None
    comment: str = ""
    nullable: bool = True
    counts_up: bool = False
    filled_now: bool = False
    filled_by_changes: bool = False


@dataclass(frozen=True, slots=True)
class DescribedTable:
    """One table. `unique` are the columns of each unique index, the primary key first.

    `refers`: by column, the table and column that a foreign key names. `words`: by column, how
    often each of its values stands there. `parts`, of a view: whose each column is.
    """

    name: str
    columns: tuple[Column, ...]
    rows: int = 0
    primary: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    indexed: frozenset[str] = frozenset()
    refers: dict[str, tuple[str, str]] = field(default_factory=dict)
    sample: Sequence[Row] = ()
    words: dict[str, dict[str | None, int]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    all_counted: bool = True

    @property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def is_unique(self, column: str) -> bool:
        return (column,) in self.unique

    def values(self, column: str) -> list[str]:
        """What the sample has, without NULL and blanks."""
        found = (row.get(column) for row in self.sample)
        return [text for text in found if text is not None and text.strip()]


@dataclass(frozen=True, slots=True)
class Looked:
    """`zone` is the server's own time zone, as it calls it."""

    table: DescribedTable
    others: tuple[DescribedTable, ...]
    server: str = ""
    zone: str = ""


def look(connection: Connection[Any], table: str) -> Looked:
    """UsageError: the database shows no such table."""
    described = {one.name: one for one in _described(connection)}
    if table not in described:
        near = ", ".join(sorted(name for name in described if _looks_like_orders(name))[:10])
        hint = f" These look like orders: {near}." if near else ""
        raise UsageError(
            f"The database shows this user no table {table}.{hint} Name one, or grant SELECT on it."
        )
    main = described.pop(table)
    near_it = [one for one in described.values() if _is_near(one, main)]
    server, zone, system_zone = run(
        connection, "SELECT VERSION(), @@global.time_zone, @@system_time_zone"
    )[0]
    return Looked(
        _with_rows(connection, main),
        tuple(_with_rows(connection, one) for one in near_it),
        str(server),
        str(system_zone if zone == "SYSTEM" else zone),
    )


def is_called(name: str, role: str) -> bool:
    """Whether the whole name says that it is this."""
    return plain(name) in COLUMNS[role]


def matches(name: str, role: str) -> int | None:
    """How well a column's name says that it is this: 0 is best, None not at all."""
    said = plain(name)
    names = COLUMNS[role]
    if said in names:
        return names.index(said)
    parts = said.split("_")
    for place, one in enumerate(names):
        wanted = one.split("_")
        # A word of two letters is in too many names to mean anything there.
        if len(one) > 2 and any(
            parts[start : start + len(wanted)] == wanted for start in range(len(parts))
        ):
            return len(names) + place
    return None


def has_lines(table: DescribedTable) -> bool:
    return all(any(matches(c.name, role) is not None for c in table.columns) for role in OF_LINES)


def references(table: DescribedTable, head: DescribedTable) -> Iterator[tuple[int, str]]:
    """The columns that may name the order: a foreign key, or a name that says so."""
    singular = plain(head.name).rstrip("s")
    for column in table.columns:
        if table.refers.get(column.name, ("", ""))[0] == head.name:
            yield 0, column.name
        elif plain(column.name) in {f"{singular}_id", f"{singular}s_id", f"id_{singular}"}:
            yield 1, column.name
        elif plain(column.name) in {
            "order_id", "bestellung_id", "bestell_id", "auftrag_id", "commande_id", "id_commande",
            "pedido_id", "id_pedido", "order_number", "bestellnr", "bestell_nr", "auftrag_nr",
        }:  # fmt: skip
            yield 2, column.name


def is_of_customers(name: str) -> bool:
    said = plain(name)
    words = ("customer", "user", "account", "kund", "konten", "konto", "client", "compte")
    return any(word in said for word in (*words, "usuario", "cuenta"))


def _looks_like_orders(name: str) -> bool:
    said = plain(name)
    words = (
        "order",
        "bestell",
        "auftr",
        "rechnung",
        "command",
        "pedido",
        "venta",
        "invoice",
        "sale",
    )
    return any(word in said for word in words)


def _is_near(one: DescribedTable, main: DescribedTable) -> bool:
    """A table that may hold lines, addresses or customers of the orders, or the orders of lines."""
    referred = {table for table, _ in one.refers.values()}
    if next(references(one, main), None) or next(references(main, one), None):
        return True
    if main.name in referred or one.name in {table for table, _ in main.refers.values()}:
        return True
    if _looks_like_orders(one.name):
        return True
    subjects = [c for c in one.columns if matches(c.name, "subject") is not None]
    return bool(subjects) and is_of_customers(one.name)


def _described(connection: Connection[Any]) -> Iterator[DescribedTable]:
    """Every table and view of the database."""
    columns: dict[str, list[Column]] = defaultdict(list)
    for table, name, kind, type_, charset, comment, nullable, extra, default in run(
        connection,
        "SELECT table_name, column_name, data_type, column_type, character_set_name,"
        " column_comment, is_nullable, extra, column_default FROM information_schema.columns"
        " WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
    ):
        columns[str(table)].append(
            Column(
                str(name),
                str(kind).lower(),
                str(type_),
                charset,
                comment or "",
                nullable == "YES",
                "auto_increment" in str(extra).lower(),
                "current_timestamp" in str(default or "").lower(),
                "on update" in str(extra).lower(),
            )
        )
    indexes: dict[str, dict[str, tuple[bool, list[str]]]] = defaultdict(dict)
    for table, index, not_unique, column in run(
        connection,
        "SELECT table_name, index_name, non_unique, column_name FROM information_schema.statistics"
        " WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index",
    ):
        _, names = indexes[str(table)].setdefault(str(index), (not_unique == "0", []))
        names.append(str(column))
    refers: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for table, column, other, its_column in run(
        connection,
        "SELECT table_name, column_name, referenced_table_name, referenced_column_name"
        " FROM information_schema.key_column_usage WHERE table_schema = DATABASE()"
        " AND referenced_table_name IS NOT NULL",
    ):
        refers[str(table)][str(column)] = (str(other), str(its_column))
    for table, rows in run(
        connection,
        "SELECT table_name, table_rows FROM information_schema.tables"
        " WHERE table_schema = DATABASE()",
    ):
        of_table = indexes[str(table)]
        primary = tuple(of_table["PRIMARY"][1]) if "PRIMARY" in of_table else ()
        others = [
            tuple(names)
            for index, (unique, names) in of_table.items()
            if unique and index != "PRIMARY"
        ]
        yield DescribedTable(
            str(table),
            tuple(columns[str(table)]),
            int(rows or 0),
            primary,
            (*((primary,) if primary else ()), *others),
            frozenset(names[0] for _, names in of_table.values()),
            refers[str(table)],
        )


def _with_rows(connection: Connection[Any], table: DescribedTable) -> DescribedTable:
    words: dict[str, dict[str | None, int]] = {}
    all_counted = table.rows <= COUNTED_ROWS_MAX or not table.primary
    for column in table.columns:
        if any(matches(column.name, role) is not None for role in COUNTED):
            found = _counted(connection, table, column.name, whole=all_counted)
            if len(found) <= WORDS_MAX:
                words[column.name] = found
    sample = list(_sampled(connection, table))
    return replace(table, sample=sample, words=words, all_counted=all_counted)


def _counted(
    connection: Connection[Any], table: DescribedTable, column: str, *, whole: bool
) -> dict[str | None, int]:
    name, where = quoted(column), quoted(table.name)
    if not whole:
        newest = f"{_by(table.primary, 'DESC')} LIMIT {COUNTED_ROWS_MAX}"
        where = f"(SELECT {name} FROM {where} {newest}) newest"  # noqa: S608 -- names, quoted
    # By its bytes: a collation would count "Paid" and "paid" as one.
    counted = run(
        connection,
        f"SELECT {name}, COUNT(*) FROM {where} GROUP BY {name}, BINARY {name}"  # noqa: S608 -- names, quoted
        f" ORDER BY 2 DESC LIMIT {WORDS_MAX + 1}",
    )
    return {word: int(count or 0) for word, count in counted}


def _sampled(connection: Connection[Any], table: DescribedTable) -> Iterator[Row]:
    readable = [column for column in table.columns if column.kind not in UNREAD]
    chosen = ", ".join(map(_readable, readable))
    orders = [_by(table.primary, "DESC"), _by(table.primary, "ASC")] if table.primary else [""]
    seen: set[tuple[str | None, ...]] = set()
    for order in orders:
        statement = f"SELECT {chosen} FROM {quoted(table.name)} {order} LIMIT {SAMPLED_ROWS}"  # noqa: S608 -- names, quoted
        for row in run(connection, statement):
            # A small table's newest rows are its oldest, too.
            if row not in seen:
                seen.add(row)
                yield dict(zip((column.name for column in readable), row, strict=True))


def _readable(column: Column) -> str:
    name = quoted(column.name)
    text = f"CONVERT({name} USING utf8mb4)" if column.kind in BLOBS else name
    if column.kind in BLOBS or column.kind.endswith("text") or column.kind == "json":
        return f"IF(LENGTH({name}) <= {TEXT_BYTES_MAX}, {text}, NULL)"
    return text


def _by(columns: Sequence[str], direction: str) -> str:
    return "ORDER BY " + ", ".join(f"{quoted(column)} {direction}" for column in columns)


def address_part(name: str, role: str) -> tuple[int, int] | None:
    """How well a column is this part of the address of delivery: the smaller, the better."""
    first, _, rest = plain(name).partition("_")
    whose = 0 if first in DELIVERY else 2 if first in INVOICE else 1
    if whose != 1 and rest in COLUMNS[role]:
        return whose, COLUMNS[role].index(rest)
    place = matches(name, role)
    if place is None or (role == "name" and _is_half_a_name(name)):
        return None
    return whose, place


def _is_half_a_name(name: str) -> bool:
    return any(matches(name, half) is not None for half in ("first_name", "last_name"))
