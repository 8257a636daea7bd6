"""A price book's file: what was put in comes out, quickly, and anything else is refused."""

from __future__ import annotations

import pytest

from orders.aws.book_file import KEPT_MAX, BookFileInvalid, LazyArticles, decode, encode
from orders.domain.book import Article
from orders.domain.units import Millis
from tests.builders import a_book, a_coupon

ARTICLES = [
    Article("MUG-SAGE", (1_400, (1, 700, 48, 650))),
    Article("日本-1", (None, 250), 1, 400, 6, Millis(5), Millis(9)),
    *(Article(f"SKU-{number}", (number, None)) for number in range(1, 500)),
]
RULES = a_book(coupons={"SPRING": a_coupon(minimum={"GBP": 2_000})}).rules


def test_what_was_put_in_comes_out() -> None:
    book = decode(encode(RULES, ARTICLES), "v7")
    assert (book.version, book.rules) == ("v7", RULES)
    assert [book.articles[article.sku] for article in ARTICLES] == ARTICLES
    assert [book.articles[article.sku] for article in ARTICLES] == ARTICLES  # and once more
    assert isinstance(book.articles, LazyArticles)
    assert {article.sku: article for article in book.articles.every()} == {
        article.sku: article for article in ARTICLES
    }


def test_an_article_that_is_not_there_is_a_key_error_and_is_not_kept() -> None:
    articles = decode(encode(RULES, ARTICLES), "v7").articles
    for sku in ("MUG-CLAY", "", "SKU-500", "\ud800"):
        with pytest.raises(KeyError):
            articles[sku]
    assert len(articles) == 0


def test_a_book_may_be_empty() -> None:
    with pytest.raises(KeyError):
        decode(encode(RULES, []), "v1").articles["MUG-SAGE"]


def test_only_so_many_articles_are_kept_at_hand() -> None:
    many = [Article(f"SKU-{number}", (number,)) for number in range(1, KEPT_MAX + 10)]
    articles = decode(encode(RULES, many), "v1").articles
    for article in many:
        assert articles[article.sku] == article
    assert len(articles) <= KEPT_MAX


def test_a_file_that_is_cut_off_damaged_or_another_is_refused() -> None:
    file = encode(RULES, ARTICLES)
    damaged = bytearray(file)
    damaged[len(file) // 2] ^= 0xFF
    for content in (b"", b"{}", file[:10], file[: len(file) // 2], file[:-1], bytes(damaged)):
        with pytest.raises(BookFileInvalid):
            decode(content, "v1")
