"""[money], [times] and [texts]: what the stored values mean."""

from __future__ import annotations

import re

from spillway.migrate.config import TODO
from spillway.migrate.old.values import utf8_from_latin1
from spillway.migrate.proposing import words
from spillway.migrate.proposing.choosing import INTEGERS, Guess, described
from spillway.migrate.proposing.looking import Column, matches
from spillway.migrate.proposing.words import plain

#: Whole numbers beyond this count milliseconds since 1970: in seconds it would be the year 5138.
MILLISECONDS_FROM = 100_000_000_000
#: This share of a Latin-1 column's texts beyond ASCII is no coincidence.
MOJIBAKE_SHARE = 0.2


def money(g: Guess) -> None:
    amounts = [
        column
        for role in ("unit_price", "total")
        for column in g.table.columns
        if matches(column.name, role) is not None and column.name in g.used
    ]
    prices = [text for text in g.prices if text] or [
        text for column in amounts for text in g.table.values(column.name)
    ]
    g.notes.section("money")
    whole = [text for text in prices if re.fullmatch(r"-?\d+", text.strip())]
    kinds = {column.kind for column in amounts}
    typical = sorted(abs(int(text)) for text in whole)[len(whole) // 2] if whole else 0
    said = [c for c in amounts if c.kind in INTEGERS and _says_minor(c)]
    if said:
        g.notes.set("unit", "minor", f"Sure: {described(said[0])}.")
    elif kinds and kinds <= INTEGERS:
        hundreds = bool(whole) and all(int(text) % 100 == 0 for text in whole)
        g.notes.set(
            "unit",
            "major" if hundreds or typical < 100 else "minor",
            f"A guess: whole numbers, in the middle {typical:,}. minor means pence or cents,"
            " major pounds or euros: compare one with its invoice, a wrong one is a"
            " hundredfold.",
        )
    elif any("," in text for text in prices):
        g.notes.set(
            "unit", "major", "Amounts are texts with a comma, which are set aside: name a"
            " column or a view with REPLACE(amount, ',', '.')."
        )  # fmt: skip
    elif "decimal" in kinds or any("." in text for text in prices):
        g.notes.set("unit", "major", "Sure: amounts have decimals.")
    elif whole and typical >= 100:
        g.notes.set(
            "unit", TODO, f"Whole numbers, in the middle {typical:,}: minor for pence, major"
            " for pounds. Compare one with its invoice."
        )  # fmt: skip
    else:
        g.notes.set("unit", TODO, "major for 12.34, minor for 1234: no amount was seen.")
    finer = sum(len(text.partition(".")[2].rstrip("0")) > 2 for text in prices)
    if finer:
        g.notes.set(
            "fractions",
            "round",
            f"{finer:,} of {len(prices):,} prices seen have more than two decimals: rounded, or"
            " the order is set aside (quarantine).",
        )


def times(g: Guess) -> None:
    created = g.created
    if created is None or created.kind not in INTEGERS:
        return
    values = [int(text) for text in g.table.values(created.name) if text.isdigit()]
    unit = "milliseconds" if values and max(values) > MILLISECONDS_FROM else "seconds"
    g.notes.section("times")
    g.notes.set("numbers_are", unit, f"Sure, by how large {created.name} is.")


def texts(g: Guess) -> None:
    wrong = [
        (column.name, *found)
        for column in g.table.columns
        if column.name in g.used and (found := mojibake(g, column))
    ]
    if wrong:
        g.notes.section("texts")
        shown = ", ".join(f"{name}: {broken} of {of}" for name, broken, of in wrong)
        g.notes.set(
            "utf8_in_latin1",
            [name for name, _, _ in wrong],
            f"Likely: latin1 columns in which texts beyond ASCII are UTF-8 ({shown} seen).",
        )


def mojibake(g: Guess, column: Column) -> tuple[int, int] | None:
    """How many texts are UTF-8 stored as Latin-1, of how many beyond ASCII; None for too few."""
    if column.charset != "latin1":
        return None
    texts = [text for text in g.table.values(column.name) if not text.isascii()]
    broken = sum(utf8_from_latin1(text) != text for text in texts)
    return (broken, len(texts)) if broken > len(texts) * MOJIBAKE_SHARE else None


def _says_minor(column: Column) -> bool:
    said = f"{plain(column.name)}_{plain(column.comment)}".split("_")
    return not set(words.MINOR).isdisjoint(said)
