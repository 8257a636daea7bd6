"""[order.address]: by names alone. No value of it is shown."""

from __future__ import annotations

import re
from typing import Any

from spillway.migrate.config import TODO
from spillway.migrate.old.values import utf8_from_latin1
from spillway.migrate.proposing import words
from spillway.migrate.proposing.choosing import Guess
from spillway.migrate.proposing.looking import Column
from spillway.migrate.proposing.sections.values import mojibake
from spillway.migrate.proposing.words import COUNTRIES, plain

LINES_MAX = 5


def address(g: Guess) -> None:
    notes = g.notes
    notes.section(
        "order.address",
        "By the columns' names, those of the delivery first. No value of them is shown here.",
    )
    name = g.part("name")
    first, last = g.part("first_name"), g.part("last_name")
    if name is not None:
        g.take(name)
        notes.set("name", {"column": name.name, "default": "-"})
    elif first is not None and last is not None:
        notes.set(
            "name",
            {"column": TODO},
            f"The name is in two columns, {first.name} and {last.name}: add one that has both"
            f" (ALTER TABLE {g.table.name} ADD full_name VARCHAR(255) AS (CONCAT_WS(' ',"
            f" {first.name}, {last.name})) VIRTUAL; [back] cannot write it), or name one.",
        )
    else:
        notes.set("name", {"value": "-"}, "No column looks like the receiver's name.")
    _address_lines(g)
    for role in ("city", "postal_code", "country", "state", "phone", "email"):
        if role == "country":
            _country(g)
            continue
        column = g.take(g.part(role))
        if column is not None:
            default = {"default": "-"} if role == "city" else {}
            notes.set(role, {"column": column.name, **default})
        elif role == "city":
            notes.set("city", {"value": "-"}, "No column looks like the city.")


def _address_lines(g: Guess) -> None:
    fields: list[dict[str, str]] = []
    for role in ("line1", "line2"):
        column = g.take(g.part(role))
        while column is not None and len(fields) < LINES_MAX:
            fields.append({"column": column.name, **({} if fields else {"default": "-"})})
            # A house number may follow, and a second line; another street is another address.
            column = g.take(g.part(role)) if role == "line2" and not _prefixed(column) else None
    if fields:
        g.notes.set("lines", fields)
    else:
        g.notes.set("lines", [{"value": "-"}], "No column looks like the street.")


def _country(g: Guess) -> None:
    column = g.take(g.part("country"))
    if column is None:
        g.notes.set(
            "country", {"value": TODO}, "No column has the country: say which (two letters)."
        )
        return
    setting: dict[str, Any] = {"column": column.name}
    counts = g.table.words.get(column.name)
    if counts is None:
        g.notes.set(
            "country",
            {**setting, "default": TODO},
            "Too many different texts for a list of countries: look at them.",
        )
        return
    note = f"Likely: by its name, {len(counts)} words; orders have codes of two letters."
    empty = sum(n for word, n in counts.items() if not (word or "").strip())
    if empty:
        setting["default"] = TODO
        note += f" {empty:,} rows have none: default is for them."
    mend = utf8_from_latin1 if mojibake(g, column) else str
    named = {word: _country_of(word) for word in map(mend, filter(None, counts)) if word.strip()}
    translated = {word: code for word, code in named.items() if code != word}
    if translated:
        setting["map"] = translated
    g.notes.set("country", setting, note)


def _country_of(word: str) -> str:
    said = word.strip()
    if re.fullmatch(r"[A-Z]{2}", said) and said != "UK":
        return said
    return COUNTRIES.get(plain(said), TODO)


def _prefixed(column: Column) -> bool:
    return plain(column.name).split("_")[0] in (*words.DELIVERY, *words.INVOICE)
