"""Verdicts for people and for scripts: the same for an audit, the demo and chaos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from orders.domain.promises import Promise
from spillway.prove.audit.running import Audited
from spillway.prove.audit.verdicts import Verdict

_EXAMPLES_SHOWN = 3
#: So many broken orders are named on the terminal, and so many for scripts.
_BROKEN_SHOWN = 20
BROKEN_LISTED_MAX = 1_000


def promises_document(promises: Mapping[Promise, Verdict]) -> dict[str, Any]:
    """Promise by promise, as part of a JSON object; these keys never change."""
    return {
        promise.value: {
            "held": verdict.held,
            "violations": verdict.violations,
            "examples": list(verdict.examples),
            "judged": verdict.judged,
            "evidence": verdict.evidence,
        }
        for promise, verdict in promises.items()
    }


def promises_panel(promises: Mapping[Promise, Verdict]) -> Panel:
    """The verdict on each promise, with what it rests on and examples of what broke it."""
    table = Table.grid(padding=(0, 2))
    for verdict in promises.values():
        mark = Text("✔", "green") if verdict.held else Text("✘", "bold red")
        if verdict.held and not verdict.judged:
            mark = Text("?", "yellow")
        name = Text(verdict.promise.value, "" if verdict.held else "bold red")
        table.add_row(mark, name, Text(verdict.evidence, "dim"))
        for example in verdict.examples[:_EXAMPLES_SHOWN]:
            table.add_row("", "", Text(example, "red"))
        if verdict.violations > _EXAMPLES_SHOWN:
            table.add_row("", "", f"and {verdict.violations - _EXAMPLES_SHOWN:,} more")
    return Panel(table, title="The promises", title_align="left")


def promises_line(promises: Mapping[Promise, Verdict]) -> Text:
    """All verdicts in one line."""
    broken = [verdict.promise.value for verdict in promises.values() if not verdict.held]
    if broken:
        return Text(f"Broken: {', '.join(broken)}.", "bold red")
    unjudged = [verdict.promise.value for verdict in promises.values() if not verdict.judged]
    if unjudged:
        return Text(f"Every promise held; not judged: {', '.join(unjudged)}.", "bold green")
    return Text("Every promise held.", "bold green")


def document(audited: Audited) -> dict[str, Any]:
    """An audit as one JSON object. `broken` names the first orders for which a promise was."""
    return {
        "orders": {
            "stored": audited.orders,
            "settled": audited.settled,
            "under_way": audited.under_way,
        },
        "promises": promises_document(audited.promises),
        "broken": [
            {
                "promise": violation.promise.value,
                "customer": violation.key.customer_hash,
                "order_id": violation.key.order_id,
                "detail": violation.detail,
            }
            for violation in audited.broken[:BROKEN_LISTED_MAX]
            if violation.key is not None
        ],
        "effects": dict(audited.effects),
        "dead_letters": audited.dead_letters,
        "seconds": round(audited.seconds, 3),
    }


def show(audited: Audited, console: Console) -> None:
    """An audit, for a terminal of any width."""
    console.print(_orders_panel(audited))
    console.print(promises_panel(audited.promises))
    if audited.broken:
        console.print(_broken_panel(audited))
    if audited.dead_letters:
        console.print("What waits for a person, and why: `spillway redrive --dry-run`.")
    console.print(promises_line(audited.promises))


def _orders_panel(audited: Audited) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    broken = audited.orders - audited.settled - audited.under_way
    rows = (
        (audited.orders, "orders", "in the table"),
        (audited.settled, "settled", "nothing is owed any more"),
        (audited.under_way, "under way", "not settled yet, and not for long"),
        (broken, "stuck", "not settled, and nothing has moved for too long"),
    )
    for count, word, note in rows:
        if count or word == "orders":
            table.add_row(f"{count:,}", word, Text(note, "dim"))
    for downstream, count in audited.effects.items():
        table.add_row(f"{count:,}", downstream, Text("entries in its own table", "dim"))
    title = f"What was read in {audited.seconds:.1f} s"
    return Panel(table, title=title, title_align="left")


def _broken_panel(audited: Audited) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("customer", "dim"), Text("order", "dim"), "")
    for violation in audited.broken[:_BROKEN_SHOWN]:
        if violation.key is not None:
            table.add_row(
                violation.key.customer_hash,
                violation.key.order_id,
                Text(f"{violation.promise.value}: {violation.detail}", "red"),
            )
    more = len(audited.broken) - _BROKEN_SHOWN
    if more > 0:
        table.add_row("", "", f"and {more:,} more (the first {BROKEN_LISTED_MAX:,} with --json)")
    return Panel(table, title="Orders for which a promise was broken", title_align="left")
