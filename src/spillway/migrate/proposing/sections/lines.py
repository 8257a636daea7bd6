"""[lines]: columns of a line, or names in the JSON of a column."""

from __future__ import annotations

from collections import Counter

from spillway.migrate.proposing import words
from spillway.migrate.proposing.choosing import WORD_MAX, Guess, described, lines_in
from spillway.migrate.proposing.looking import Column, matches
from spillway.migrate.proposing.words import plain


def quantity(g: Guess) -> Column | None:
    found = [
        (place, column.name)
        for column in g.table.columns
        if (place := matches(column.name, "quantity")) is not None
    ]
    return g.table.by_name[min(found)[1]] if found and not g.lines_column else None


def lines(g: Guess) -> None:
    notes = g.notes
    notes.section("lines")
    g.prices = []
    if g.lines_column is not None:
        _lines_of_json(g, g.lines_column)
        return
    for role in ("sku", "quantity", "unit_price"):
        column = g.take(g.find(role))
        if column is None:
            notes.todo(role, f"No column looks like a line's {role.replace('_', ' ')}.")
            continue
        note = f"Likely: {described(column)}."
        said = plain(column.name)
        if role == "unit_price":
            g.prices = g.table.values(column.name)
            if any(word in said for word in ("total", "sum", "gesamt", "revenue")):
                note += " If it is the price of all units together, divide it in a view."
        if role == "sku" and said.endswith(("_id", "id")):
            note += " It is a number of the shop's own: better a column with the article's code."
        notes.set(role, column.name, note)
        if role == "sku":
            _postage(g, set(g.table.values(column.name)))


def _lines_of_json(g: Guess, column: Column) -> None:
    notes = g.notes
    g.take(column)
    notes.set("column", column.name, f"Sure: {described(column)}, and has JSON lists.")
    lists = [one for text in g.table.values(column.name) if (one := lines_in(text))]
    names = Counter(name for name, _ in lists if name)
    if names:
        notes.set("list", names.most_common(1)[0][0], "The list's name in the JSON object.")
    lines = [line for _, of_one in lists for line in of_one]
    keys = list(dict.fromkeys(key for line in lines for key in line))
    for role in ("sku", "quantity", "unit_price"):
        found = [(place, key) for key in keys if (place := matches(key, role)) is not None]
        if not found:
            shown = ", ".join(sorted(keys)[:12])
            notes.todo(role, f"None of a line's names looks like it: {shown}.")
            continue
        key = min(found)[1]
        many = sum(key in line for line in lines)
        notes.set(role, key, f"Likely: by its name, in {many:,} of {len(lines):,} lines seen.")
        if role == "unit_price":
            g.prices = [str(line[key]) for line in lines if line.get(key) is not None]
        if role == "sku":
            _postage(g, {str(line.get(key)) for line in lines})


def _postage(g: Guess, codes: set[str]) -> None:
    found = sorted(code for code in codes if plain(code) in words.POSTAGE and len(code) <= WORD_MAX)
    if found:
        g.notes.set(
            "shipping_skus",
            found,
            "Likely: these articles are postage by their codes. Are there more?",
        )
