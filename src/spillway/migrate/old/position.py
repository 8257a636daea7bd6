"""A place in the binary log, and where the log ends now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection

from spillway.errors import SpillwayError
from spillway.migrate.old.connection import run

#: Under the names of older and newer servers.
LOG_STATUS = ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS")
NO_LOG = "The old database writes no binary log: switch it on with log_bin."


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the binary log. Its files are numbered."""

    file: str
    offset: int

    def reached(self, goal: Position) -> bool:
        return self._order >= goal._order

    @property
    def _order(self) -> tuple[int, int]:
        number = self.file.rpartition(".")[2]
        return int(number) if number.isdigit() else 0, self.offset

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"


def position_now(connection: Connection[Any]) -> Position:
    """Where the log ends. SpillwayError: there is none."""
    former, since_mysql_8_4 = LOG_STATUS
    try:
        found = run(connection, former)
    except pymysql.err.ProgrammingError:
        found = run(connection, since_mysql_8_4)
    if not found:
        raise SpillwayError(NO_LOG)
    return Position(str(found[0][0]), int(found[0][1] or 0))
