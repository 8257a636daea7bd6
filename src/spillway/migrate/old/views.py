"""A view as the source: which columns of the tables behind it are the order's number. Pure.

The log knows no views. It reports a row of a table, and the row must name its order: by a column
that the view shows as the order's number, or that the view sets equal to it. Both are read from the
view's definition as the server prints it; what cannot be seen there is refused, because a change
that names another order than it changes would be lost in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from spillway.errors import SpillwayError
from spillway.migrate.condition import unsteady

_NAME = r"`((?:[^`]|``)+)`"
#: A column: of a table's other name, or of the table in its database.
_COLUMN = rf"(?:`(?:[^`]|``)+`\.)?{_NAME}\.{_NAME}"
_TEXT = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_WORD = re.compile(r"`(?:[^`]|``)+`|\w+|\S")
#: One of these beside an equality, and it does not hold for each row; `between` has an `and` too.
_NOT_ALL = frozenset(("or", "xor", "|", "between", "case"))
#: What may stand behind a condition.
_BEHIND = frozenset(
    (
        *("group", "having", "order", "limit", "procedure", "union", ","),
        *("join", "left", "right", "inner", "cross"),
    )
)

#: A table's name in the view, and a column of it.
Column = tuple[str, str]


@dataclass(frozen=True, slots=True)
class View:
    """`tables` by their names in the view. `names`: whatever the definition names, columns too.
    `number`: all columns that are the order's number."""

    tables: Mapping[str, str]
    names: frozenset[str]
    number: frozenset[Column]

    def column_of(self, table: str, column: str) -> None:
        """SpillwayError: this column of the table is not the order's number, wherever the view
        reads the table."""
        roles = [role for role, name in self.tables.items() if name == table]
        if not roles:
            raise SpillwayError(
                f"source.changes names {table}, which the view does not read itself: name the"
                " tables behind it, and write one view over tables instead of a view over views."
            )
        if any((role, column) not in self.number for role in roles):
            raise SpillwayError(
                f"source.changes.{table}: {column} is not the view's order number. The view must"
                " select that column unchanged, or join by it: ON line.order_id = orders.id."
            )


def read_view(definition: str, database: str, key: str) -> View:
    """`key`: the view's column with the order's number. SpillwayError: it cannot be followed."""
    text = _TEXT.sub("''", definition)
    moving = sorted(set(unsteady(text)))
    if moving:
        raise SpillwayError(
            f"The view calls {', '.join(moving)}, so its rows change while no table does, and"
            " nothing would report it: take that out of the view."
        )
    shown = re.search(
        rf"(?:^select\s+(?:distinct\s+)?|,\s*){_COLUMN} AS `{re.escape(key)}`(?=,|\s)", text
    )
    if shown is None:
        raise SpillwayError(
            f"The view makes its order number {key} by an expression, and the log has only the"
            " columns of tables: let the view select one unchanged, such as a generated column."
        )
    number = {(shown[1], shown[2])}
    equal = list(_equalities(_WORD.findall(text)))
    for _ in equal:
        number |= {column for pair in equal if number & set(pair) for column in pair}
    names = frozenset(re.findall(_NAME, text))
    return View(dict(_tables(text, database)), names, frozenset(number))


def _tables(text: str, database: str) -> Iterator[tuple[str, str]]:
    own = rf"`{re.escape(database)}`\.{_NAME}(?![`.])(?:\s+{_NAME})?"
    for found in re.finditer(own, text):
        if not re.match(r"\s+AS\b", text[found.end(1) + 1 :]):
            yield found[2] or found[1], found[1]


def _equalities(words: Sequence[str]) -> Iterator[tuple[Column, Column]]:
    """Columns that are equal in every row: by a condition of a join, or of the whole."""
    for place, word in enumerate(words, start=1):
        if word.lower() in ("on", "where"):
            yield from _conjuncts(words[place : place + _length(words[place:])])


def _length(words: Sequence[str]) -> int:
    """Of the condition with which they begin."""
    for place, (word, depth) in enumerate(zip(words, _depths(words), strict=True)):
        if depth < 0 or (depth == 0 and word.lower() in _BEHIND):
            return place
    return len(words)


def _conjuncts(words: Sequence[str]) -> Iterator[tuple[Column, Column]]:
    depths = _depths(words)
    if words[:1] == ["("] and depths.index(0) == len(words) - 1:
        yield from _conjuncts(words[1:-1])
        return
    parts: list[list[str]] = [[]]
    for word, depth in zip(words, depths, strict=True):
        if depth == 0 and word.lower() in _NOT_ALL:
            return
        if depth == 0 and word.lower() == "and":
            parts.append([])
        else:
            parts[-1].append(word)
    if len(parts) > 1:
        for part in parts:
            yield from _conjuncts(part)
        return
    found = re.fullmatch(rf"{_COLUMN}={_COLUMN}", "".join(words))
    if found:
        yield (found[1], found[2]), (found[3], found[4])


def _depths(words: Sequence[str]) -> list[int]:
    """How many brackets are open behind each word."""
    return list(accumulate((word == "(") - (word == ")") for word in words))
