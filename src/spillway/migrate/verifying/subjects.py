"""The customers' file, read for verification: without the copy's reader, whose mistakes would be on
both sides."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import suppress
from pathlib import Path


class Subjects:
    """Old customer id to subject. The file is read with the first question, into a temporary
    database on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None

    def __call__(self, customer: str) -> str | None:
        """None where the file names none. ValueError: it names two."""
        if self._database is None:
            self._database = _read(self._path)
        found = self._database.execute("SELECT subject FROM known WHERE customer = ?", (customer,))
        subjects = [str(subject) for (subject,) in found]
        if len(subjects) > 1:
            raise ValueError(customer)
        return subjects[0] if subjects else None

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


def _read(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect("")
    database.execute(
        "CREATE TABLE known (customer TEXT, subject TEXT, PRIMARY KEY (customer, subject))"
        " WITHOUT ROWID"
    )
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        dialect = csv.excel()
        dialect.delimiter = max(",;\t", key=header.count)
        first = next(csv.reader([header], dialect))
        places = {name.strip().casefold(): place for place, name in enumerate(first)}
        for fields in csv.reader(file, dialect):
            # Refused by the copy's reader before, but for empty lines.
            with suppress(IndexError):
                customer, subject = (fields[places[name]] for name in ("customer", "subject"))
                if subject.strip():
                    database.execute(
                        "INSERT OR IGNORE INTO known VALUES (?, ?)",
                        (customer.strip(), subject.strip()),
                    )
    return database
