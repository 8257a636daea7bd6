"""From an old customer id to the identity provider's subject, and back."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from spillway.errors import SpillwayError

_COLUMNS = ("customer", "subject")
#: What separates fields; a spreadsheet takes what its country writes.
_SEPARATORS = ",;\t"


class CustomerFile:
    """A CSV file with a customer and a subject in each line, copied to a temporary database on
    disk: millions of customers do not fit the memory that the migration allows itself.

    A customer without a subject is unknown. Several customers with one subject are one person:
    their orders come together, and `back` writes new ones under the customer that is named first.
    """

    def __init__(self, path: Path) -> None:
        # An empty name is SQLite's own temporary file, gone when it is closed.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("CREATE TABLE lines (customer, subject, line INTEGER PRIMARY KEY)")
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                self._database.executemany("INSERT INTO lines VALUES (?, ?, ?)", _read(file, path))
        except UnicodeDecodeError as error:
            raise SpillwayError(
                f"{path} is not UTF-8: save it as that (in Excel: CSV UTF-8)."
            ) from error
        except (OSError, csv.Error) as error:
            raise SpillwayError(f"{path} cannot be read: {error}.") from error
        self._database.execute("CREATE INDEX by_customer ON lines (customer, subject)")
        self._database.execute("CREATE INDEX by_subject ON lines (subject, line)")
        self._refuse_two_subjects(path)

    def _refuse_two_subjects(self, path: Path) -> None:
        found = self._database.execute(
            "SELECT customer, MIN(line), MAX(line) FROM"
            " (SELECT customer, MIN(line) AS line FROM lines GROUP BY customer, subject)"
            " GROUP BY customer HAVING COUNT(*) > 1 LIMIT 1"
        ).fetchone()
        if found is not None:
            customer, first, second = found
            raise SpillwayError(
                f"{path} has two subjects for the customer {customer!r}, in the lines {first} and"
                f" {second}: keep the right one."
            )

    def subject(self, customer: str) -> str | None:
        return self._one("SELECT subject FROM lines WHERE customer = ?", customer)

    def customer(self, subject: str) -> str | None:
        """Of several, the one that the file names first."""
        return self._one(
            "SELECT customer FROM lines WHERE subject = ? ORDER BY line LIMIT 1", subject
        )

    def _one(self, query: str, value: str) -> str | None:
        found = self._database.execute(query, (value,)).fetchone()
        return None if found is None else str(found[0])

    def close(self) -> None:
        self._database.close()


def _read(file: Iterator[str], path: Path) -> Iterator[tuple[str, str, int]]:
    """Each line's customer, subject and number, but for lines without a subject."""
    header = next(file, "")
    separator = next((one for one in _SEPARATORS if one in header), ",")
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
    if sorted(names) != sorted(_COLUMNS):
        raise SpillwayError(f"{path} must begin with the line {','.join(_COLUMNS)}.")
    by_name = names.index("customer"), names.index("subject")
    lines = csv.reader(file, delimiter=separator)
    for fields in lines:
        if not any(map(str.strip, fields)):
            continue
        line = lines.line_num + 1
        if len(fields) != len(_COLUMNS):
            raise SpillwayError(
                f"Line {line} of {path} has {len(fields)} fields, not two: a {separator!r} inside"
                " one needs quotes around it."
            )
        customer, subject = (fields[place].strip() for place in by_name)
        if not customer:
            raise SpillwayError(f"Line {line} of {path} has a subject and no customer.")
        if subject:
            yield customer, subject, line
