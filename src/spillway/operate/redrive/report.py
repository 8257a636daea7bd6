"""What was in the dead-letter queues and what became of it, as JSON and for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from orders.domain.order import OrderKey
from spillway.operate.redrive.found import Found, Group
from spillway.ui.formatting import counted
from spillway.ui.panels import panel


@dataclass(frozen=True, slots=True)
class Report:
    found: Sequence[Found]
    dry_run: bool
    interrupted: bool

    @property
    def dead_letters(self) -> int:
        return sum(one.dead_letters for one in self.found)

    @property
    def moved(self) -> int:
        return sum(one.moved for one in self.found)


def document(report: Report) -> dict[str, Any]:
    """`letters` is how many there were; `moved` of them are gone."""
    return {
        "dry_run": report.dry_run,
        "interrupted": report.interrupted,
        "letters": report.dead_letters,
        "moved": report.moved,
        "queues": {one.queue: _queue_document(one) for one in report.found},
    }


def show(report: Report, console: Console) -> None:
    """A panel for each queue that holds something, and remarks below it."""
    for one in report.found:
        if one.dead_letters:
            console.print(_panel(one, dry_run=report.dry_run))
        for remark in remarks(one):
            console.print(Text(f"{one.queue}: {remark}", "yellow"))
    console.print(_last_line(report))


def remarks(found: Found) -> Iterator[str]:
    """What was not moved, and why."""
    for why, count in found.not_moved.items():
        yield f"{_dead_letters(count)} not moved: {why}"
    if found.came_meanwhile:
        yield (
            f"{_dead_letters(found.came_meanwhile)} arrived during the redrive and stayed: if they"
            " came back, their cause is not fixed yet"
        )
    if found.elsewhere:
        yield (
            f"{_dead_letters(found.elsewhere)} held by another redrive at the start, perhaps one"
            " that was killed: visible again within 5 minutes"
        )


def _queue_document(found: Found) -> dict[str, Any]:
    return {
        "letters": found.dead_letters,
        "moved": found.moved,
        "reasons": [
            {
                "reason": reason,
                "letters": group.dead_letters,
                "moved": group.moved,
                "orders": [_order_document(key) for key in group.orders],
            }
            for reason, group in _largest_first(found)
        ],
        "not_moved": dict(found.not_moved),
        "came_meanwhile": found.came_meanwhile,
        "elsewhere": found.elsewhere,
    }


def _order_document(key: OrderKey) -> dict[str, str]:
    return {"customer": key.customer_hash, "order_id": key.order_id}


def _largest_first(found: Found) -> list[tuple[str, Group]]:
    return sorted(found.groups.items(), key=lambda item: -item[1].dead_letters)


def _panel(found: Found, *, dry_run: bool) -> Panel:
    moved = "" if dry_run else f", {found.moved:,} moved back"
    title = f"{found.queue}: {_dead_letters(found.dead_letters)}{moved}"
    return panel(title, _rows(found), ("number", "text"))


def _rows(found: Found) -> Iterator[tuple[str, Text]]:
    for reason, group in _largest_first(found):
        yield f"{group.dead_letters:,}", Text(reason)
        for key in group.orders:
            yield "", Text(f"order {key.order_id} of customer {key.customer_hash}", "dim")
        more = group.dead_letters - len(group.orders)
        if group.orders and more > 0:
            yield "", Text(f"and {more:,} more", "dim")


def _last_line(report: Report) -> Text:
    dead_letters, moved = report.dead_letters, report.moved
    if report.interrupted:
        sentence = f"Interrupted after {_dead_letters(moved)}: nothing is lost, run it again."
        return Text(sentence, "bold yellow")
    if not dead_letters:
        return Text("No dead letters.", "bold green")
    if report.dry_run:
        return Text(f"{_dead_letters(dead_letters)}; nothing was changed.", "bold")
    if moved < dead_letters:
        return Text(f"{_dead_letters(moved)} moved back, {dead_letters - moved:,} not.", "bold red")
    return Text(f"{_dead_letters(moved)} moved back.", "bold green")


def _dead_letters(count: int) -> str:
    return counted(count, "dead letter")
