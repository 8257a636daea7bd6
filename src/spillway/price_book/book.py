"""A price book that was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orders.domain.book import Article, Book, Rules
from orders.domain.order import Channel


@dataclass(frozen=True, slots=True)
class PriceBook:
    """A book without faults. `shown` is what the catalogue's columns say, by sku, of the articles
    that the store shows; `page` is what the book hands on to the store's pages; `channels` are
    those whose prices everybody may see."""

    rules: Rules
    articles: Mapping[str, Article]
    shown: Mapping[str, Mapping[str, str]]
    page: Mapping[str, Any]
    channels: Sequence[Channel]

    def book(self, version: str) -> Book:
        return Book(version, self.rules, self.articles)
