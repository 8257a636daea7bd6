"""What the storefront shows of the price books, in the bucket that its pages are in.

    prices.json                      which catalogue counts from when
    catalogues/<begins>-<hash>.json  a book's catalogue, never changed
    address-formats.json             what addresses have in the countries of these books

So a page knows, as intake does, which prices count at which time. The list is asked for again each
time; a catalogue's name has its content's hash and may be cached for ever. CloudFront hands it out
from two minutes before its book begins (web/edge/pages.js): a sale's prices are no secret then.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.prices.bucket import PriceBucket, Publication, Publications
from spillway.run.storefront.site import (
    ADDRESS_FORMATS,
    ASK_AGAIN,
    FOR_EVER,
    address_formats,
)
from spillway.target.service import Service

LIST_KEY = "prices.json"
#: The web stack's output that names the bucket.
OUTPUT = "SiteBucketName"
_HASH_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Storefront:
    """The site's bucket; `s3` has the operator's own credentials."""

    s3: Any
    bucket: str

    @classmethod
    def of(cls, service: Service) -> Storefront:
        return cls(service.client("s3"), service.output(OUTPUT))

    def show(self, books: PriceBucket, now: Millis) -> list[Publication]:
        """Bring what pages show in line with the published books; returns those. Fine to repeat.

        SpillwayError: the site's bucket cannot be written, so that pages show what they did.
        """
        try:
            while True:
                publications, etag = books.publications()
                shown = shown_books(publications, now)
                self._put_list(books, shown)
                # Else another person published meanwhile, and may have written before us.
                if books.publications()[1] == etag:
                    return shown
        except self.s3.exceptions.ClientError as error:
            raise SpillwayError(
                f"The storefront shows other prices than the published ones ({error}): run the"
                " command again, with the permissions that docs/production.md lists."
            ) from error

    def _put_list(self, books: PriceBucket, shown: list[Publication]) -> None:
        # One that is damaged is left out: the storefront then shows the next one when it begins.
        catalogues = [
            (entry, content)
            for entry in shown
            if (content := books.catalogue(entry.version)) is not None
        ]
        countries = {name for _, content in catalogues for name in _countries(content)}
        self._put(ADDRESS_FORMATS, address_formats(sorted(countries)), ASK_AGAIN)
        entries = [
            {"begins": entry.begins, "catalogue": self._put_catalogue(entry, content)}
            for entry, content in catalogues
        ]
        self._put(LIST_KEY, msgspec.json.encode({"books": entries}), ASK_AGAIN)

    def _put_catalogue(self, entry: Publication, content: bytes) -> str:
        """The address at which a page finds it."""
        digest = hashlib.sha256(content).hexdigest()[:_HASH_CHARACTERS]
        key = f"catalogues/{entry.begins}-{digest}.json"
        self._put(key, content, FOR_EVER)
        return f"/{key}"

    def _put(self, key: str, content: bytes, cache_control: str) -> None:
        self.s3.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=content,
            ContentType="application/json",
            CacheControl=cache_control,
        )


def _countries(catalogue: bytes) -> list[str]:
    countries: list[str] = msgspec.json.decode(catalogue)["countries"]
    return countries


def shown_books(publications: Publications, now: Millis) -> list[Publication]:
    """The book in force and those that begin later, the earliest first; of two that begin at the
    same time the one that counts."""
    current = publications.current(now)
    later = {
        entry.begins: entry
        for entry in publications.entries
        if entry.begins > now and not entry.withdrawn
    }
    return [*([current] if current else []), *later.values()]
