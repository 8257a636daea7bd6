"""Publishing a price book: its file first, then the list that names it.

Every environment of intake looks at the list once a minute. So a book begins two minutes after it
is published: by then all know it, and all price an order of the same moment alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from orders.aws.book_file import LazyArticles
from orders.domain.book import Article, Book, Rules
from orders.domain.units import Millis
from spillway.errors import CheckFailed, UsageError
from spillway.operate.prices.bucket import PriceBucket, Publication, Publications

#: How long after publishing a book begins.
NOTICE_MS = 2 * 60 * 1000
#: An entry is dropped from the list when its book has not been in force for so long; the longest
#: grace for an order's own time is a week.
KEPT_MS = 90 * 24 * 60 * 60 * 1000
#: So many entries are kept in any case, to go back to.
KEPT_MIN = 20
_DIGEST_CHARACTERS = 4

Contents = tuple[Rules, dict[str, Article]]


@dataclass(frozen=True, slots=True)
class When:
    """`withdraw`: the books before it are never used again, also for orders of their time. `soon`:
    nobody named the time; a first book, of which no server need be told, then begins at once."""

    begins: Millis
    withdraw: bool = False
    soon: bool = False


def when(now: Millis, begins: Millis | None, *, at_once: bool) -> When:
    """When a book begins that is published now. SpillwayError: so that nobody could know it."""
    if at_once and begins is not None:
        raise UsageError("A book begins --at-once or --from a time, not both.")
    if at_once:
        return When(now, withdraw=True)
    if begins is not None and begins < now + NOTICE_MS:
        raise UsageError(
            "--from names a time that is less than 2 minutes ahead, and not every server would know"
            " the book by then: name a later one, or use --at-once."
        )
    return When(Millis(now + NOTICE_MS), soon=True) if begins is None else When(begins)


def contents(book: Book) -> Contents:
    """A book's rules and all of its articles."""
    articles = book.articles
    every = articles.every() if isinstance(articles, LazyArticles) else articles.values()
    return book.rules, {article.sku: article for article in every}


def version_of(content: bytes, catalogue: bytes, now: Millis) -> str:
    """Sorts by the minute of publishing: 20261129T2359-3f2a."""
    minute = datetime.fromtimestamp(now / 1000, UTC)
    digest = hashlib.sha256(content + catalogue).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{minute:%Y%m%dT%H%M}-{digest}"


def digest_of(version: str) -> str:
    """The same for the same book, whenever it was published."""
    return version.rpartition("-")[2]


def version_before(publications: Publications, now: Millis) -> str:
    """What a rollback goes back to: the book before the one in force. SpillwayError: none."""
    current = publications.current(now)
    begun = [entry for entry in publications.entries if entry.begins <= now]
    earlier = [entry for entry in begun if current is None or entry.begins < current.begins]
    if not earlier:
        instead = (
            f" To take back one that begins in two minutes, publish the one in force again:"
            f" `spillway prices publish --rollback {current.version} --at-once`."
            if current is not None
            else ""
        )
        raise CheckFailed(f"There is no price book before the one in force.{instead}")
    return earlier[-1].version


def publish(
    bucket: PriceBucket,
    content: bytes,
    catalogue: bytes,
    publication: Publication,
    withdraw: bool,
    publications: Publications,
    etag: str | None,
) -> Publications:
    """Put a book's files into the bucket, then the list with its entry; returns that list.

    SpillwayError: somebody else published since the list was read.
    """
    bucket.put_book(publication.version, content, catalogue)
    listed = with_entry(publications, publication, withdraw=withdraw)
    bucket.put_publications(listed, etag)
    return listed


def with_entry(
    publications: Publications, publication: Publication, *, withdraw: bool
) -> Publications:
    """The list with one more entry. Of two that begin at the same time the later published wins.

    Withdrawn are those that have begun, and one that was published moments ago and waits for its
    two minutes: it may be the mistake, and would replace the correction. A planned one stays.
    """
    entries = [
        msgspec.structs.replace(entry, withdrawn=True)
        if withdraw and (entry.begins <= publication.begins or begins_soon(entry))
        else entry
        for entry in publications.entries
    ]
    entries.append(publication)
    entries.sort(key=lambda entry: entry.begins)
    return Publications(tuple(_kept(entries, publication.published_at)))


def begins_soon(entry: Publication) -> bool:
    """It was published without a time of its own: it begins, or began, two minutes later."""
    return entry.begins - entry.published_at <= NOTICE_MS


def _kept(entries: list[Publication], now: Millis) -> list[Publication]:
    """Without those whose successors have begun long ago."""
    ended = sum(entry.begins < now - KEPT_MS for entry in entries[1:])
    return entries[min(ended, max(len(entries) - KEPT_MIN, 0)) :]
