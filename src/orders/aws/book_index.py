"""The list of price books in their bucket: which one is in force when.

    index.json          this list
    books/<version>     each book's file (orders.aws.book_file), never changed

A book is put there before the list names it, so that what the list names can be read.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from orders.domain.units import Millis

INDEX_KEY = "index.json"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A published book. It is in force from `begins` until the next one begins.

    `withdrawn`: never again, at no time; an order of its time is priced by the next book.
    """

    version: str
    begins: Millis
    withdrawn: bool = False


class BookIndex(msgspec.Struct, frozen=True):
    """All published books, the earliest first."""

    entries: tuple[Entry, ...] = ()

    def in_force(self, at: Millis, now: Millis) -> Entry | None:
        """The book of a time: the last that had begun, or where none had, the first.

        In place of a withdrawn one comes the next that is not, or else the one before. A book that
        has not begun `now` is not in force, whatever is withdrawn; None where no other is left.
        """
        begun = [entry for entry in self.entries if entry.begins <= now]
        place = max(sum(entry.begins <= at for entry in begun) - 1, 0)
        candidates = (*begun[place:], *reversed(begun[:place]))
        return next((entry for entry in candidates if not entry.withdrawn), None)

    def before(self, entry: Entry) -> Iterator[Entry]:
        """Those before one, the latest first, without the withdrawn."""
        place = self.entries.index(entry)
        return (each for each in reversed(self.entries[:place]) if not each.withdrawn)


def book_key(version: str) -> str:
    return f"books/{version}"


def encode_index(index: BookIndex) -> bytes:
    return msgspec.json.encode(index)


def decode_index(content: bytes) -> BookIndex:
    """Raises ValueError for anything else, as msgspec's errors are."""
    return msgspec.json.decode(content, type=BookIndex)
