"""From an old customer id to the identity provider's subject, and back."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from spillway.errors import SpillwayError

_COLUMNS = ("customer", "subject")


class CustomerFile:
    """A file `customer,subject`, copied to a temporary database on disk: millions of customers do
    not fit the memory that the migration allows itself."""

    def __init__(self, path: Path) -> None:
        # An empty name is SQLite's own temporary file, gone when it is closed.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("CREATE TABLE customers (customer PRIMARY KEY, subject UNIQUE)")
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                self._database.executemany(
                    "INSERT INTO customers VALUES (?, ?)", _pairs(file, path)
                )
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SpillwayError(f"{path} cannot be read: {error}.") from error
        except sqlite3.IntegrityError as error:
            raise SpillwayError(f"{path} names a customer or a subject twice.") from error

    def subject(self, customer: str) -> str | None:
        return self._one("SELECT subject FROM customers WHERE customer = ?", customer)

    def customer(self, subject: str) -> str | None:
        return self._one("SELECT customer FROM customers WHERE subject = ?", subject)

    def _one(self, query: str, value: str) -> str | None:
        found = self._database.execute(query, (value,)).fetchone()
        return None if found is None else str(found[0])

    def close(self) -> None:
        self._database.close()


def _pairs(file: Iterator[str], path: Path) -> Iterator[tuple[str, str]]:
    table = csv.DictReader(file)
    if tuple(table.fieldnames or ()) != _COLUMNS:
        raise SpillwayError(f"{path} must begin with the line {','.join(_COLUMNS)}.")
    for row in table:
        yield (row["customer"] or "").strip(), (row["subject"] or "").strip()
