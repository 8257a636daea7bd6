"""[order]: its number, time, amounts, status, channel, currency and payment."""

from __future__ import annotations

import re
from typing import Any

from spillway.migrate.config import TODO
from spillway.migrate.proposing import words
from spillway.migrate.proposing.choosing import (
    EXACT,
    INTEGERS,
    STATES_MAX,
    TEXTS,
    TIMES,
    Guess,
    counted,
    described,
)
from spillway.migrate.proposing.looking import Column, matches
from spillway.migrate.proposing.words import CURRENCIES, plain, state_of

NAMING = frozenset(
    (*EXACT, "binary", "varbinary", "char", "varchar", "tinytext", "text", "mediumtext", "longtext")
)


def currencies(g: Guess) -> None:
    column = g.take(g.find("currency", TEXTS))
    g.currency = {"value": TODO}
    g.currency_note = "No column has the currency: say which all orders have (GBP, EUR)."
    if column is None:
        g.notes.set("currencies", [TODO], g.currency_note)
        return
    counts = {word: n for word, n in g.table.words.get(column.name, {}).items() if word}
    codes = {word: _currency(word) for word in counts}
    known = sorted({code for code in codes.values() if code})
    empty = g.table.words.get(column.name, {}).get(None, 0)
    g.currency = {"column": column.name}
    if empty:
        g.currency["default"] = known[0] if len(known) == 1 else TODO
    translated = {word: code or TODO for word, code in codes.items() if code != word}
    if translated:
        g.currency["map"] = translated
    g.currency_note = f"Likely: by its name{counted(g.table.words.get(column.name, {}))}."
    g.notes.set("currencies", known or [TODO], f"All that {column.name} has.")


def order(g: Guess) -> None:
    notes = g.notes
    notes.section("order")
    _key(g)
    # Before the address: with a way back, each column is written from one field.
    g.customer = g.take(
        g.find("customer", frozenset((*INTEGERS, *TEXTS))) or g.find("email", TEXTS)
    )
    _created_at(g)
    settled = g.take(g.find("settled_at", frozenset((*TIMES, "int", "bigint"))))
    if settled is not None:
        notes.set(
            "settled_at",
            settled.name,
            f"A guess: {described(settled)}. When a settled order came to its end;"
            " without it, when it was placed."
            + (
                " Each change of a row sets it: after an UPDATE of many rows leave it out."
                if settled.filled_by_changes
                else ""
            ),
        )
    _amounts(g)
    _state(g)
    _channel(g)
    notes.set("currency", g.currency, g.currency_note)
    _payment(g)
    for role, name in (("coupon", "coupon"), ("purchase_order", "purchase_order")):
        column = g.take(g.find(role, TEXTS))
        if column is not None:
            default = {"default": "DISCOUNT"} if role == "coupon" else {}
            notes.set(name, {"column": column.name, **default}, f"Likely: {described(column)}.")


def _key(g: Guess) -> None:
    table, notes = g.table, g.notes
    if g.view is not None:
        key = table.by_name[g.view.key]
        g.take(key)
        g.key = key
        if key.kind in NAMING:
            notes.set("key", key.name, f"Sure: {described(key)}, and the lines refer to it.")
        else:
            _no_key(g, key)
        return
    found = [
        (not _fits(g, column), place, column.name)
        for column in table.columns
        if (place := matches(column.name, "number")) is not None and column.kind in NAMING
    ]
    if not found:
        g.key = None
        odd = next((c for c in table.columns if matches(c.name, "number") is not None), None)
        _no_key(g, odd)
        return
    key = table.by_name[min(found)[2]]
    g.key = g.take(key)
    if g.shape == "row_per_order":
        why = (
            "Sure: it is unique"
            if table.is_unique(key.name)
            else "Likely: by its name. No unique index says so; `check` tells which stand twice"
        )
    else:
        why = "Likely: by its name, and the lines of an order share it"
    index = (
        ""
        if key.name in table.indexed
        else (f" It begins no index: CREATE INDEX spillway_key ON {table.name} ({key.name})")
    )
    others = [name for _, _, name in sorted(found)[1:3]]
    beside = f" Not chosen: {', '.join(others)}." if others else ""
    notes.set("key", key.name, f"{why}; {described(key)}.{index}{beside}")


def _fits(g: Guess, column: Column) -> bool:
    """Whether it can be the order's number in this shape: unique, or shared by lines."""
    if g.shape == "row_per_line":
        return not g.table.is_unique(column.name)
    return g.table.is_unique(column.name) or not any(g.table.unique)


def _no_key(g: Guess, column: Column | None) -> None:
    odd = (
        f"{column.name} is {column.type.upper()}, which can't name an order exactly: add a"
        f" generated column with its text and an index on it"
        if column is not None
        else "No column looks like the order's number"
    )
    g.notes.todo("key", f"{odd}. It must be one column: a whole number, DECIMAL, text or BINARY.")


def _created_at(g: Guess) -> None:
    column = g.find("created_at", frozenset(TIMES)) or g.find(
        "created_at", frozenset(("int", "bigint", "varchar", "char"))
    )
    by_name = column is not None
    if column is None:
        times = [c for c in g.table.columns if c.kind in TIMES and c.name not in g.taken]
        column = times[0] if len(times) == 1 else None
    g.created = g.take(column)
    if column is None:
        g.notes.todo("created_at", "No column looks like the moment of the order.")
        return
    why = "Likely: by its name" if by_name else "A guess: the only time in the table"
    date = (
        ". It has no time of day: all orders of a day are at midnight"
        if column.kind == "date"
        else ""
    )
    text = (
        ". It is a text: YYYY-MM-DD HH:MM:SS is read, DD.MM.YYYY is not"
        if column.kind in TEXTS
        else ""
    )
    g.notes.set("created_at", column.name, f"{why}; {described(column)}{date}{text}.")


def _amounts(g: Guess) -> None:
    for role in ("total", "shipping", "tax", "discount"):
        column = g.find(role, frozenset((*EXACT, "float", "double", "varchar")))
        if column is None or _differs_by_line(g, column):
            continue
        g.take(column)
        note = f"Likely: {described(column)}."
        if role == "total":
            note += (
                " It must be lines + shipping + tax - discount: where `check` finds sku prices"
                " right and totals wrong, one of the three is counted twice or missing."
            )
        if role == "tax":
            note += (
                " Only where the lines' prices are without tax: if they include it, leave this"
                " out, or each total is wrong."
            )
        if column.kind in ("float", "double"):
            note += " A float is not exact: look at the amounts in `check`'s quarantine."
        g.notes.set(role, column.name, note)


def _differs_by_line(g: Guess, column: Column) -> bool:
    """Quantity by price beside a line, and not the order's own amount."""
    if g.shape != "row_per_line" or g.view is not None or g.key is None:
        return False
    said: dict[str | None, str | None] = {}
    return any(
        said.setdefault(row.get(g.key.name), row.get(column.name)) != row.get(column.name)
        for row in g.table.sample
    )


def _state(g: Guess) -> None:
    table = g.table
    found = []
    for column in table.columns:
        place = matches(column.name, "status")
        if place is None or column.name in g.taken:
            continue
        counts = table.words.get(column.name)
        known = sum(bool(state_of(word)) for word in counts or () if word)
        few = counts is not None and len(counts) <= STATES_MAX
        found.append((not known, not few, place, column.name))
    g.status = g.take(table.by_name[min(found)[3]]) if found else None
    if g.status is None:
        g.notes.set(
            "status",
            {"value": TODO},
            "No column looks like a status. If all orders are done, give a value here, and say"
            " below what it means.",
        )
        return
    g.states = table.words.get(g.status.name, {})
    setting: dict[str, str] = {"column": g.status.name}
    note = f"Likely: {described(g.status)}."
    empty = sum(n for word, n in g.states.items() if not (word or "").strip())
    if empty:
        setting["default"] = TODO
        note += f" {empty:,} rows have none: default says which word counts for them."
    g.notes.set("status", setting, note)


def _channel(g: Guess) -> None:
    column = g.find("channel", TEXTS)
    counts = g.table.words.get(column.name, {}) if column else {}
    if column is None or not counts:
        g.notes.set(
            "channel", {"value": "retail"}, "A guess: no column tells retail from wholesale."
        )
        return
    g.take(column)
    known = {word: _channel_of(word) for word in counts if word}
    setting: dict[str, Any] = {"column": column.name}
    if not all(counts):
        setting["default"] = "retail"
    setting["map"] = {word: meaning for word, meaning in known.items() if word != meaning}
    if not setting["map"]:
        del setting["map"]
    g.notes.set("channel", setting, f"A guess: {column.name} has the words{counted(counts)}.")


def _payment(g: Guess) -> None:
    column = g.take(g.find("payment", TEXTS | INTEGERS))
    if column is None:
        g.notes.set(
            "payment_reference",
            {"value": f"{plain(g.looked.table.name)}-{{key}}"},
            "No column has the payment's reference: the order's number stands in its place.",
        )
    else:
        g.notes.set(
            "payment_reference",
            {"column": column.name, "default": "none"},
            f"Likely: {described(column)}.",
        )


def _currency(word: str) -> str | None:
    said = word.strip()
    if re.fullmatch(r"[A-Za-z]{3}", said):
        return said.upper()
    return CURRENCIES.get(said.lower())


def _channel_of(word: str) -> str:
    said = plain(word)
    if said in words.WHOLESALE:
        return "wholesale"
    return "retail" if said in words.RETAIL else TODO
