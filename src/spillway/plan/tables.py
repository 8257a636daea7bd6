"""A table of text, defined once: for the terminal, for a page's Markdown and for HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.panel import Panel

    from spillway.ui.panels import Column

#: After a figure that no statement of AWS's own confirms.
UNCONFIRMED = "*"


@dataclass(frozen=True, slots=True)
class Table:
    """`head` has a name for each column; columns in `numbers` are aligned to the right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    note: str = ""

    def markdown(self) -> str:
        rule = ["--:" if column in self.numbers else "---" for column in range(len(self.head))]
        lines = [self.head, rule, *self.rows]
        return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)

    def panel(self) -> Panel:
        """For the terminal."""
        from rich.text import Text

        from spillway.ui.panels import panel

        columns: list[Column] = [
            "number" if column in self.numbers else "text" for column in range(len(self.head))
        ]
        rows = ([Text(cell) for cell in row] for row in self.rows)
        return panel(self.title, rows, columns, self.head)
