"""[source] and [target]: where the orders are, which rows count, and in which zone times are."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from spillway.migrate.config import TODO
from spillway.migrate.proposing import words
from spillway.migrate.proposing.choosing import INTEGERS, TEXTS, TIMES, Guess, counted, described
from spillway.migrate.proposing.joining import HEAD
from spillway.migrate.proposing.looking import Column, is_called
from spillway.migrate.proposing.notes import Notes
from spillway.migrate.proposing.sections.lines import quantity
from spillway.migrate.proposing.words import plain


def preface(g: Guess, head: Notes) -> None:
    table = g.looked.table
    head.note(
        f"A first configuration for {table.name} ({len(table.columns)} columns, about"
        f" {table.rows:,} rows) on {g.looked.server}. Each comment says why a setting was"
        " chosen and how sure that is. Read all of it, replace each TODO, then run `spillway"
        " migrate check` until nothing is left to fix."
    )
    names = ", ".join(other.name for other in g.looked.others)
    if names:
        head.note(f"Other tables near it: {names}.")


def source(g: Guess) -> None:
    notes, connection = g.notes, g.connection
    conditions, noted = _where(g)
    _view_to_make(g)
    notes.section("source")
    if connection.url_variable:
        notes.set("url_variable", connection.url_variable)
    if connection.option_file:
        notes.set("option_file", connection.option_file)
    notes.set("table", g.table.name)
    notes.set("shape", g.shape, _why_this_shape(g))
    _zone(g)
    for one in noted:
        notes.note(one)
    if conditions:
        notes.set("where", " AND ".join(conditions))
    if connection.tls == "off":
        notes.set("tls", "off", "As you connected. Over a network leave this out.")
    if g.view is not None:
        notes.section(
            "source.changes",
            "`follow` listens to these tables: each with its column that has the order's"
            " number. Add each other table that the view reads.",
        )
        for name, column in g.view.changes.items():
            notes.set(name, column)


def _view_to_make(g: Guess) -> None:
    if g.view is None:
        return
    g.notes.lines.append("")
    g.notes.note(
        "The orders are in one table and their lines in another. This view has a row per line;"
        " create it as a user who may, then grant SELECT and SHOW VIEW on it:"
    )
    g.notes.paste(g.view.statement(g.used))
    for one in g.view.notes:
        g.notes.note(one)


def _why_this_shape(g: Guess) -> str:
    if g.view is not None:
        return "Sure: the view has a row per line."
    if g.lines_column is not None:
        return f"Sure: {g.lines_column.name} has each order's lines as JSON."
    if g.shape == TODO:
        return (
            "No JSON with lines, no columns for article and quantity, and no other table that"
            " refers to this one with them: say row_per_order or row_per_line, or make a view"
            " that joins orders and lines (row_per_line)."
        )
    return (
        "Likely: article and quantity are columns here. An order with three lines has three"
        " rows with the same number."
    )


def _zone(g: Guess) -> None:
    created = g.created
    note = f"The server's own zone is {g.looked.zone or 'unknown'}."
    if created is None or created.kind in ("date", *TEXTS):
        g.notes.todo("time_zone", f"In which zone are the times? {note} Europe/Berlin is one.")
    elif created.kind == "timestamp" or created.kind in INTEGERS:
        kind = "a TIMESTAMP" if created.kind == "timestamp" else "a count since 1970"
        g.notes.set("time_zone", "UTC", f"Not used by {created.name}, {kind}: that is UTC.")
    elif plain(created.name).endswith(("_gmt", "_utc")):
        g.notes.set("time_zone", "UTC", f"Likely: the name {created.name} says so.")
    elif created.filled_now and _is_zone(g.looked.zone):
        g.notes.set(
            "time_zone",
            g.looked.zone,
            f"Likely: the server fills {created.name}, and its zone is this one.",
        )
    else:
        g.notes.todo(
            "time_zone",
            f"{created.name} is a DATETIME, which does not say its zone: the shop's program"
            f" chose it. {note} Compare an order whose moment you know. Europe/Berlin is one.",
        )


def _where(g: Guess) -> tuple[list[str], list[str]]:
    """Rows that are no orders, by columns that other shops use for that: conditions, and what to
    say of them. What is not known is kept: `check` shows it."""
    conditions: list[str] = []
    noted: list[str] = []
    for column in g.table.columns:
        counts = g.table.words.get(column.name, {})
        if not g.is_of(column, HEAD) or column.name in g.taken:
            continue
        condition = None
        if is_called(column.name, "deleted"):
            condition = _not_deleted(column)
            if condition is not None:
                fact = f"{described(column)}, so rows that have it set are no orders"
                noted.append(f"Likely: {fact}{counted(counts)}.")
        elif column.kind in TEXTS and is_called(column.name, "kind") and len(counts) > 1:
            others = [word for word in counts if word and _is_no_order(word)]
            note = f"Look at {column.name}{counted(counts)}: are all of them orders?"
            if others:
                condition = f"COALESCE(`{column.name}`, '') NOT IN ({_texts(others)})"
                note += " A guess: refunds, quotes and the like are not, and are left out."
            noted.append(note)
        if condition is not None:
            conditions.append(condition)
            g.used.append(column.name)
    amount = quantity(g)
    values = g.table.values(amount.name) if amount is not None else []
    if amount is not None and any(text.startswith("-") for text in values):
        noted.append(
            f"{amount.name} is negative in some rows: if those are returns or credit notes, exclude"
            " them with where. Otherwise their orders go to quarantine."
        )
    return conditions, noted


def target(g: Guess) -> None:
    g.notes.section(
        "target",
        "Practise on this machine first (`spillway up`). On AWS: region, orders_table and"
        " watchdog_queue_url instead of local_port.",
    )
    g.notes.set("local_port", 8080)


def _not_deleted(column: Column) -> str | None:
    if column.kind in TIMES and column.nullable:
        return f"`{column.name}` IS NULL"
    if column.kind in (*INTEGERS, "bit"):
        return f"COALESCE(`{column.name}`, 0) = 0"
    return None


def _is_no_order(word: str) -> bool:
    return any(re.search(rf"(^|_){one}", plain(word)) for one in words.NO_ORDERS)


def _texts(some: list[str]) -> str:
    """As SQL."""
    doubled = (word.replace("\\", "\\\\").replace("'", "''") for word in some)
    return ", ".join(f"'{word}'" for word in doubled)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return "/" in name or name == "UTC"
