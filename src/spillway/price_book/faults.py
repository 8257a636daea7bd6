"""Faults of a price book, each one sentence with its file and line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from spillway.errors import SpillwayError

#: So many are listed; of the others only how many there are.
LISTED_MAX = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """`line` counts from 1; None where it is about the whole file."""

    file: str
    line: int | None
    sentence: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}, line {self.line:,}"
        return f"{where}: {self.sentence}"


class BookFaulty(SpillwayError):
    """A price book has faults: the first `LISTED_MAX` of them, and how many there are in all."""

    def __init__(self, faults: list[Fault], count: int) -> None:
        self.faults, self.count = faults, count
        more = f" ({count - 1:,} more: see `spillway prices check`)" if count > 1 else ""
        super().__init__(f"{faults[0]}{more}")


@dataclass(slots=True)
class Faults:
    """Gathers faults. A file of 200,000 faulty lines takes no more memory than one of 20."""

    listed: list[Fault] = field(default_factory=list)
    count: int = 0

    def add(self, file: str, line: int | None, sentence: str) -> None:
        self.count += 1
        if len(self.listed) < LISTED_MAX:
            self.listed.append(Fault(file, line, sentence))

    @contextmanager
    def at(self, file: str, line: int | None) -> Iterator[None]:
        """What a `ValueError` says in the block is a fault there."""
        try:
            yield
        except ValueError as error:
            self.add(file, line, str(error))

    def stop(self, file: str, line: int | None, sentence: str) -> NoReturn:
        """A fault after which nothing more can be read. Raises BookFaulty."""
        self.add(file, line, sentence)
        self.check()
        raise AssertionError

    def check(self) -> None:
        """Raises BookFaulty when there are any."""
        if self.count:
            raise BookFaulty(self.listed, self.count)
