"""Looks up articles and coupons in the price book in force and in the next one."""

from __future__ import annotations

from dataclasses import dataclass, field

from orders.domain.book import Article, Book, Coupon
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.prices.bucket import PriceBucket, Publication


@dataclass(slots=True)
class InBook:
    """What one book says of what was asked. None where it says nothing."""

    publication: Publication
    book: Book
    articles: dict[str, Article | None] = field(default_factory=dict)
    coupon: Coupon | None = None


@dataclass(slots=True)
class Lookup:
    """`next` is None where no later book is published. `missing`: what neither book has."""

    current: InBook
    next: InBook | None
    skus: list[str]
    code: str | None

    @property
    def books(self) -> list[InBook]:
        return [self.current] if self.next is None else [self.current, self.next]

    @property
    def missing(self) -> list[str]:
        skus = [sku for sku in self.skus if not any(one.articles[sku] for one in self.books)]
        coupon = [self.code] if self.code and not any(one.coupon for one in self.books) else []
        return skus + coupon


def look_up(bucket: PriceBucket, now: Millis, skus: list[str], code: str | None) -> Lookup:
    """SpillwayError: no book has begun."""
    publications, _ = bucket.publications()
    current, following = publications.current(now), publications.next(now)
    if current is None:
        raise SpillwayError(
            "No price book is in force: publish one with `spillway prices publish BOOK.toml`."
        )
    if following is not None and following.version == current.version:
        following = None
    return Lookup(
        _in_book(bucket, current, skus, code),
        _in_book(bucket, following, skus, code) if following else None,
        skus,
        code,
    )


def _in_book(
    bucket: PriceBucket, publication: Publication, skus: list[str], code: str | None
) -> InBook:
    book = bucket.book(publication.version)
    found = InBook(publication, book, {sku: _article(book, sku) for sku in skus})
    if code is not None:
        # Also the campaign's own code, which no order can have.
        found.coupon = book.rules.coupons.get(code) or book.rules.coupon(code)
    return found


def _article(book: Book, sku: str) -> Article | None:
    try:
        return book.articles[sku]
    except KeyError:
        return None
