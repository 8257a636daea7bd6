"""Which column is for what. Pure.

A column that one setting has taken is not offered to another: on the way back each column is
written from one field.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from spillway.migrate.config import TODO
from spillway.migrate.old import keys
from spillway.migrate.proposing.joining import ADDRESS, HEAD, LINE, Joined
from spillway.migrate.proposing.looking import Column, DescribedTable, Looked, address_part, matches
from spillway.migrate.proposing.notes import Notes
from spillway.migrate.proposing.words import plain, state_of

INTEGERS = frozenset(keys.INTEGERS)
EXACT = frozenset((*INTEGERS, "decimal"))
TEXTS = frozenset(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"))
TIMES = frozenset(("datetime", "timestamp", "date"))
#: Types that may hold JSON.
DOCUMENTS = frozenset((*TEXTS, "json", "blob", "mediumblob", "longblob"))
OF_A_LINE = frozenset(("sku", "quantity", "unit_price"))
#: So many texts are looked at to see whether they are lines.
DOCUMENTS_SEEN = 20
#: A column with more words is no status.
STATES_MAX = 40
#: A longer word is no word.
WORD_MAX = 60


@dataclass(frozen=True, slots=True)
class Connection:
    """As the person typed it: of `url_variable` and `option_file` one is None."""

    url_variable: str | None
    option_file: str | None
    tls: str = "verify"


@dataclass(slots=True)
class Guess:
    """What is known, and what is decided so far; `notes` is the file.

    `table` is the view where orders and lines are in two tables. `used`: the columns that are
    named, which the view must show.
    """

    looked: Looked
    connection: Connection
    view: Joined | None
    notes: Notes = field(default_factory=Notes)
    used: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    table: DescribedTable = field(init=False)
    shape: str = field(init=False)
    lines_column: Column | None = field(init=False)
    key: Column | None = None
    created: Column | None = None
    customer: Column | None = None
    status: Column | None = None
    states: dict[str | None, int] = field(default_factory=dict)
    currency: dict[str, Any] = field(default_factory=dict)
    currency_note: str = ""
    #: Of the sample's lines.
    prices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.table = self.view.table if self.view else self.looked.table
        # A line's columns are known before the shape is.
        self.shape = TODO
        self.shape, self.lines_column = self._shape()

    def find(self, role: str, kinds: frozenset[str] | None = None) -> Column | None:
        """The column whose name fits best, and that nothing else has taken."""
        found = [
            (place, number, column)
            for number, column in enumerate(self.table.columns)
            if (place := matches(column.name, role)) is not None
            and column.name not in self.taken
            and (kinds is None or column.kind in kinds)
            and self.is_of(column, LINE if role in OF_A_LINE else HEAD)
        ]
        return min(found)[2] if found else None

    def is_of(self, column: Column, part: str) -> bool:
        """In a view a line's own time or sum is not the order's."""
        return self.view is None or self.table.parts.get(column.name) == part

    def take(self, column: Column | None) -> Column | None:
        if column is not None:
            self.taken.add(column.name)
            self.used.append(column.name)
        return column

    def part(self, role: str) -> Column | None:
        found = [
            (part, number, column)
            for number, column in enumerate(self.table.columns)
            if (part := address_part(column.name, role))
            and column.name not in self.taken
            and column.kind in TEXTS
            and self.is_of(column, ADDRESS if ADDRESS in self.table.parts.values() else HEAD)
            and not self.is_misleading(column, role)
        ]
        return min(found)[2] if found else None

    def is_misleading(self, column: Column, role: str) -> bool:
        """A mere name beside lines is the article's, and a state may be the order's."""
        if role == "name" and self.shape == "row_per_line" and not self.view:
            return plain(column.name) == "name"
        counts = self.table.words.get(column.name, {}) if role == "state" else {}
        return any(state_of(word) for word in counts if word)

    def _shape(self) -> tuple[str, Column | None]:
        if self.view:
            return "row_per_line", None
        for column in self.table.columns:
            if column.kind in DOCUMENTS:
                texts = self.table.values(column.name)[:DOCUMENTS_SEEN]
                if texts and sum(lines_in(text) is not None for text in texts) * 2 > len(texts):
                    return "row_per_order", column
        if self.find("sku") and self.find("quantity"):
            return "row_per_line", None
        return TODO, None


def described(column: Column) -> str:
    """Its type and the table's own comment, which is about the column and not about people."""
    commented = f", commented {column.comment!r}" if column.comment else ""
    return f"{column.name} is {column.type.upper()}{commented}"


def counted(counts: dict[str | None, int]) -> str:
    """Words and how often, of a column that is not about people."""
    if not counts:
        return ""
    shown = [
        f"{word or 'empty'} {n:,}"
        for word, n in list(counts.items())[:12]
        if len(word or "") <= WORD_MAX
    ]
    return f" ({', '.join(shown)})" if shown else ""


def lines_in(text: str) -> tuple[str | None, list[dict[str, Any]]] | None:
    """The list's name, where it has one, and the lines; None where the text is no such JSON."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        return None
    lists = {None: found} if isinstance(found, list) else found
    for name, one in lists.items():
        if isinstance(one, list) and one and all(isinstance(line, dict) for line in one):
            keys = {key for line in one for key in line}
            if any(matches(key, "quantity") is not None for key in keys):
                return name, one
    return None
