"""Orders in one table and their lines in another: the view that has a row per line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from spillway.errors import UsageError
from spillway.migrate.old.connection import quoted
from spillway.migrate.proposing.looking import (
    Column,
    DescribedTable,
    Looked,
    address_part,
    has_lines,
    matches,
    references,
)
from spillway.migrate.proposing.words import DELIVERY, plain

_ADDRESS = ("line1", "city", "postal_code")
#: The order's, the lines' and the address's table in the view's statement.
HEAD, LINE, ADDRESS = "o", "l", "a"
LEFT_JOIN = (
    "LEFT JOIN, so that an order that has lost its lines is set aside with a reason, and not passed"
    " over."
)


@dataclass(frozen=True, slots=True)
class Joined:
    """`table` describes the view as if it were there. `columns`: by name, its expression.
    `changes`: by table, its column with the order's number."""

    table: DescribedTable
    columns: dict[str, str]
    key: str
    sources: tuple[str, ...]
    changes: dict[str, str]
    notes: tuple[str, ...]

    def statement(self, used: list[str]) -> str:
        """CREATE VIEW with the columns that the configuration names."""
        chosen = list(dict.fromkeys([self.key, *(name for name in self.columns if name in used)]))
        selected = ",\n       ".join(
            expression
            if expression.endswith(f".{quoted(name)}")
            else f"{expression} AS {quoted(name)}"
            for name, expression in ((name, self.columns[name]) for name in chosen)
        )
        sources = "\n  ".join(self.sources)
        return f"CREATE VIEW {quoted(self.table.name)} AS\nSELECT {selected}\n  {sources};"


def joined(looked: Looked) -> Joined | None:
    """None where the table has its lines itself, or no other table has them.

    UsageError: the table that was named has the lines, and another one their orders.
    """
    head = looked.table
    if has_lines(head):
        _refuse_lines_alone(head, looked.others)
        return None
    found = [
        (rank, other, column)
        for other in looked.others
        if has_lines(other)
        for rank, column in references(other, head)
    ]
    if not found:
        return None
    _, lines, number = min(found, key=lambda one: (one[0], -one[1].rows, one[1].name))
    referred = lines.refers.get(number, (head.name, ""))[1] or _referred(head)
    return _view(looked, head, lines, number, referred) if referred else None


def _referred(head: DescribedTable) -> str:
    """What lines mean where no foreign key says it: the only column of the primary key."""
    return head.primary[0] if len(head.primary) == 1 else ""


def _refuse_lines_alone(lines: DescribedTable, others: tuple[DescribedTable, ...]) -> None:
    """Lines without a state and a time of their own belong to orders elsewhere."""
    own = {
        role
        for role in ("status", "created_at")
        for c in lines.columns
        if matches(c.name, role) is not None
    }
    heads = [
        other
        for other in others
        if not has_lines(other)
        and any(matches(c.name, "status") is not None for c in other.columns)
        and any(references(lines, other))
    ]
    if "status" not in own and heads:
        raise UsageError(
            f"{lines.name} looks like the lines of {heads[0].name}: run this with --table"
            f" {heads[0].name}, it finds the lines by itself."
        )


def _view(
    looked: Looked, head: DescribedTable, lines: DescribedTable, number: str, referred: str
) -> Joined:
    columns: dict[str, str] = {}
    described: dict[str, Column] = {}

    def add(table: DescribedTable, alias: str, prefix: str, skipped: tuple[str, ...] = ()) -> None:
        for column in table.columns:
            if column.name in skipped:
                continue
            name = column.name if column.name not in columns else f"{prefix}_{column.name}"
            columns[name] = f"{alias}.{quoted(column.name)}"
            described[name] = replace(column, name=name, counts_up=False)

    add(head, HEAD, "order")
    add(lines, LINE, "line", (number,))
    changes = {head.name: referred, lines.name: number}
    on = f"{LINE}.{quoted(number)} = {HEAD}.{quoted(referred)}"
    sources = [
        f"FROM {quoted(head.name)} {HEAD}",
        f"LEFT JOIN {quoted(lines.name)} {LINE} ON {on}",
    ]
    notes = [LEFT_JOIN]
    address = None if _has_address(head) else _address_of(looked, head)
    if address is not None:
        table, its_number, condition = address
        add(table, ADDRESS, "address", (its_number,))
        on = f"{ADDRESS}.{quoted(its_number)} = {HEAD}.{quoted(referred)}"
        sources.append(f"LEFT JOIN {quoted(table.name)} {ADDRESS} ON {on}{condition}")
        changes[table.name] = its_number
        notes.append(
            f"{table.name} must have one row an order at most, or lines would be doubled. This"
            f" must find nothing: {_doubled(table, its_number, condition)}"
        )
    receiver = ADDRESS if address else HEAD
    names = _names({n: c for n, c in described.items() if columns[n].startswith(f"{receiver}.")})
    if names is not None:
        first, last = names
        columns["full_name"] = f"CONCAT_WS(' ', {columns[first]}, {columns[last]})"
        described["full_name"] = Column("full_name", "varchar", "varchar(255)")
    words = {
        name: table.words[column]
        for name, expression in columns.items()
        for alias, table in (
            (HEAD, head),
            (LINE, lines),
            *([(ADDRESS, address[0])] if address else []),
        )
        for column in table.words
        if expression == f"{alias}.{quoted(column)}"
    }
    sample = [
        {name: row.get(name) for name in columns}
        for row in _rows(head, lines, number, referred, columns)
    ]
    table = DescribedTable(
        f"spillway_{head.name}",
        tuple(described.values()),
        lines.rows,
        words=words,
        sample=sample,
        indexed=frozenset({referred} & head.indexed if number in lines.indexed else ()),
        parts={
            name: receiver if name == "full_name" else expression.partition(".")[0]
            for name, expression in columns.items()
        },
        all_counted=head.all_counted and lines.all_counted,
    )
    return Joined(table, columns, referred, tuple(sources), changes, tuple(notes))


def _doubled(table: DescribedTable, number: str, condition: str) -> str:
    counted = f"SELECT {number}, COUNT(*) FROM {table.name} {ADDRESS}"  # noqa: S608 -- for people
    return f"{counted} WHERE TRUE{condition} GROUP BY 1 HAVING COUNT(*) > 1"


def _rows(
    head: DescribedTable, lines: DescribedTable, number: str, referred: str, columns: dict[str, str]
) -> Iterator[dict[str, str | None]]:
    """The sample's rows side by side: the orders', and then those of lines with their orders."""
    orders = {row.get(referred): row for row in head.sample}
    of_lines = {
        name: expression.removeprefix(f"{LINE}.").strip("`")
        for name, expression in columns.items()
        if expression.startswith(f"{LINE}.")
    }
    for row in lines.sample:
        order = orders.pop(row.get(number), {})
        yield {
            **order,
            **{name: row.get(column) for name, column in of_lines.items()},
            referred: row.get(number),
        }
    yield from orders.values()


def _has_address(table: DescribedTable) -> bool:
    found = sum(any(address_part(c.name, role) for c in table.columns) for role in _ADDRESS)
    return found >= len(_ADDRESS) - 1


def _address_of(looked: Looked, head: DescribedTable) -> tuple[DescribedTable, str, str] | None:
    """The table of the orders' addresses: itself, its column with the order, and which of them."""
    for other in looked.others:
        if not _has_address(other) or has_lines(other):
            continue
        columns = [column for _, column in sorted(references(other, head))]
        if "parent_id" in other.by_name:
            columns.append("parent_id")
        if not columns:
            continue
        kind = next((c for c in other.columns if matches(c.name, "address_kind") is not None), None)
        condition = ""
        if kind is not None and not other.is_unique(columns[0]):
            words = {row.get(kind.name) for row in other.sample} - {None}
            whose = [w for w in words if w and plain(w).split("_")[0] in DELIVERY]
            condition = (
                f" AND {ADDRESS}.{quoted(kind.name)} = '{whose[0] if whose else 'shipping'}'"
            )
        return other, columns[0], condition
    return None


def _names(columns: dict[str, Column]) -> tuple[str, str] | None:
    """First and last name, where no column has both."""
    if any(address_part(name, "name") for name in columns):
        return None
    parts = [
        min(((part, name) for name in columns if (part := address_part(name, role))), default=None)
        for role in ("first_name", "last_name")
    ]
    if parts[0] is None or parts[1] is None:
        return None
    return parts[0][1], parts[1][1]
