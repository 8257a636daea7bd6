"""Tables on the terminal: rows in a panel, and marks for good and bad."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

#: How a column is set: text, a number on the right, or a dim note.
Column = Literal["text", "number", "note", "id"]
#: No grid needs so many columns of a terminal.
_WIDE = 1_000


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows below dim headings, without lines. Columns that are not named are text.

    A row without cells is an empty line. In a terminal where words would be cut, a grid has a block
    for each row instead: its first cell, and below it what the others are. Without headings, the
    first cell is a mark or a name, and the second one stands beside it.
    """

    rows: Sequence[Sequence[RenderableType]]
    columns: Sequence[Column] = ()
    headings: Sequence[str] = ()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._table())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._table()
        needed = Measurement.get(console, options.update(width=_WIDE), table).minimum
        if needed > options.max_width:
            yield from self._blocks()
        else:
            yield table

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        cells = max(map(len, [*self.rows, self.headings, self.columns]))
        for column in [*self.columns, *["text"] * (cells - len(self.columns))]:
            justify: Literal["left", "right"] = "right" if column == "number" else "left"
            style = "dim" if column == "note" else None
            wraps = column != "id"
            table.add_column(justify=justify, style=style, no_wrap=not wraps, overflow="fold")
        if self.headings:
            table.add_row(*(Text(heading, "dim") for heading in self.headings))
        for row in self.rows:
            table.add_row(*row)
        return table

    def _blocks(self) -> Iterator[RenderableType]:
        for row in self.rows:
            cells = [Text(cell) if isinstance(cell, str) else cell for cell in row]
            if self.headings:
                yield from cells[:1]
                below = [*zip(self.headings[1:], cells[1:], strict=False)]
            else:
                begin = [cell for cell in cells[:2] if isinstance(cell, Text)]
                yield Text(" ").join(begin)
                below = [("", cell) for cell in cells[len(begin) :]]
            for heading, cell in below:
                if not isinstance(cell, Text):
                    yield from (Text(f"  {heading}", "dim"), cell)
                elif cell.plain not in ("", "·"):
                    yield Text.assemble((f"  {heading} " if heading else "  ", "dim"), cell)


def grid(
    rows: Iterable[Sequence[RenderableType]],
    columns: Sequence[Column] = (),
    headings: Sequence[str] = (),
) -> Grid:
    return Grid([*rows], columns, headings)


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
