"""Published price books are read when needed, looked for again each minute, and kept in need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from urllib3.exceptions import ConnectTimeoutError

from orders.aws.book_file import encode
from orders.aws.book_index import BookIndex, Entry, book_key, encode_index
from orders.aws.bucket import Bucket
from orders.aws.price_books import (
    KEPT_MAX,
    LOOK_AGAIN_MS,
    TRY_AGAIN_MS,
    PublishedPriceBooks,
)
from orders.domain.book import Article
from orders.domain.units import Millis
from orders.failures import TransientFailure
from simulation.world import bucket as model
from simulation.world.runtime import MemoryLog, SetClock
from tests.builders import NOW, a_book

URL = "https://prices.s3.eu-west-1.amazonaws.com"
MINUTE = 60_000


@dataclass
class Store:
    """A bucket, what was asked of it, and what is wrong with it: a status, or no answer."""

    bucket: model.Bucket = field(default_factory=model.Bucket)
    asked: list[tuple[str, int]] = field(default_factory=list)
    wrong: dict[str, int | Exception] = field(default_factory=dict)
    failures: int = 1_000

    def request(self, _method: str, url: str, *, headers: Mapping[str, str], **_: Any) -> Any:
        assert headers["authorization"] == "signed"
        key = url.removeprefix(f"{URL}/")
        wrong = self.wrong.get(key) if self.failures else None
        if wrong is None:
            answer = self.bucket.get(key, headers)
        elif isinstance(wrong, int):
            answer = model.Answer(wrong)
        self.asked.append((key, 0 if isinstance(wrong, Exception) else answer.status))
        self.failures -= wrong is not None
        if isinstance(wrong, Exception):
            raise wrong
        return answer

    def publish(self, *versions: tuple[str, int]) -> None:
        """Put books by version and when each begins."""
        for version, _ in versions:
            price = 100 * int(version[1:])
            book = a_book(Article("MUG", (price, None)), version=version)
            self.bucket.objects[book_key(version)] = encode(book.rules, book.articles.values())
        entries = tuple(Entry(version, Millis(begins)) for version, begins in versions)
        self.bucket.objects["index.json"] = encode_index(BookIndex(entries))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def books(store: Store, clock: SetClock, log: MemoryLog) -> PublishedPriceBooks:
    pool: Any = store
    sign = lambda _method, _url, headers, _body: {**headers, "authorization": "signed"}  # noqa: E731
    return PublishedPriceBooks(Bucket(URL, pool, sign), clock, log, begin_within_ms=1_500)


def test_nothing_is_asked_before_an_order_needs_a_book(
    store: Store, books: PublishedPriceBooks
) -> None:
    store.publish(("v1", 0))
    assert store.asked == []
    assert books.in_force(NOW).articles["MUG"].prices == (100, None)
    assert store.asked == [("index.json", 200), ("books/v1", 200)]


def test_the_list_is_asked_for_once_a_minute_and_a_book_once(
    store: Store, books: PublishedPriceBooks, clock: SetClock
) -> None:
    store.publish(("v1", 0))
    for _ in range(5):
        books.in_force(NOW)
    clock.milliseconds += LOOK_AGAIN_MS - 1
    books.in_force(NOW)
    assert len(store.asked) == 2
    clock.milliseconds += 1
    assert books.in_force(NOW).version == "v1"
    assert store.asked[2:] == [("index.json", 304)]


def test_a_new_book_is_found_within_a_minute(
    store: Store, books: PublishedPriceBooks, clock: SetClock
) -> None:
    store.publish(("v1", 0))
    books.in_force(NOW)
    store.publish(("v1", 0), ("v2", NOW + 2 * MINUTE))
    clock.milliseconds += LOOK_AGAIN_MS
    # It has not begun, whatever time an order names.
    assert books.in_force(Millis(NOW + 2 * MINUTE)).version == "v1"
    clock.milliseconds = NOW + 2 * MINUTE
    assert books.in_force(clock.now()).version == "v2"
    # An order that was made before still costs what it cost then.
    assert books.in_force(NOW).version == "v1"
    assert [key for key, _ in store.asked].count("books/v1") == 1


@pytest.mark.parametrize("wrong", [500, 403, ConnectTimeoutError("timed out")])
def test_a_list_that_cannot_be_read_leaves_the_last_one_in_force_in_doubt(
    store: Store,
    books: PublishedPriceBooks,
    clock: SetClock,
    log: MemoryLog,
    wrong: int | Exception,
) -> None:
    store.publish(("v1", 0))
    assert not books.in_force(NOW).is_fallback
    store.wrong["index.json"] = wrong
    clock.milliseconds += LOOK_AGAIN_MS
    book = books.in_force(NOW)
    assert (book.version, book.is_fallback) == ("v1", True)
    [line] = log.lines
    assert (line["step"], line["outcome"]) == ("intake", "price_book_unread")
    assert str(line["detail"]).startswith("index.json: ")
    # The next orders do not wait for it.
    asked = len(store.asked)
    books.in_force(NOW)
    assert len(store.asked) == asked
    store.wrong.clear()
    clock.milliseconds += TRY_AGAIN_MS
    assert not books.in_force(NOW).is_fallback


def test_one_lost_answer_is_asked_for_again_at_once(
    store: Store, books: PublishedPriceBooks, log: MemoryLog
) -> None:
    store.publish(("v1", 0))
    store.wrong["books/v1"] = ConnectTimeoutError("timed out")
    store.failures = 1
    assert books.in_force(NOW).version == "v1"
    assert store.asked == [("index.json", 200), ("books/v1", 0), ("books/v1", 200)]
    assert not log.lines


DAMAGED = (b"", b"not a book", b"SPILLWAY-BOOK-1\nand then nothing of it")


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("warm", [True, False])
def test_a_damaged_new_book_leaves_the_old_one_in_force(
    store: Store,
    books: PublishedPriceBooks,
    clock: SetClock,
    log: MemoryLog,
    content: bytes,
    warm: bool,
) -> None:
    store.publish(("v1", 0))
    if warm:
        books.in_force(NOW)
    clock.milliseconds += LOOK_AGAIN_MS
    store.publish(("v1", 0), ("v2", NOW))
    store.bucket.objects["books/v2"] = content
    book = books.in_force(NOW)
    assert (book.version, book.is_fallback) == ("v1", True)
    books.in_force(NOW)
    assert [str(line["detail"]).partition(":")[0] for line in log.lines] == ["books/v2"]
    assert [key for key, _ in store.asked].count("books/v2") == 1
    # Published again under another version, it is found.
    store.publish(("v1", 0), ("v3", NOW))
    clock.milliseconds += TRY_AGAIN_MS
    book = books.in_force(NOW)
    assert (book.version, book.is_fallback) == ("v3", False)


@pytest.mark.parametrize("content", [b"", b'{"entries": 7}', b'{"entries": ["\xe9"]}'])
def test_a_list_that_makes_no_sense_is_not_taken(
    store: Store, books: PublishedPriceBooks, clock: SetClock, log: MemoryLog, content: bytes
) -> None:
    store.publish(("v1", 0))
    books.in_force(NOW)
    store.bucket.objects["index.json"] = content
    clock.milliseconds += LOOK_AGAIN_MS
    assert books.in_force(NOW).version == "v1"
    assert len(log.lines) == 1


def test_with_no_book_at_all_the_order_is_sent_again_later(
    store: Store, books: PublishedPriceBooks, log: MemoryLog
) -> None:
    for _ in range(2):
        with pytest.raises(TransientFailure, match="list of price books"):
            books.in_force(NOW)
    assert [line["outcome"] for line in log.lines] == ["price_book_unread"] * 2
    store.publish()
    with pytest.raises(TransientFailure, match="no price book has begun"):
        books.in_force(NOW)
    assert len(log.lines) == 3
    store.publish(("v1", 0))
    store.bucket.objects["books/v1"] = b"damaged"
    with pytest.raises(TransientFailure, match="no price book can be read"):
        books.in_force(NOW)
    # The order after it does not have to wait for the next minute.
    store.publish(("v1", 0))
    assert books.in_force(NOW).version == "v1"


def test_only_the_books_that_were_used_last_are_kept(
    store: Store, books: PublishedPriceBooks
) -> None:
    versions = [(f"v{number}", number * MINUTE) for number in range(1, KEPT_MAX + 2)]
    store.publish(*versions)
    for _, begins in (*versions, *versions[1:], versions[0]):
        books.in_force(Millis(begins))
    loaded = [key for key, _ in store.asked[1:]]
    assert loaded == [*(book_key(version) for version, _ in versions), "books/v1"]
