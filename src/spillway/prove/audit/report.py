"""Verdicts for people and for scripts: the same for an audit, the demo and chaos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from orders.domain.promises import Promise
from spillway.prove.audit.running import Audited
from spillway.prove.audit.verdicts import Verdict
from spillway.ui.formatting import duration
from spillway.ui.panels import mark, panel

_EXAMPLES_SHOWN = 3
#: So many broken orders are named on the terminal, and so many for scripts.
_BROKEN_SHOWN = 20
BROKEN_LISTED_MAX = 1_000


def promises_document(promises: Mapping[Promise, Verdict]) -> dict[str, Any]:
    """The verdicts, as part of a JSON object; these keys never change."""
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
    """The verdict on each promise, with its evidence and examples of violations."""
    rows: list[tuple[RenderableType, ...]] = []
    for verdict in promises.values():
        good = None if verdict.held and not verdict.judged else verdict.held
        name = Text(verdict.promise.value, "" if verdict.held else "bold red")
        rows.append((mark(good), name, Text(verdict.evidence, "dim")))
        rows += [("", "", Text(example, "red")) for example in verdict.examples[:_EXAMPLES_SHOWN]]
        if verdict.violations > _EXAMPLES_SHOWN:
            rows.append(("", "", f"and {verdict.violations - _EXAMPLES_SHOWN:,} more"))
    return panel("The promises", rows)


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
    """An audit as one JSON object. `broken` names the first orders with a broken promise."""
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


def show(audited: Audited, console: Console, *, options: str = "") -> None:
    """An audit, for a terminal of any width. `options` name the stack on a command line."""
    console.print(_orders_panel(audited))
    console.print(promises_panel(audited.promises))
    if audited.broken:
        console.print(_broken_panel(audited))
    if audited.dead_letters:
        see = f"`spillway redrive --dry-run{options}`"
        console.print(f"See the dead letters and their reasons: {see}.")
    console.print(promises_line(audited.promises))


def _orders_panel(audited: Audited) -> Panel:
    stuck = audited.orders - audited.settled - audited.under_way
    counts = (
        (audited.orders, "orders", "in the table"),
        (audited.settled, "settled", "nothing is owed any more"),
        (audited.under_way, "under way", "not settled yet, and changed recently"),
        (stuck, "stuck", "not settled, and not changed for too long"),
    )
    rows = [(f"{count:,}", word, note) for count, word, note in counts if count or word == "orders"]
    rows += [
        (f"{count:,}", downstream, "entries in its own table")
        for downstream, count in audited.effects.items()
    ]
    title = f"What was read in {duration(audited.seconds)}"
    return panel(title, rows, ("number", "text", "note"))


def _broken_panel(audited: Audited) -> Panel:
    rows: list[tuple[RenderableType, ...]] = [
        (
            violation.key.customer_hash,
            violation.key.order_id,
            Text(f"{violation.promise.value}: {violation.detail}", "red"),
        )
        for violation in audited.broken[:_BROKEN_SHOWN]
        if violation.key is not None
    ]
    more = len(audited.broken) - _BROKEN_SHOWN
    if more > 0:
        rows.append(("", "", f"and {more:,} more (the first {BROKEN_LISTED_MAX:,} with --json)"))
    title = "Orders for which a promise was broken"
    return panel(title, rows, headings=("customer", "order", ""))
