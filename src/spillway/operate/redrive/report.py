"""What was in the dead-letter queues and what became of it, as JSON and for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from spillway.operate.redrive.dead_letters import advice
from spillway.operate.redrive.found import ORDERS_NAMED_MAX, Found
from spillway.operate.redrive.moving import Redrive
from spillway.operate.redrive.reading import masked
from spillway.ui.formatting import counted, rfc3339
from spillway.ui.panels import panel


def document(redrive: Redrive) -> dict[str, Any]:
    """`letters` is how many there were; `moved` of them are gone."""
    return {
        "dry_run": redrive.dry_run,
        "interrupted": redrive.interrupted,
        "letters": redrive.dead_letters,
        "moved": redrive.moved,
        "queues": {name: _queue_document(found) for name, found in redrive.found.items()},
    }


def show(redrive: Redrive, console: Console) -> None:
    """A panel for each queue that holds something, and remarks below it."""
    for name, found in redrive.found.items():
        if found.dead_letters:
            moved = "" if redrive.dry_run else f", {found.moved:,} moved back"
            title = f"{name}: {_dead_letters(found.dead_letters)}{moved}"
            console.print(panel(title, _rows(found), ("number", "text")))
        for remark in remarks(found):
            console.print(Text(f"{name}: {remark}", "yellow"))
    console.print(_last_line(redrive))


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
                "orders": [
                    {"customer": key.customer_hash, "order_id": key.order_id}
                    for key in group.orders
                ],
            }
            for reason, group in found.reasons
        ],
        "messages": [
            {
                "message_id": one.message_id,
                "sent_at": rfc3339(one.sent_at),
                "reason": reason,
                "masked": masked(one.body),
            }
            for reason, one in found.kept
        ],
        "not_moved": dict(found.not_moved),
        "came_meanwhile": found.came_meanwhile,
        "elsewhere": found.elsewhere,
    }


def _rows(found: Found) -> Iterator[tuple[str, Text]]:
    for reason, group in found.reasons:
        yield f"{group.dead_letters:,}", Text(reason)
        if advice(reason):
            yield "", Text(advice(reason), "yellow")
        for key in group.orders:
            yield "", Text(f"order {key.order_id} of customer {key.customer_hash}", "dim")
        if not group.orders:
            ids = [one.message_id for why, one in found.kept if why == reason][:ORDERS_NAMED_MAX]
            yield "", Text("\n".join(f"message {id_}" for id_ in ids), "dim")
        more = group.dead_letters - len(group.orders)
        if group.orders and more > 0:
            yield "", Text(f"and {more:,} more", "dim")


def _last_line(redrive: Redrive) -> Text:
    dead_letters, moved = redrive.dead_letters, redrive.moved
    if redrive.interrupted:
        sentence = f"Interrupted after {_dead_letters(moved)}: nothing is lost, run it again."
        return Text(sentence, "bold yellow")
    if not dead_letters:
        return Text("No dead letters.", "bold green")
    if redrive.dry_run:
        return Text(f"{_dead_letters(dead_letters)}; nothing was changed.", "bold")
    if moved < dead_letters:
        return Text(f"{_dead_letters(moved)} moved back, {dead_letters - moved:,} not.", "bold red")
    return Text(f"{_dead_letters(moved)} moved back.", "bold green")


def _dead_letters(count: int) -> str:
    return counted(count, "dead letter")
