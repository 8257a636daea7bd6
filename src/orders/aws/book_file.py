"""A price book as one file: what `spillway prices publish` writes and intake loads.

Loading must be as quick for 200,000 articles as for ten, because it lengthens a cold start. So
nothing is parsed but the rules: articles lie in a hash table, and each one is read out of it when
an order first names it.

    SPILLWAY-BOOK-1 <newline>     then, all compressed with zlib:
    u32    the length of the head
    u32    the number of buckets
    head   the rules, as JSON
    u32    for each bucket and one more: where in the articles it begins
           the articles: each bucket a JSON list, by the CRC-32 of the sku

Whole numbers are little-endian.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from orders.domain.book import Article, Book, Rules

_MAGIC = b"SPILLWAY-BOOK-1\n"
_LENGTHS = struct.Struct("<II")
#: Articles that one process keeps at hand: some hundred bytes each.
KEPT_MAX = 50_000

_encode = msgspec.json.Encoder().encode
_rules = msgspec.json.Decoder(Rules).decode
_bucket = msgspec.json.Decoder(tuple[Article, ...]).decode


class BookFileInvalid(Exception):
    """The bytes are no price book that this release can read."""


def encode(rules: Rules, articles: Iterable[Article]) -> bytes:
    """The file of a book. Each sku comes once."""
    all_articles = list(articles)
    buckets: list[list[Article]] = [[] for _ in range(len(all_articles) or 1)]
    for article in all_articles:
        buckets[_hash(article.sku) % len(buckets)].append(article)
    encoded = [_encode(bucket) if bucket else b"" for bucket in buckets]
    begins = [0]
    for part in encoded:
        begins.append(begins[-1] + len(part))
    head = _encode(rules)
    table = struct.pack(f"<{len(begins)}I", *begins)
    content = _LENGTHS.pack(len(head), len(buckets)) + head + table + b"".join(encoded)
    return _MAGIC + zlib.compress(content, 9)


def decode(content: bytes, version: str) -> Book:
    """The book in a file. Raises `BookFileInvalid`."""
    if not content.startswith(_MAGIC):
        raise BookFileInvalid("it does not begin as a price book")
    try:
        raw = memoryview(zlib.decompress(memoryview(content)[len(_MAGIC) :]))
        head_bytes, buckets = _LENGTHS.unpack_from(raw)
        head_end = _LENGTHS.size + head_bytes
        table_end = head_end + 4 * (buckets + 1)
        rules = _rules(raw[_LENGTHS.size : head_end])
        begins = array("I", bytes(raw[head_end:table_end]))
    except (zlib.error, struct.error, ValueError) as error:
        # msgspec's errors are ValueErrors.
        raise BookFileInvalid(f"it is damaged: {type(error).__name__}") from None
    if sys.byteorder == "big":
        begins.byteswap()
    if not buckets or len(begins) != buckets + 1 or begins[-1] != len(raw) - table_end:
        raise BookFileInvalid("it is cut off")
    return Book(version, rules, LazyArticles(begins, raw[table_end:]))


class LazyArticles(dict[str, Article]):
    """The articles by sku, each read out of the file when first asked for.

    A dictionary, because an article that was asked for before is then found at the speed of one.
    As one it has only what it was asked for; `every` has all.
    """

    def __init__(self, begins: Sequence[int], raw: memoryview) -> None:
        super().__init__()
        self._begins = begins
        self._raw = raw

    def __missing__(self, sku: str) -> Article:
        bucket = _hash(sku) % (len(self._begins) - 1)
        content = self._raw[self._begins[bucket] : self._begins[bucket + 1]]
        for article in _bucket(content) if content else ():
            if article.sku == sku:
                if len(self) >= KEPT_MAX:
                    self.clear()
                self[sku] = article
                return article
        # An unknown sku is not kept: anybody could fill the memory with them.
        raise KeyError(sku)

    def every(self) -> Iterator[Article]:
        """All articles, in no order; none is kept."""
        for begins, ends in pairwise(self._begins):
            if ends > begins:
                yield from _bucket(self._raw[begins:ends])


def _hash(sku: str) -> int:
    return zlib.crc32(sku.encode("utf-8", "surrogatepass"))
