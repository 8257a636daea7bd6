"""A database that sorts more than memory should hold.

It stays in memory while it is small, spills into an unnamed file when it grows, and is gone when it
is closed.
"""

from __future__ import annotations

import sqlite3

#: What SQLite keeps in memory, of the tables and again for sorting them.
CACHE_KIB = 16 * 1024


def temporary_database() -> sqlite3.Connection:
    database = sqlite3.connect("")
    # Nothing to recover: it dies with this process.
    for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
        database.execute(f"PRAGMA {setting}")
    return database
