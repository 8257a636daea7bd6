"""The bucket that a stage's price books are in (orders.aws.book_index says how).

Beside each book is its catalogue, which only the storefront needs: catalogues/<version>.json.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from orders.aws.book_file import BookFileInvalid, decode
from orders.aws.book_index import INDEX_KEY, BookIndex, Entry, book_key
from orders.domain.book import NO_TIME, Book
from orders.domain.units import Millis
from spillway.errors import CheckFailed, SpillwayError
from spillway.target.service import Service

#: The data stack's output that names it.
OUTPUT = "PricesBucketName"
#: S3 tells the time without its fraction of a second.
CLOCK_AHEAD_MAX_SECONDS = 2
#: A book is encoded between the two readings. Of its two minutes' notice, one is for the servers.
CLOCK_BEHIND_MAX_SECONDS = 30
_EXISTS = "PreconditionFailed"
_CONFLICTS = frozenset({_EXISTS, "ConditionalRequestConflict"})


class Publication(Entry, frozen=True, omit_defaults=True):
    """An entry of the list with what people ask about it; intake reads only what it needs.

    `by`: whoever published it. `changes`: in one line, what it changed.
    """

    published_at: Millis = NO_TIME
    by: str = ""
    articles: int = 0
    changes: str = ""


class Publications(BookIndex, frozen=True):
    entries: tuple[Publication, ...] = ()

    def current(self, at: Millis) -> Publication | None:
        """The one that an order is priced by that is made and sent then."""
        found = self.in_force(at, at)
        return found if isinstance(found, Publication) else None

    def next(self, now: Millis) -> Publication | None:
        """The first that has not begun."""
        later = (entry for entry in self.entries if entry.begins > now and not entry.withdrawn)
        return next(later, None)


class PriceBucket:
    """Reads and writes the bucket, with the operator's own credentials."""

    def __init__(self, s3: Any, name: str) -> None:
        self._s3, self.name = s3, name
        #: By S3's clock, to the second: when it answered last; 0 before it has.
        self._answered_at = NO_TIME

    @classmethod
    def of(cls, service: Service) -> PriceBucket:
        return cls(service.client("s3"), service.output(OUTPUT))

    def publications(self) -> tuple[Publications, str | None]:
        """The list, and its ETag; empty and None where nothing was ever published."""
        try:
            answer = self._s3.get_object(Bucket=self.name, Key=INDEX_KEY)
        except self._s3.exceptions.NoSuchKey as missing:
            self._answered_at = _date(missing.response)
            return Publications(), None
        self._answered_at = _date(answer)
        content = answer["Body"].read()
        try:
            return msgspec.json.decode(content, type=Publications), answer["ETag"]
        except msgspec.DecodeError as error:
            raise SpillwayError(
                f"The list of price books (s3://{self.name}/{INDEX_KEY}) cannot be read ({error}):"
                " restore an older version of that object."
            ) from error

    def check_clock(self, now: Millis) -> None:
        """SpillwayError: it was not `now` by S3's clock when the list was read.

        A book that begins by a clock that is ahead has not begun for the servers. With the books
        before it withdrawn, they would have none until then. By a clock that is behind, a book
        begins before the servers know of it, and one that has begun counts as still to come.
        """
        ahead_seconds = (now - self._answered_at) / 1000
        if not self._answered_at or (
            -CLOCK_BEHIND_MAX_SECONDS <= ahead_seconds <= CLOCK_AHEAD_MAX_SECONDS
        ):
            return
        side, when = ("ahead of", "late") if ahead_seconds > 0 else ("behind", "early")
        raise SpillwayError(
            f"This machine's clock is {abs(ahead_seconds):,.0f} s {side} S3's, and a book would"
            f" begin too {when}: set the clock, then publish again."
        )

    def file(self, version: str) -> bytes:
        """A book's file as it was published."""
        content = self._get(book_key(version))
        if content is None:
            raise CheckFailed(
                f"There is no price book {version!r}: `spillway prices history` lists them."
            )
        return content

    def catalogue(self, version: str) -> bytes | None:
        """What the store shows of a book, as JSON; None if it is not there, or damaged."""
        content = self._get(_catalogue_key(version))
        try:
            msgspec.json.decode(content or b"")
        except msgspec.DecodeError:
            return None
        return content

    def _get(self, key: str) -> bytes | None:
        """None if it is not there."""
        try:
            answer = self._s3.get_object(Bucket=self.name, Key=key)
        except self._s3.exceptions.NoSuchKey:
            return None
        content: bytes = answer["Body"].read()
        return content

    def book(self, version: str) -> Book:
        return decoded(self.file(version), version)

    def put_book(self, version: str, content: bytes, catalogue: bytes) -> None:
        """A version's name has its content's digest, so one that is there already is the same.

        SpillwayError: it is not, because digests are cut off.
        """
        self._put_once(version, book_key(version), content)
        self._put_once(version, _catalogue_key(version), catalogue)

    def _put_once(self, version: str, key: str, content: bytes) -> None:
        try:
            self._s3.put_object(Bucket=self.name, Key=key, Body=content, IfNoneMatch="*")
        except self._s3.exceptions.ClientError as error:
            if _code(error) not in _CONFLICTS:
                raise
            if _code(error) != _EXISTS or self._get(key) != content:
                raise SpillwayError(
                    f"Another price book is being published as {version}: wait a minute, then"
                    " publish again."
                ) from error

    def put_publications(self, publications: Publications, etag: str | None) -> None:
        """Replace the list that had this ETag.

        SpillwayError: it has changed since, because another person published.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            self._s3.put_object(
                Bucket=self.name,
                Key=INDEX_KEY,
                Body=msgspec.json.encode(publications),
                ContentType="application/json",
                **condition,
            )
        except self._s3.exceptions.ClientError as error:
            if _code(error) not in _CONFLICTS:
                raise
            raise SpillwayError(
                "Another price book was published at the same time, and this one was not: look at"
                " `spillway prices history`, then publish again."
            ) from error


def _catalogue_key(version: str) -> str:
    return f"catalogues/{version}.json"


def decoded(content: bytes, version: str) -> Book:
    """The book in a file. SpillwayError: it is damaged."""
    try:
        return decode(content, version)
    except BookFileInvalid as error:
        raise SpillwayError(
            f"The price book {version} cannot be read ({error}): publish a new one."
        ) from error


def _date(answer: Any) -> Millis:
    """When S3 made an answer; `NO_TIME` where it does not say."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if text is None:
        return NO_TIME
    return Millis(int(parsedate_to_datetime(text).timestamp() * 1000))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
