"""A table of text, defined once: for the terminal, for a page's Markdown and for HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.panel import Panel

#: After a figure that no statement of AWS's own confirms.
UNCONFIRMED = "*"
#: On a narrow terminal text wraps, but does not vanish.
_TEXT_WIDTH_MIN = 9


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
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, padding=(0, 1), header_style="dim")
        for column, name in enumerate(self.head):
            right = column in self.numbers
            table.add_column(
                name,
                justify="right" if right else "left",
                no_wrap=right,
                min_width=None if right else _TEXT_WIDTH_MIN,
            )
        for row in self.rows:
            table.add_row(*map(Text, row))
        content = Group(table, Text(self.note, "dim")) if self.note else table
        return Panel(content, title=self.title, title_align="left")
