"""A book that is about to be published: what it changes, and when it begins."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from orders.aws.book_file import encode
from orders.domain.units import Millis
from spillway.errors import SpillwayError, UsageError
from spillway.operate.prices.bucket import PriceBucket, Publication, Publications, decoded
from spillway.operate.prices.comparing import Comparison, compare, shown_changes, suspicions
from spillway.operate.prices.coupons import Counted, compare_coupons
from spillway.operate.prices.publishing import (
    Contents,
    When,
    begins_soon,
    contents,
    digest_of,
    publish,
    version_before,
    version_of,
)
from spillway.price_book import PriceBook, encoded_catalogue, values
from spillway.target.service import Service


@dataclass(frozen=True, slots=True)
class Plan:
    """`follows`: the version that the book is compared with, None where it is the first. `later`:
    books that were published before and begin after this one. `back_to`: of a rollback, the version
    that it is a copy of."""

    version: str
    when: When
    content: bytes
    catalogue: bytes
    articles: int
    changes: Comparison
    suspicions: list[str]
    follows: str | None
    later: list[Publication]
    publications: Publications
    etag: str | None
    now: Millis
    back_to: str | None = None

    @property
    def changes_nothing(self) -> bool:
        return self.follows is not None and not self.changes.parts and not self.when.withdraw

    @property
    def waiting(self) -> list[Publication]:
        """Books that wait for their two minutes, and that this one withdraws."""
        waits = (one for one in self.publications.entries if one.begins > self.now)
        withdrawn = (one for one in waits if begins_soon(one) and not one.withdrawn)
        return list(withdrawn) if self.when.withdraw else []

    def is_same_book(self, other: Publication) -> bool:
        return digest_of(other.version) == digest_of(self.version)

    def carry_out(self, bucket: PriceBucket, by: str) -> None:
        """SpillwayError: somebody else published since this was drafted."""
        line = str(self.changes)
        publication = Publication(
            self.version,
            self.when.begins,
            published_at=self.now,
            by=by,
            articles=self.articles,
            changes=f"back to {self.back_to}: {line}" if self.back_to else line,
        )
        publish(
            bucket,
            self.content,
            self.catalogue,
            publication,
            self.when.withdraw,
            self.publications,
            self.etag,
        )


def draft(
    bucket: PriceBucket,
    book: PriceBook,
    *,
    now: Millis,
    when: When,
    fall_max: float,
    counted: Counted,
) -> Plan:
    """What publishing a checked book would do. SpillwayError: it would lower a coupon's limit."""
    new = book.rules, dict(book.articles)
    files = encode(book.rules, book.articles.values()), encoded_catalogue(book)
    return _draft(bucket, new, files, now, when, fall_max, counted)


def draft_rollback(
    bucket: PriceBucket,
    version: str | None,
    *,
    now: Millis,
    when: When,
    fall_max: float,
    counted: Counted,
) -> Plan:
    """What publishing an older version again would do; None is the one before that in force."""
    named = version is not None
    if version is None:
        version = version_before(bucket.publications()[0], now)
    content = bucket.file(version)
    new = contents(decoded(content, version))
    catalogue = bucket.catalogue(version)
    if catalogue is None:
        raise SpillwayError(
            f"The price book {version} has no catalogue, so the storefront could not show it:"
            " publish its files again instead."
        )
    files = content, catalogue
    plan = _draft(bucket, new, files, now, when, fall_max, counted, back_to=version)
    if named:
        return plan
    return replace(plan, suspicions=[*_withdrawn(plan), *plan.suspicions])


def _draft(
    bucket: PriceBucket,
    new: Contents,
    files: tuple[bytes, bytes],
    now: Millis,
    when: When,
    fall_max: float,
    counted: Counted,
    back_to: str | None = None,
) -> Plan:
    content, catalogue = files
    publications, etag = bucket.publications()
    if when.soon and not publications.entries:
        when = When(now)
    before = publications.current(when.begins)
    old, unread = _contents_of(bucket, before)
    coupons = compare_coupons(
        bucket,
        publications,
        old[0] if old else None,
        new[0],
        begins=when.begins,
        now=now,
        counted=counted,
    )
    if coupons.lowered and back_to is None:
        raise SpillwayError(" ".join(coupons.lowered))
    changes = compare(old, *new)
    if before and old:
        changes.shown = shown_changes(bucket.catalogue(before.version), catalogue, changes)
    return Plan(
        version=version_of(content, catalogue, now),
        when=when,
        content=content,
        catalogue=catalogue,
        articles=len(new[1]),
        changes=changes,
        suspicions=[
            *unread,
            *coupons.lowered,
            *coupons.suspicions,
            *suspicions(changes, old, *new, fall_max=fall_max),
        ],
        follows=before.version if before and old else None,
        later=[
            entry
            for entry in publications.entries
            if entry.begins > when.begins and not (when.withdraw and begins_soon(entry))
        ],
        publications=publications,
        etag=etag,
        now=now,
        back_to=back_to,
    )


def _contents_of(
    bucket: PriceBucket, published: Publication | None
) -> tuple[Contents | None, list[str]]:
    """A book's contents; None, and a sentence, where it is damaged: that must not keep another one
    from taking its place."""
    if published is None:
        return None, []
    try:
        return contents(bucket.book(published.version)), []
    except SpillwayError as error:
        return None, [f"Nothing could be compared. {error}"]


def _withdrawn(rollback: Plan) -> Iterator[str]:
    """The book before may be the one with the wrong price."""
    entries = rollback.publications.entries
    if all(entry.withdrawn for entry in entries if entry.version == rollback.back_to):
        yield f"{rollback.back_to} was withdrawn by a book that was published --at-once."


def publish_first(bucket: PriceBucket, book: PriceBook, *, now: Millis, by: str) -> None:
    """Publish a book into an empty bucket: it begins at once."""
    draft(bucket, book, now=now, when=When(now), fall_max=1, counted=lambda _: {}).carry_out(
        bucket, by
    )


def read_time(text: str | None) -> Millis | None:
    """The moment of `--from`. SpillwayError: it is none."""
    if text is None:
        return None
    if "T" not in text:
        # A day begins at the book's own midnight, and --rollback names no book to look into.
        raise UsageError(
            f"--from: {text!r} has no time of day: write it like 2026-12-01T08:00:00Z."
        )
    try:
        return values.begin(text, None)
    except ValueError as error:
        raise UsageError(f"--from: {error}") from None


def who(service: Service) -> str:
    """The person who publishes, as AWS or this machine knows them."""
    if service.emulator is not None:
        return getpass.getuser()
    arn: Any = service.client("sts").get_caller_identity()["Arn"]
    return str(arn).rpartition(":")[2]
