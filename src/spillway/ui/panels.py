"""Tables on the terminal: rows in a panel, and marks for good and bad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

#: How a column is set: text, a number on the right, or a dim note.
Column = Literal["text", "number", "note", "id"]


def grid(
    rows: Iterable[Sequence[RenderableType]],
    columns: Sequence[Column] = (),
    headings: Sequence[str] = (),
) -> Table:
    """Rows below dim headings, without lines. Columns that are not named are text.

    A row without cells is an empty line.
    """
    table = Table.grid(padding=(0, 2))
    for column in columns:
        justify: Literal["left", "right"] = "right" if column == "number" else "left"
        style = "dim" if column == "note" else None
        table.add_column(justify=justify, style=style, no_wrap=column == "id")
    if headings:
        table.add_row(*(Text(heading, "dim") for heading in headings))
    for row in rows:
        table.add_row(*row)
    return table


def panel(
    title: str,
    rows: Iterable[Sequence[RenderableType]],
    columns: Sequence[Column] = (),
    headings: Sequence[str] = (),
) -> Panel:
    return Panel(grid(rows, columns, headings), title=title, title_align="left")


def mark(good: bool | None) -> Text:
    """A green tick, a red cross, or for None a yellow question mark."""
    if good is None:
        return Text("?", "yellow")
    return Text("✔", "green") if good else Text("✘", "bold red")
