"""From what init saw to a first configuration. Pure.

Every guess says why it was made, how sure it is (sure, likely, a guess) and what to look at. What
only the shop's own people can know stays `TODO`, which no other command accepts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from spillway.migrate.config import TODO
from spillway.migrate.old.values import utf8_from_latin1
from spillway.migrate.proposing import words
from spillway.migrate.proposing.joining import ADDRESS, HEAD, LINE, Joined, joined
from spillway.migrate.proposing.looking import (
    Column,
    Described,
    Looked,
    address_part,
    is_called,
    is_of_customers,
    matches,
)
from spillway.migrate.proposing.notes import Notes
from spillway.migrate.proposing.words import COUNTRIES, CURRENCIES, plain, state_of

INTEGERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint"))
EXACT = frozenset((*INTEGERS, "decimal"))
TEXTS = frozenset(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"))
TIMES = frozenset(("datetime", "timestamp", "date"))
NAMING = frozenset(
    (*EXACT, "binary", "varbinary", "char", "varchar", "tinytext", "text", "mediumtext", "longtext")
)
#: Whole numbers beyond this count milliseconds since 1970: in seconds it would be the year 5138.
MILLISECONDS_FROM = 100_000_000_000
#: This share of a Latin-1 column's texts beyond ASCII is no coincidence.
MOJIBAKE_SHARE = 0.2
STATES_MAX = 40
OF_A_LINE = frozenset(("sku", "quantity", "unit_price"))
LINES_MAX = 5
#: An order's id, as a text.
ORDER_ID_LENGTH = 36
WORD_MAX = 60


@dataclass(frozen=True, slots=True)
class Connection:
    """As the person typed it: of `url_variable` and `option_file` one is None."""

    url_variable: str | None
    option_file: str | None
    tls: str = "verify"


@dataclass(frozen=True, slots=True)
class Proposal:
    """The file's text, the places that are left in it, and the view that must be made first."""

    text: str
    todos: tuple[str, ...]
    shape: str
    view: str | None = None


def propose(looked: Looked, connection: Connection) -> Proposal:
    """UsageError: the table has lines, and another one their orders."""
    return _Guess(looked, connection, joined(looked)).proposal()


class _Guess:
    def __init__(self, looked: Looked, connection: Connection, view: Joined | None) -> None:
        self.looked, self.connection, self.view = looked, connection, view
        self.table = view.table if view else looked.table
        self.notes = Notes()
        self.used: list[str] = []
        self.taken: set[str] = set()
        self.shape, self.lines_column = self._shape()

    def proposal(self) -> Proposal:
        body = self.notes
        body.set("quarantine_file", "quarantine.jsonl")
        self._currencies()
        place = len(body.lines)
        self._order()
        self._lines()
        self._customers()
        self._money()
        self._times()
        self._texts()
        self._statuses()
        self._way_back()
        # The source comes first in the file; which columns a view needs is known only now.
        after, body.lines = body.lines[place:], body.lines[:place]
        self._source()
        self._target()
        body.lines += after
        head = Notes()
        self._preface(head)
        todos = tuple(dict.fromkeys(body.todos))
        return Proposal(
            head.text + "\n" + body.text,
            todos,
            self.shape,
            self.view.statement(self.used) if self.view else None,
        )

    # ---- which column is which

    def _find(self, role: str, kinds: frozenset[str] | None = None) -> Column | None:
        """The column whose name fits best, and that nothing else has taken."""
        found = [
            (place, number, column)
            for number, column in enumerate(self.table.columns)
            if (place := matches(column.name, role)) is not None
            and column.name not in self.taken
            and (kinds is None or column.kind in kinds)
            and self._is_of(column, LINE if role in OF_A_LINE else HEAD)
        ]
        return min(found)[2] if found else None

    def _is_of(self, column: Column, part: str) -> bool:
        """In a view a line's own time or sum is not the order's."""
        return self.view is None or self.table.parts.get(column.name) == part

    def _take(self, column: Column | None) -> Column | None:
        if column is not None:
            self.taken.add(column.name)
            self.used.append(column.name)
        return column

    def _part(self, role: str) -> Column | None:
        found = [
            (part, number, column)
            for number, column in enumerate(self.table.columns)
            if (part := address_part(column.name, role))
            and column.name not in self.taken
            and column.kind in TEXTS
            and self._is_of(column, ADDRESS if ADDRESS in self.table.parts.values() else HEAD)
            and not self._is_misleading(column, role)
        ]
        return min(found)[2] if found else None

    def _is_misleading(self, column: Column, role: str) -> bool:
        """A mere name beside lines is the article's, and a state may be the order's."""
        if role == "name" and self.shape == "row_per_line" and not self.view:
            return plain(column.name) == "name"
        counts = self.table.words.get(column.name, {}) if role == "state" else {}
        return any(state_of(word) for word in counts if word)

    def _described(self, column: Column) -> str:
        """Its type and the table's own comment, which is about the column and not about people."""
        said = f", commented {column.comment!r}" if column.comment else ""
        return f"{column.name} is {column.type.upper()}{said}"

    # ---- sections

    def _shape(self) -> tuple[str, Column | None]:
        if self.view:
            return "row_per_line", None
        for column in self.table.columns:
            if column.kind in TEXTS or column.kind in ("json", "blob", "mediumblob", "longblob"):
                texts = self.table.values(column.name)[:20]
                if texts and sum(_lines_in(text) is not None for text in texts) * 2 > len(texts):
                    return "row_per_order", column
        if self._find("sku") and self._find("quantity"):
            return "row_per_line", None
        return TODO, None

    def _preface(self, head: Notes) -> None:
        table = self.looked.table
        head.note(
            f"A first configuration for {table.name} ({len(table.columns)} columns, about"
            f" {table.rows:,} rows) on {self.looked.server}. Each comment says why a setting was"
            " chosen and how sure that is. Read all of it, replace each TODO, then run `spillway"
            " migrate check` until nothing is left to fix."
        )
        names = ", ".join(other.name for other in self.looked.others)
        if names:
            head.note(f"Other tables near it: {names}.")

    def _source(self) -> None:
        notes, connection = self.notes, self.connection
        conditions, said = self._where()
        self._view_to_make()
        notes.section("source")
        if connection.url_variable:
            notes.set("url_variable", connection.url_variable)
        if connection.option_file:
            notes.set("option_file", connection.option_file)
        notes.set("table", self.table.name)
        notes.set("shape", self.shape, self._why_this_shape())
        self._zone()
        for one in said:
            notes.note(one)
        if conditions:
            notes.set("where", " AND ".join(conditions))
        if connection.tls == "off":
            notes.set("tls", "off", "As you connected. Over a network leave this out.")
        if self.view is not None:
            notes.section(
                "source.changes",
                "`follow` listens to these tables: each with its column that has the order's"
                " number. Add each other table that the view reads.",
            )
            for name, column in self.view.changes.items():
                notes.set(name, column)

    def _view_to_make(self) -> None:
        if self.view is None:
            return
        self.notes.lines.append("")
        self.notes.note(
            "The orders are in one table and their lines in another. This view has a row per line;"
            " create it as a user who may, then grant SELECT and SHOW VIEW on it:"
        )
        self.notes.paste(self.view.statement(self.used))
        for one in self.view.notes:
            self.notes.note(one)

    def _why_this_shape(self) -> str:
        if self.view is not None:
            return "Sure: the view has a row per line."
        if self.lines_column is not None:
            return f"Sure: {self.lines_column.name} has each order's lines as JSON."
        if self.shape == TODO:
            return (
                "No JSON with lines, no columns for article and quantity, and no other table that"
                " refers to this one with them: say row_per_order or row_per_line, or make a view"
                " that joins orders and lines (row_per_line)."
            )
        return (
            "Likely: article and quantity are columns here. An order with three lines has three"
            " rows with the same number."
        )

    def _zone(self) -> None:
        created = self._created
        note = f"The server's own zone is {self.looked.zone or 'unknown'}."
        if created is None or created.kind in ("date", *TEXTS):
            self.notes.todo(
                "time_zone", f"In which zone are the times? {note} Europe/Berlin is one."
            )
        elif created.kind == "timestamp" or created.kind in INTEGERS:
            kind = "a TIMESTAMP" if created.kind == "timestamp" else "a count since 1970"
            self.notes.set("time_zone", "UTC", f"Not used by {created.name}, {kind}: that is UTC.")
        elif plain(created.name).endswith(("_gmt", "_utc")):
            self.notes.set("time_zone", "UTC", f"Likely: the name {created.name} says so.")
        elif created.filled_now and _is_zone(self.looked.zone):
            self.notes.set(
                "time_zone",
                self.looked.zone,
                f"Likely: the server fills {created.name}, and its zone is this one.",
            )
        else:
            self.notes.todo(
                "time_zone",
                f"{created.name} is a DATETIME, which does not say its zone: the shop's program"
                f" chose it. {note} Compare an order whose moment you know. Europe/Berlin is one.",
            )

    def _where(self) -> tuple[list[str], list[str]]:
        """Rows that are no orders, by columns that other shops use for that: conditions, and what
        to say of them. What is not known is kept: `check` shows it."""
        conditions, said = [], []
        for column in self.table.columns:
            counts = self.table.words.get(column.name, {})
            if not self._is_of(column, HEAD) or column.name in self.taken:
                continue
            condition = None
            if is_called(column.name, "deleted"):
                condition = _not_deleted(column)
                note = (
                    f"Likely: {self._described(column)}, so rows that have it set are no"
                    f" orders{_said(counts)}."
                )
            elif column.kind in TEXTS and is_called(column.name, "kind") and len(counts) > 1:
                others = [word for word in counts if word and _is_no_order(word)]
                note = f"Look at {column.name}{_said(counts)}: are all of them orders?"
                if others:
                    condition = f"COALESCE(`{column.name}`, '') NOT IN ({_texts(others)})"
                    note += " A guess: refunds, quotes and the like are not, and are left out."
                said.append(note)
                note = ""
            if condition is not None:
                conditions.append(condition)
                self.used.append(column.name)
                said += [note] if note else []
        quantity = self._quantity
        values = self.table.values(quantity.name) if quantity is not None else []
        if quantity is not None and any(text.startswith("-") for text in values):
            said.append(
                f"{quantity.name} is negative in some rows: if those are returns or credit notes,"
                " exclude them with where. Otherwise their orders go to quarantine."
            )
        return conditions, said

    def _target(self) -> None:
        self.notes.section(
            "target",
            "Practise on this machine first (`spillway up`). On AWS: region, orders_table and"
            " watchdog_queue_url instead of local_port.",
        )
        self.notes.set("local_port", 8080)

    def _currencies(self) -> None:
        column = self._take(self._find("currency", TEXTS))
        self._currency_field: Any = {"value": TODO}
        self._currency_note = "No column has the currency: say which all orders have (GBP, EUR)."
        if column is None:
            self.notes.set("currencies", [TODO], self._currency_note)
            return
        counts = {word: n for word, n in self.table.words.get(column.name, {}).items() if word}
        codes = {word: _currency(word) for word in counts}
        known = sorted({code for code in codes.values() if code})
        empty = self.table.words.get(column.name, {}).get(None, 0)
        self._currency_field = {"column": column.name}
        if empty:
            self._currency_field["default"] = known[0] if len(known) == 1 else TODO
        translated = {word: code or TODO for word, code in codes.items() if code != word}
        if translated:
            self._currency_field["map"] = translated
        self._currency_note = f"Likely: by its name{_said(self.table.words.get(column.name, {}))}."
        self.notes.set("currencies", known or [TODO], f"All that {column.name} has.")

    def _order(self) -> None:
        notes = self.notes
        notes.section("order")
        self._key()
        # Before the address: with a way back, each column is written from one field.
        self._customer = self._take(
            self._find("customer", frozenset((*INTEGERS, *TEXTS))) or self._find("email", TEXTS)
        )
        self._created_at()
        settled = self._take(self._find("settled_at", frozenset((*TIMES, "int", "bigint"))))
        if settled is not None:
            notes.set(
                "settled_at",
                settled.name,
                f"A guess: {self._described(settled)}. When a settled order came to its end;"
                " without it, when it was placed.",
            )
        self._amounts()
        self._state()
        self._channel()
        notes.set("currency", self._currency_field, self._currency_note)
        self._payment()
        for role, name in (("coupon", "coupon"), ("purchase_order", "purchase_order")):
            column = self._take(self._find(role, TEXTS))
            if column is not None:
                default = {"default": "DISCOUNT"} if role == "coupon" else {}
                notes.set(
                    name, {"column": column.name, **default}, f"Likely: {self._described(column)}."
                )
        self._address()

    def _key(self) -> None:
        table, notes = self.table, self.notes
        if self.view is not None:
            key = table.by_name[self.view.key]
            self._take(key)
            self._key_column: Column | None = key
            if key.kind in NAMING:
                notes.set(
                    "key", key.name, f"Sure: {self._described(key)}, and the lines refer to it."
                )
            else:
                self._no_key(key)
            return
        found = [
            (not self._fits(column), place, column.name)
            for column in table.columns
            if (place := matches(column.name, "number")) is not None and column.kind in NAMING
        ]
        if not found:
            self._key_column = None
            odd = next((c for c in table.columns if matches(c.name, "number") is not None), None)
            self._no_key(odd)
            return
        key = table.by_name[min(found)[2]]
        self._key_column = self._take(key)
        if self.shape == "row_per_order":
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
        notes.set("key", key.name, f"{why}; {self._described(key)}.{index}{beside}")

    def _fits(self, column: Column) -> bool:
        """Whether it can be the order's number in this shape: unique, or shared by lines."""
        if self.shape == "row_per_line":
            return not self.table.is_unique(column.name)
        return self.table.is_unique(column.name) or not any(self.table.unique)

    def _no_key(self, column: Column | None) -> None:
        odd = (
            f"{column.name} is {column.type.upper()}, which can't name an order exactly: add a"
            f" generated column with its text and an index on it"
            if column is not None
            else "No column looks like the order's number"
        )
        self.notes.todo(
            "key", f"{odd}. It must be one column: a whole number, DECIMAL, text or BINARY."
        )

    def _created_at(self) -> None:
        column = self._find("created_at", frozenset(TIMES)) or self._find(
            "created_at", frozenset(("int", "bigint", "varchar", "char"))
        )
        by_name = column is not None
        if column is None:
            times = [c for c in self.table.columns if c.kind in TIMES and c.name not in self.taken]
            column = times[0] if len(times) == 1 else None
        self._created = self._take(column)
        if column is None:
            self.notes.todo("created_at", "No column looks like the moment of the order.")
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
        self.notes.set("created_at", column.name, f"{why}; {self._described(column)}{date}{text}.")

    def _amounts(self) -> None:
        for role in ("total", "shipping", "tax", "discount"):
            column = self._take(self._find(role, frozenset((*EXACT, "float", "double", "varchar"))))
            if column is None:
                continue
            note = f"Likely: {self._described(column)}."
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
            self.notes.set(role, column.name, note)

    def _state(self) -> None:
        table = self.table
        found = []
        for column in table.columns:
            place = matches(column.name, "status")
            if place is None or column.name in self.taken:
                continue
            counts = table.words.get(column.name)
            known = sum(bool(state_of(word)) for word in counts or () if word)
            few = counts is not None and len(counts) <= STATES_MAX
            found.append((not known, not few, place, column.name))
        self._state_column = self._take(table.by_name[min(found)[3]]) if found else None
        if self._state_column is None:
            self.notes.set(
                "status",
                {"value": TODO},
                "No column looks like a status. If all orders are done, give a value here, and say"
                " below what it means.",
            )
            return
        self._states = table.words.get(self._state_column.name, {})
        setting: dict[str, str] = {"column": self._state_column.name}
        note = f"Likely: {self._described(self._state_column)}."
        empty = sum(n for word, n in self._states.items() if not (word or "").strip())
        if empty:
            setting["default"] = TODO
            note += f" {empty:,} rows have none: default says which word counts for them."
        self.notes.set("status", setting, note)

    def _channel(self) -> None:
        column = self._find("channel", TEXTS)
        counts = self.table.words.get(column.name, {}) if column else {}
        if column is None or not counts:
            self.notes.set(
                "channel", {"value": "retail"}, "A guess: no column tells retail from wholesale."
            )
            return
        self._take(column)
        known = {word: _channel_of(word) for word in counts if word}
        setting: dict[str, Any] = {"column": column.name}
        if not all(counts):
            setting["default"] = "retail"
        setting["map"] = {word: meaning for word, meaning in known.items() if word != meaning}
        if not setting["map"]:
            del setting["map"]
        self.notes.set("channel", setting, f"A guess: {column.name} has the words{_said(counts)}.")

    def _payment(self) -> None:
        column = self._take(self._find("payment", TEXTS | INTEGERS))
        if column is None:
            self.notes.set(
                "payment_reference",
                {"value": f"{plain(self.looked.table.name)}-{{key}}"},
                "No column has the payment's reference: the order's number stands in its place.",
            )
        else:
            self.notes.set(
                "payment_reference",
                {"column": column.name, "default": "none"},
                f"Likely: {self._described(column)}.",
            )

    def _address(self) -> None:
        notes = self.notes
        notes.section(
            "order.address",
            "By the columns' names, those of the delivery first. No value of them is shown here.",
        )
        name = self._part("name")
        first, last = self._part("first_name"), self._part("last_name")
        if name is not None:
            self._take(name)
            notes.set("name", {"column": name.name, "default": "-"})
        elif first is not None and last is not None:
            notes.set(
                "name",
                {"column": TODO},
                f"The name is in two columns, {first.name} and {last.name}: add one that has both"
                f" (ALTER TABLE {self.table.name} ADD full_name VARCHAR(255) AS (CONCAT_WS(' ',"
                f" {first.name}, {last.name})) VIRTUAL), or name one of the two.",
            )
        else:
            notes.set("name", {"value": "-"}, "No column looks like the receiver's name.")
        self._address_lines()
        for role in ("city", "postal_code", "country", "state", "phone", "email"):
            if role == "country":
                self._country()
                continue
            column = self._take(self._part(role))
            if column is not None:
                default = {"default": "-"} if role == "city" else {}
                notes.set(role, {"column": column.name, **default})
            elif role == "city":
                notes.set("city", {"value": "-"}, "No column looks like the city.")

    def _address_lines(self) -> None:
        fields: list[dict[str, str]] = []
        for role in ("line1", "line2"):
            column = self._take(self._part(role))
            while column is not None and len(fields) < LINES_MAX:
                fields.append({"column": column.name, **({} if fields else {"default": "-"})})
                # A house number may follow, and a second line; another street is another address.
                column = (
                    self._take(self._part(role))
                    if role == "line2" and not _prefixed(column)
                    else None
                )
        if fields:
            self.notes.set("lines", fields)
        else:
            self.notes.set("lines", [{"value": "-"}], "No column looks like the street.")

    def _country(self) -> None:
        column = self._take(self._part("country"))
        if column is None:
            self.notes.set(
                "country", {"value": TODO}, "No column has the country: say which (two letters)."
            )
            return
        setting: dict[str, Any] = {"column": column.name}
        counts = self.table.words.get(column.name)
        if counts is None:
            self.notes.set(
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
        named = {word: _country_of(word) for word in counts if word and word.strip()}
        translated = {word: code for word, code in named.items() if code != word}
        if translated:
            setting["map"] = translated
        self.notes.set("country", setting, note)

    @property
    def _quantity(self) -> Column | None:
        found = [
            (place, column.name)
            for column in self.table.columns
            if (place := matches(column.name, "quantity")) is not None
        ]
        return self.table.by_name[min(found)[1]] if found and not self.lines_column else None

    def _lines(self) -> None:
        notes = self.notes
        notes.section("lines")
        self._prices: list[str] = []
        if self.lines_column is not None:
            self._lines_of_json(self.lines_column)
            return
        for role in ("sku", "quantity", "unit_price"):
            column = self._take(self._find(role))
            if column is None:
                notes.todo(role, f"No column looks like a line's {role.replace('_', ' ')}.")
                continue
            note = f"Likely: {self._described(column)}."
            said = plain(column.name)
            if role == "unit_price":
                self._prices = self.table.values(column.name)
                if any(word in said for word in ("total", "sum", "gesamt", "revenue")):
                    note += " If it is the price of all units together, divide it in a view."
            if role == "sku" and said.endswith(("_id", "id")):
                note += (
                    " It is a number of the shop's own: better a column with the article's code."
                )
            notes.set(role, column.name, note)
            if role == "sku":
                self._postage(column)

    def _lines_of_json(self, column: Column) -> None:
        notes = self.notes
        self._take(column)
        notes.set("column", column.name, f"Sure: {self._described(column)}, and has JSON lists.")
        lists = [one for text in self.table.values(column.name) if (one := _lines_in(text))]
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
                self._prices = [str(line[key]) for line in lines if line.get(key) is not None]
            if role == "sku":
                self._postage_among({str(line.get(key)) for line in lines})

    def _postage(self, column: Column) -> None:
        self._postage_among(set(self.table.values(column.name)))

    def _postage_among(self, codes: set[str]) -> None:
        found = sorted(
            code for code in codes if plain(code) in words.POSTAGE and len(code) <= WORD_MAX
        )
        if found:
            self.notes.set(
                "shipping_skus",
                found,
                "Likely: these articles are postage by their codes. Are there more?",
            )

    def _customers(self) -> None:
        notes = self.notes
        notes.section("customers")
        by_id = self._customer
        if by_id is None:
            notes.todo("column", "No column says whose order it is.")
            notes.set("by", "subject")
            notes.todo("prefix", "See the guide.")
            return
        values = self.table.values(by_id.name)
        is_email = sum("@" in value for value in values) * 2 > len(values) or plain(
            by_id.name
        ).endswith("mail")
        notes.set("column", by_id.name, f"Likely: {self._described(by_id)}.")
        owner = self._with_subjects(by_id)
        if owner is not None:
            table, key, subject = owner
            notes.set(
                "by", "table", f"Likely: {table.name} has {subject}, by its name what the identity"
                " provider calls a customer. Compare one with a token of theirs."
            )  # fmt: skip
            notes.set("table", table.name)
            notes.set("key", key)
            notes.set("subject", subject)
        elif is_email:
            notes.set(
                "by",
                "csv",
                "Customers are known by e-mail: export the identity provider's users as a file with"
                " the header customer,subject.",
            )
            notes.todo("file", "The file's path.")
        else:
            notes.set(
                "by",
                "subject",
                "Which subject has customer 4711 in a token of the identity provider? If it is a"
                " prefix and the number, say the prefix (empty: the number alone); if not, by ="
                ' "csv" with file, or by = "table" with table, key and subject.',
            )
            notes.set("prefix", TODO)
        rows = self.table.sample
        empty = sum(not (row.get(by_id.name) or "").strip() for row in rows)
        zeros = sum(row.get(by_id.name) == "0" for row in rows)
        if zeros:
            notes.note(
                f"{by_id.name} is 0 in {zeros:,} of {len(rows):,} rows seen: 0 is no account but a"
                " guest (guest_ids)."
            )
        notes.set(
            "guests",
            "one_each" if empty or zeros or by_id.nullable else "quarantine",
            f"{empty:,} of {len(rows):,} rows seen have no customer. one_each: each such order"
            " gets a subject of its own; quarantine: it is set aside.",
        )

    def _with_subjects(self, of: Column) -> tuple[Described, str, str] | None:
        """Another table that has the subject by what this column has."""
        for table in self.looked.others:
            subject = [
                (place, column.name)
                for column in table.columns
                if (place := matches(column.name, "subject")) is not None
            ]
            if not subject or len(table.primary) != 1 or not is_of_customers(table.name):
                continue
            key = table.by_name[table.primary[0]]
            if (key.kind in INTEGERS) == (of.kind in INTEGERS):
                return table, key.name, min(subject)[1]
            self.notes.note(
                f"{table.name} has {min(subject)[1]} by {key.name}: a view that shows {key.name}"
                ' beside each order makes by = "table" possible.'
            )
        return None

    def _money(self) -> None:
        amounts = [
            column
            for role in ("unit_price", "total")
            for column in self.table.columns
            if matches(column.name, role) is not None and column.name in self.used
        ]
        prices = [text for text in self._prices if text] or [
            text for column in amounts for text in self.table.values(column.name)
        ]
        self.notes.section("money")
        whole = [text for text in prices if re.fullmatch(r"-?\d+", text.strip())]
        kinds = {column.kind for column in amounts}
        typical = sorted(abs(int(text)) for text in whole)[len(whole) // 2] if whole else 0
        said = [c for c in amounts if c.kind in INTEGERS and _says_minor(c)]
        if said:
            self.notes.set("unit", "minor", f"Sure: {self._described(said[0])}.")
        elif kinds and kinds <= INTEGERS:
            hundreds = bool(whole) and all(int(text) % 100 == 0 for text in whole)
            self.notes.set(
                "unit",
                "major" if hundreds or typical < 100 else "minor",
                f"A guess: whole numbers, in the middle {typical:,}. minor means pence or cents,"
                " major pounds or euros: compare one with its invoice, a wrong one is a"
                " hundredfold.",
            )
        elif any("," in text for text in prices):
            self.notes.set(
                "unit", "major", "Amounts are texts with a comma, which are set aside: name a"
                " column or a view with REPLACE(amount, ',', '.')."
            )  # fmt: skip
        elif "decimal" in kinds or any("." in text for text in prices):
            self.notes.set("unit", "major", "Sure: amounts have decimals.")
        elif whole and typical >= 100:
            self.notes.set(
                "unit", TODO, f"Whole numbers, in the middle {typical:,}: minor for pence, major"
                " for pounds. Compare one with its invoice."
            )  # fmt: skip
        else:
            self.notes.set("unit", TODO, "major for 12.34, minor for 1234: no amount was seen.")
        finer = sum(len(text.partition(".")[2].rstrip("0")) > 2 for text in prices)
        if finer:
            self.notes.set(
                "fractions",
                "round",
                f"{finer:,} of {len(prices):,} prices seen have more than two decimals: rounded, or"
                " the order is set aside (quarantine).",
            )

    def _times(self) -> None:
        created = self._created
        if created is None or created.kind not in INTEGERS:
            return
        values = [int(text) for text in self.table.values(created.name) if text.isdigit()]
        unit = "milliseconds" if values and max(values) > MILLISECONDS_FROM else "seconds"
        self.notes.section("times")
        self.notes.set("numbers_are", unit, f"Sure, by how large {created.name} is.")

    def _texts(self) -> None:
        wrong = []
        for column in self.table.columns:
            if column.charset != "latin1" or column.name not in self.used:
                continue
            texts = [text for text in self.table.values(column.name) if not text.isascii()]
            broken = sum(utf8_from_latin1(text) != text for text in texts)
            if texts and broken > len(texts) * MOJIBAKE_SHARE:
                wrong.append((column.name, broken, len(texts)))
        if wrong:
            self.notes.section("texts")
            shown = ", ".join(f"{name}: {broken} of {of}" for name, broken, of in wrong)
            self.notes.set(
                "utf8_in_latin1",
                [name for name, _, _ in wrong],
                f"Likely: latin1 columns in which texts beyond ASCII are UTF-8 ({shown} seen).",
            )

    def _statuses(self) -> None:
        notes = self.notes
        column = self._state_column
        notes.section("statuses")
        if column is None:
            notes.set("TODO", {"is": TODO}, "The value above, and what it means.")
            return
        stated = {word: n for word, n in self._states.items() if word and word.strip()}
        where = "" if self.table.all_counted else " in the newest rows (`check` reads all)"
        notes.note(
            f"Every word of {column.name}, with its rows{where}. confirmed: delivered and paid;"
            " cancelled; rejected with a reason; open: the new service finishes it after the switch"
            ' (done = ["reserve"] if its stock is held already). An order that is not paid is no'
            " order: exclude it with where, and delete its line."
        )
        if not stated or len(stated) > STATES_MAX:
            notes.set(TODO, {"is": TODO}, "Too many different words, or none: say what each means.")
            return
        for word, count in stated.items():
            if len(word) > WORD_MAX:
                continue
            meaning = state_of(word)
            setting: dict[str, str] = {"is": meaning if meaning not in ("", "unclear") else TODO}
            hint = ""
            if meaning == "rejected":
                setting["reason"] = "out_of_stock"
            if meaning == "unclear":
                hint = ", the money may not have come, or gone back"
            elif meaning == "":
                hint = ", not a word that init knows"
            notes.set(word, setting)
            notes.lines[-1] += f"  # {count:,} row{'' if count == 1 else 's'}{hint}"

    def _way_back(self) -> None:
        """As a comment: what only matters after the switch must not stop the first check."""
        key, notes = self._key_column, self.notes
        notes.lines.append("")
        if self.view is not None:
            notes.note(
                "[back] (a way to return after the switch) writes one table: with a view there is"
                " none, see the guide."
            )
            return
        notes.note(
            "The way back, for a return after the switch. Take the signs away when `check` is"
            " ready; each status needs one of the words above. What no column can hold is named in"
            " may_lose, or its order waits."
        )
        kind = self._key_of_new_orders(key)
        by_meaning = {state_of(word): word for word in reversed(list(self._known_words()))}
        opened, confirmed = by_meaning.get("open", TODO), by_meaning.get("confirmed", TODO)
        rejected, cancelled = by_meaning.get("rejected", TODO), by_meaning.get("cancelled", TODO)
        first = ["first_key = 900_000_000"] if kind == "numbered" else []
        meanings = {
            "accepted": opened,
            "confirmed": confirmed,
            "rejecting": opened,
            "rejected": rejected,
            "cancelling": opened,
            "cancelled": cancelled,
        }
        said = [f"{name} = {toml_of(word)}" for name, word in meanings.items()]
        notes.lines += [
            f"# {line}".rstrip()
            for line in ("[back]", f'key = "{kind}"', *first, "", "[back.statuses]", *said)
        ]

    def _key_of_new_orders(self, key: Column | None) -> str:
        if key is not None and key.counts_up and self.shape == "row_per_order":
            return "auto_increment"
        length = (
            re.search(r"\((\d+)\)", key.type) if key is not None and key.kind in TEXTS else None
        )
        return "order_id" if length and int(length[1]) >= ORDER_ID_LENGTH else "numbered"

    def _known_words(self) -> Iterator[str]:
        if self._state_column is not None:
            yield from (word for word in self._states if word)


def toml_of(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)


def _said(counts: dict[str | None, int]) -> str:
    """Words and how often, of a column that is not about people."""
    if not counts:
        return ""
    shown = [
        f"{word or 'empty'} {n:,}"
        for word, n in list(counts.items())[:12]
        if len(word or "") <= WORD_MAX
    ]
    return f" ({', '.join(shown)})" if shown else ""


def _lines_in(text: str) -> tuple[str | None, list[dict[str, Any]]] | None:
    """The list's name, where it has one, and the lines; None where the text is no such JSON."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        return None
    lists = {None: found} if isinstance(found, list) else found
    for name, one in lists.items():
        if isinstance(one, list) and one and all(isinstance(line, dict) for line in one):
            keys = {key for line in one for key in line}
            if any(matches(key, "quantity") is not None for key in keys):
                return name, one
    return None


def _not_deleted(column: Column) -> str | None:
    if column.kind in TIMES and column.nullable:
        return f"`{column.name}` IS NULL"
    if column.kind in (*INTEGERS, "bit"):
        return f"COALESCE(`{column.name}`, 0) = 0"
    return None


def _says_minor(column: Column) -> bool:
    said = f"{plain(column.name)}_{plain(column.comment)}".split("_")
    return not set(words.MINOR).isdisjoint(said)


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


def _currency(word: str) -> str | None:
    said = word.strip()
    if re.fullmatch(r"[A-Za-z]{3}", said):
        return said.upper()
    return CURRENCIES.get(said.lower())


def _country_of(word: str) -> str:
    said = word.strip()
    if re.fullmatch(r"[A-Z]{2}", said) and said != "UK":
        return said
    return COUNTRIES.get(plain(said), TODO)


def _channel_of(word: str) -> str:
    said = plain(word)
    if said in words.WHOLESALE:
        return "wholesale"
    return "retail" if said in words.RETAIL else TODO


def _prefixed(column: Column) -> bool:
    return plain(column.name).split("_")[0] in (*words.DELIVERY, *words.INVOICE)
