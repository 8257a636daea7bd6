"""What lay with the dead letters and what became of it, for scripts and for people."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from orders.domain.order import OrderKey
from spillway.operate.redrive.found import Found, Group


def document(found: Collection[Found], *, dry_run: bool, interrupted: bool) -> dict[str, Any]:
    """As one JSON object. `dead_letters` is what lay there; `moved` of them lie there no more."""
    return {
        "dry_run": dry_run,
        "interrupted": interrupted,
        "letters": sum(one.dead_letters for one in found),
        "moved": sum(one.moved for one in found),
        "queues": {one.queue: _queue(one) for one in found},
    }


def show(found: Collection[Found], console: Console, *, dry_run: bool, interrupted: bool) -> None:
    """For a terminal of any width: a panel for each queue that holds something."""
    for one in found:
        if one.dead_letters:
            console.print(_panel(one, dry_run=dry_run))
        for line in _remarks(one):
            console.print(Text(f"{one.queue}: {line}", "yellow"))
    console.print(_last_line(found, dry_run=dry_run, interrupted=interrupted))


def _queue(found: Found) -> dict[str, Any]:
    return {
        "letters": found.dead_letters,
        "moved": found.moved,
        "reasons": [
            {
                "reason": reason,
                "letters": group.dead_letters,
                "moved": group.moved,
                "orders": [_named(key) for key in group.orders],
            }
            for reason, group in _most_first(found)
        ],
        "not_moved": dict(found.not_moved),
        "came_meanwhile": found.came_meanwhile,
        "elsewhere": found.elsewhere,
    }


def _named(key: OrderKey) -> dict[str, str]:
    return {"customer": key.customer_hash, "order_id": key.order_id}


def _most_first(found: Found) -> list[tuple[str, Group]]:
    return sorted(found.groups.items(), key=lambda item: -item[1].dead_letters)


def _panel(found: Found, *, dry_run: bool) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for reason, group in _most_first(found):
        table.add_row(f"{group.dead_letters:,}", Text(reason))
        for key in group.orders:
            table.add_row("", Text(f"order {key.order_id} of customer {key.customer_hash}", "dim"))
        more = group.dead_letters - len(group.orders)
        if group.orders and more > 0:
            table.add_row("", Text(f"and {more:,} more", "dim"))
    moved = "" if dry_run else f", {found.moved:,} moved back"
    title = f"{found.queue}: {_dead_letters(found.dead_letters)}{moved}"
    return Panel(table, title=title, title_align="left")


def _remarks(found: Found) -> list[str]:
    remarks = [f"{_dead_letters(count)} not moved: {no}" for no, count in found.not_moved.items()]
    if found.came_meanwhile:
        remarks.append(
            f"{_dead_letters(found.came_meanwhile)} came meanwhile and stayed: if these came back,"
            " their cause is not mended yet"
        )
    if found.elsewhere:
        remarks.append(
            f"{_dead_letters(found.elsewhere)} in somebody else's hands at the start (another"
            " redrive, or one that was killed: they come back within 5 minutes)"
        )
    return remarks


def _last_line(found: Collection[Found], *, dry_run: bool, interrupted: bool) -> Text:
    dead_letters, moved = sum(one.dead_letters for one in found), sum(one.moved for one in found)
    if interrupted:
        return Text(
            f"Interrupted after {_dead_letters(moved)}: nothing is lost, run it again.",
            "bold yellow",
        )
    if not dead_letters:
        return Text("No dead letters.", "bold green")
    if dry_run:
        return Text(f"{_dead_letters(dead_letters)}; nothing was changed.", "bold")
    if moved < dead_letters:
        return Text(f"{_dead_letters(moved)} moved back, {dead_letters - moved:,} not.", "bold red")
    return Text(f"{_dead_letters(moved)} moved back.", "bold green")


def _dead_letters(count: int) -> str:
    return f"{count:,} letter" if count == 1 else f"{count:,} letters"
