"""Price books for the benchmarks: one for orders of so many lines, and a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import msgspec

from orders.aws.book_file import decode, encode
from orders.aws.book_index import INDEX_KEY, BookIndex, Entry, book_key, encode_index
from orders.domain import pricing
from orders.domain.book import ELSEWHERE, Article, Book, Tax, tax_key
from orders.domain.order import Channel, Line, Order
from orders.domain.refusals import Terms, broken_rules
from orders.domain.units import Millis
from orders.handlers.wire import Content, content_of
from simulation.world.bucket import Bucket
from tests.builders import CUSTOMER, KEY, KEY_ID, NOW, a_book, order_body, order_id, order_key

VERSION = "20261123T1000-3f2a"
#: Where a function looks for its books here.
BUCKET = "prices"
_BREAKS = (10, 100)

Work = Callable[[], object]


def bucket_of(articles: Iterable[Article]) -> Bucket:
    """A book of these articles, as it is published."""
    book = a_book()
    index = BookIndex((Entry(VERSION, Millis(0)),))
    content = encode(book.rules, articles)
    return Bucket({INDEX_KEY: encode_index(index), book_key(VERSION): content})


def bucket_of_size(articles: int) -> Bucket:
    return bucket_of(_article(number, (100 + number % 900, None)) for number in range(articles))


def serve(bucket: Bucket) -> str:
    """The address of a server that has this bucket in place of AWS, until this process ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = bucket.get(self.path.removeprefix(f"/{BUCKET}/"), {})
            self.send_response(answer.status)
            self.send_header("content-length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def validating(channel: Channel, lines: int) -> Work:
    """Reading an order's body and checking all but its prices."""
    id_, body, _ = _priced_order(channel, lines)
    key = order_key(CUSTOMER, id_)
    terms = Terms(frozenset({"GBP"}), {KEY_ID: KEY}, wholesale_allowed=True, now=NOW)

    def validate() -> None:
        content = content_of(body)
        if not isinstance(content, Content) or broken_rules(key, content.order, terms):
            raise RuntimeError("A sound order was refused.")

    return validate


def pricing_warm(channel: Channel, lines: int) -> Work:
    """Holding an order against a book whose articles were asked for before."""
    _, body, book = _priced_order(channel, lines)
    order = _order(body)
    return partial(_check, order, book)


def pricing_cold(channel: Channel, lines: int) -> Work:
    """The same with a book whose articles are asked for the first time."""
    _, body, book = _priced_order(channel, lines)
    order = _order(body)

    def check() -> None:
        book.articles.clear()  # type: ignore[attr-defined] # a dictionary, filled as it is asked
        _check(order, book)

    return check


def _check(order: Order, book: Book) -> None:
    if pricing.check(order, book, NOW).refusals:
        raise RuntimeError("An order at the store's price was refused.")


def _order(body: bytes) -> Order:
    content = content_of(body)
    if not isinstance(content, Content):
        raise TypeError("A sound order was refused.")
    return content.order


def _priced_order(channel: Channel, count: int) -> tuple[str, bytes, Book]:
    """An order of so many articles, each in another quantity, and the book by which it is right.

    Retail at one price, its tax included. Wholesale in cases with two quantity breaks, its tax
    added at two rates.
    """
    book = _book(channel, count)
    lines = [Line(f"SKU-{number:05}", 6 * (1 + number % 20), 0) for number in range(count)]
    priced = pricing.price(pricing.Basket(channel, "GBP", lines, (), "GB"), book, NOW)
    pairs = zip(lines, priced.unit_prices, strict=True)
    extra: dict[str, Any] = {} if channel == "retail" else {"purchase_order": "PO-4711"}
    id_ = order_id()
    body = order_body(
        id_,
        lines=[
            {"sku": line.sku, "quantity": line.quantity, "unit_price": price}
            for line, price in pairs
        ],
        channel=channel,
        shipping=priced.shipping,
        tax=priced.tax,
        total=priced.total,
        payment={"reference": "pay_01", "amount": priced.total, "currency": "GBP"},
        **extra,
    )
    return id_, msgspec.json.encode(body), book


def _book(channel: Channel, count: int) -> Book:
    retail = channel == "retail"
    articles = [
        _article(number, (price, None) if retail else (None, _with_breaks(price)), retail=retail)
        for number in range(count)
        for price in [100 + number % 900]
    ]
    tax = Tax(included=retail, rates=(200_000, 50_000), delivery_rate=200_000)
    rules = a_book(
        tax_classes=("standard", "reduced"), taxes={tax_key(channel, ELSEWHERE): tax}
    ).rules
    return decode(encode(rules, articles), VERSION)


def _article(number: int, prices: Sequence[object], *, retail: bool = True) -> Article:
    sku = f"SKU-{number:05}"
    tax_class, case = (0, 1) if retail else (number % 2, 6)
    return Article(sku, tuple(prices), tax_class, weight_grams=300, case=case)  # type: ignore[arg-type]


def _with_breaks(price: int) -> tuple[int, ...]:
    first, second = _BREAKS
    return (1, price, first, price - 5, second, price - 10)
