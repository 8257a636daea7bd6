"""The price books that the store has published, in their private bucket: the `PriceBooks` port.

The list of books is looked at when an order first needs it, and then at most once a minute; that
it has not changed is an answer without content. A book's file never changes, so it is read once.

What cannot be read changes nothing: the list and the books in memory stay in force, and a log line
rings the alarm. Where nothing is in memory there is nothing to price by, and the order is answered
503: it is never taken at the client's word.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from orders.aws.book_file import BookFileInvalid, decode
from orders.aws.book_index import INDEX_KEY, BookIndex, book_key, decode_index
from orders.aws.bucket import Bucket
from orders.domain.book import Book
from orders.domain.units import Millis
from orders.failures import TransientFailure
from orders.ports import Clock, Log

LOOK_AGAIN_MS = 60_000
#: After a failure: sooner, but not at each order, which would wait for it.
TRY_AGAIN_MS = 10_000
#: Two prices can change within the grace period of an order.
KEPT_MAX = 3
#: Of the books before one that cannot be read, so many are tried in its place.
FALLBACKS_MAX = 2


@dataclass(slots=True)
class PublishedPriceBooks:
    """For one request at a time: nothing here is locked.

    `begin_within_ms`: so long after a request asked no object is begun to be read any more, so that
    fallbacks do not add up.
    """

    bucket: Bucket
    clock: Clock
    log: Log
    begin_within_ms: int
    _index: BookIndex | None = None
    _tag: str | None = None
    #: The list could not be read when it was last looked at.
    _outdated: bool = False
    _look_at: int = 0
    #: By version, the one used last at the end.
    _books: dict[str, Book] = field(default_factory=dict)
    #: Versions that could not be read since the list was last looked at.
    _unread: set[str] = field(default_factory=set)

    def in_force(self, at: Millis) -> Book:
        """The book of this time; where it cannot be read, the last one before it that can, as its
        fallback. Raises TransientFailure where there is none."""
        begin_by = Millis(self.clock.now() + self.begin_within_ms)
        index = self._published()
        right = index.in_force(at, self.clock.now())
        if right is None:
            self._log_unread(INDEX_KEY, "it names no book that has begun")
            raise self._nothing_to_price_by("no price book has begun")
        for entry in (right, *islice(index.before(right), FALLBACKS_MAX)):
            book = self._book(entry.version, begin_by)
            if book is not None:
                certain = entry is right and not self._outdated
                return book if certain else replace(book, is_fallback=True)
        raise self._nothing_to_price_by("no price book can be read")

    def prepare(self) -> None:
        """Read the list and today's book in the init phase, where no customer waits yet."""
        with suppress(TransientFailure):
            self.in_force(self.clock.now())

    def _published(self) -> BookIndex:
        """The list of books, looked at again where it is time to."""
        now = self.clock.now()
        if now >= self._look_at:
            self._look_at = now + LOOK_AGAIN_MS
            self._unread.clear()
            self._look()
        if self._index is None:
            raise self._nothing_to_price_by("the list of price books cannot be read")
        return self._index

    def _look(self) -> None:
        try:
            found = self.bucket.get(INDEX_KEY, self._tag)
            if found is not None:
                self._index, self._tag = decode_index(found[0]), found[1]
        except (TransientFailure, ValueError) as error:
            # msgspec's errors are ValueErrors, and so is a text that is not UTF-8.
            self._log_unread(INDEX_KEY, error)
            self._outdated = True
        else:
            self._outdated = False

    def _book(self, version: str, begin_by: Millis) -> Book | None:
        """None if it cannot be read, or not in time."""
        book = self._books.pop(version, None)
        in_time = self.clock.now() <= begin_by
        if book is None and version not in self._unread and in_time:
            book = self._loaded(version)
        if book is None:
            return None
        self._books[version] = book
        if len(self._books) > KEPT_MAX:
            del self._books[next(iter(self._books))]
        return book

    def _loaded(self, version: str) -> Book | None:
        key = book_key(version)
        try:
            found = self.bucket.get(key)
            return None if found is None else decode(found[0], version)
        except (TransientFailure, BookFileInvalid) as error:
            self._log_unread(key, error)
            self._unread.add(version)
            return None

    def _log_unread(self, key: str, problem: object) -> None:
        self._look_at = min(self._look_at, self.clock.now() + TRY_AGAIN_MS)
        self.log("intake", "price_book_unread", detail=f"{key}: {problem}")

    def _nothing_to_price_by(self, problem: str) -> TransientFailure:
        """The next order looks again."""
        self._look_at = 0
        return TransientFailure(problem)
