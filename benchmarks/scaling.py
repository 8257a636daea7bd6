"""A page of a long history, a record of a long stream, an order of a large audit, at any size.

The real code runs, down to the SDK's client, which answers from memory in a time that does not
depend on the size: for histories the simulation's table, which contract tests compare with the
emulator; for the audit tables that are made page by page. DynamoDB's time is not in these figures,
what it reads is (`items`).
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import handlers
from infra.event_sources import RELAY_BATCH_SIZE
from orders import wiring
from orders.aws import items
from orders.aws.coupons import holder
from orders.aws.items import Item
from orders.aws.table import DynamoOrders
from orders.domain.coupon_limits import COUNTERS_MAX
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.units import CustomerId, Millis, OrderId
from orders.flow.reads import PAGE_DEFAULT, Reads
from orders.handlers import reads, relay
from simulation.world.runtime import MemoryLog, SetClock
from simulation.world.table import MemoryOrders
from spillway.operate.coupons import uses
from spillway.prove.audit.running import Audit
from spillway.target.reading import OrdersTable
from tests.builders import CUSTOMER, NOW, accepted, order_id
from tests.orders.handlers.api_events import request
from tests.orders.handlers.test_relay import placed, progressed
from tests.spillway.archived import no_archive
from tests.spillway.prove.audit import fake_tables
from tests.spillway.prove.audit.builders import KEY, confirmed

#: The audit reads pages of 1 MB: about as many items of retail orders.
SCAN_PAGE_ITEMS = 1_000


@dataclass(frozen=True, slots=True)
class Point:
    """One size. For one unit: `seconds` of processor time and `items` that DynamoDB read, where
    counted. For all: `memory` at its peak, in bytes."""

    size: int
    seconds: float
    memory: int
    items: float | None = None


def history_page(size: int) -> Point:
    """The first page of a customer who has so many orders."""
    shop = _Shop(size)
    shop.page()
    items = shop.items_read
    seconds = min(_seconds(shop.page) for _ in range(100))
    return Point(size, seconds, handlers.peak(shop.page), items)


def whole_history(size: int) -> Point:
    """The same customer's every page, one after the other; the unit is an order."""
    shop = _Shop(size)
    shop.pages()
    items = shop.items_read
    seconds = min(_seconds(shop.pages) for _ in range(3))
    return Point(size, seconds / size, handlers.peak(shop.pages), items / size)


def relayed(size: int) -> Point:
    """So many records of the table's stream, in batches as deployed."""
    parts = wiring.wire_relay(handlers.runtime("relay"))

    def relay_all() -> float:
        """Processor seconds of relay alone: the records are made as they are taken."""
        return sum(
            _seconds(partial(relay.handle, {"Records": batch}, *parts))
            for batch in _batches(itertools.islice(_records(), size), RELAY_BATCH_SIZE)
        )

    seconds = min(relay_all() for _ in range(3))
    return Point(size, seconds / size, handlers.peak(relay_all))


def audited(size: int) -> Point:
    """An audit of so many orders, in a process of its own: its memory is SQLite's too."""
    return _in_fresh_process(_audited, size)


def coupons_audited(size: int) -> Point:
    """An audit of the coupons of so many orders, each with a single-use code and of the first N."""
    return _in_fresh_process(_coupons_audited, size)


def _in_fresh_process(audit: Callable[[int], Point], size: int) -> Point:
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return fresh.submit(audit, size).result()


def _audited(size: int) -> Point:
    tables = _Tables(size)
    names = {name: name for name in fake_tables.TABLES}
    prices = fake_tables.prices(None)
    audit = Audit(
        _orders_of(tables), fake_tables.FakeQueues(), names, {}, {}, prices, fake_tables.Quiet()
    )
    seconds = _seconds(audit.run) - tables.seconds
    if not audit.found.held or audit.found.settled != size:
        raise RuntimeError("The audit did not find every order settled.")
    return Point(size, seconds / size, _resident_peak())


def _coupons_audited(size: int) -> Point:
    tables = _CouponTables(size)
    began = time.process_time()
    found = uses.audit(_orders_of(tables), "coupons")
    seconds = time.process_time() - began - tables.seconds
    if found.findings or (found.orders, found.claims) != (size, size + COUNTERS_MAX):
        raise RuntimeError("The audit did not find every order with its use.")
    return Point(size, seconds / size, _resident_peak())


def _orders_of(tables: _Tables) -> OrdersTable:
    return OrdersTable(tables, "orders", no_archive())


def _resident_peak() -> int:
    return handlers.resident_peak(Path("/proc/self/status").read_text())


class _Shop:
    """One customer's history, behind the handler that reads it."""

    def __init__(self, size: int) -> None:
        table = MemoryOrders()
        for order in _orders(size):
            table.place(order)
            for step, outcome in handlers.history()[-1].outcomes.items():
                table.record(order.key, {step: outcome})
        self._client = table.client
        reading = Reads(DynamoOrders(self, table.table), SetClock(NOW))
        self._parts = reading, MemoryLog()
        self.items_read = 0

    def query(self, **asked: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.query(**asked)
        self.items_read += len(answer["Items"])
        return answer

    def page(self, cursor: str | None = None) -> str | None:
        """Asks for a page; returns the cursor of the next one."""
        query = {} if cursor is None else {"cursor": cursor}
        answer = reads.handle(request("GET /orders", query=query), *self._parts)
        page = json.loads(answer["body"])
        if len(page["orders"]) != PAGE_DEFAULT:
            raise RuntimeError("A page is not full.")
        following: str | None = page["cursor"]
        return following

    def pages(self) -> None:
        cursor = self.page()
        while cursor is not None:
            cursor = self.page(cursor)


#: Primes: each table has the orders in a sequence of its own.
_STRIDES = dict(
    zip(fake_tables.TABLES, (7_919, 104_729, 1_299_709, 15_485_863, 32_452_843), strict=True)
)


class _Tables:
    """A boto3 client of DynamoDB as an audit calls it, with so many confirmed orders behind it.

    Items are made up page by page, so that no memory is theirs, and each table has the orders in a
    sequence of its own. `seconds`: the processor time that this has taken.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.seconds = 0.0
        like = confirmed()
        orders = list(fake_tables.order_items(like))
        self._like: dict[str, list[Item]] = {"orders": orders, "coupons": []}
        for effect in like.effects:
            claim = fake_tables.claim_item(effect)
            self._like[effect.downstream] = [claim, fake_tables.effect_item(effect)]

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        return {"Table": {"ItemCount": self._size * len(self._like[TableName])}}

    def get_paginator(self, _call: str) -> _Tables:
        return self

    def paginate(self, TableName: str, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        pages = _batches(self._items(TableName), SCAN_PAGE_ITEMS)
        while True:
            began = time.process_time()
            page = next(pages, None)
            self.seconds += time.process_time() - began
            if page is None:
                return
            yield {"Items": page}

    def _items(self, table: str) -> Iterator[Item]:
        for key in self._keys(table):
            for like in self._like[table]:
                yield {name: _renamed(value, key) for name, value in like.items()}

    def _keys(self, table: str) -> Iterator[OrderKey]:
        # A shuffled list would be memory that grows with the size. No prime divides a size.
        stride = _STRIDES[table]
        for number in (place * stride % self._size for place in range(self._size)):
            order_id = OrderId(f"019ab000-0000-7000-8000-{number:012}")
            yield OrderKey(CustomerId(f"customer-{number % 1_000}"), order_id)


class _CouponTables(_Tables):
    """Each order has a use of its own and counts on one of the counters. Sizes are multiples of how
    many counters there are."""

    def _items(self, table: str) -> Iterator[Item]:
        if table == "orders":
            for item in super()._items(table):
                number = int(item["sk"]["S"].removesuffix(items.PROGRESS_SUFFIX)[-12:])
                claims = [f"CODES/code/{number}", f"FIRST#{number % COUNTERS_MAX}"]
                yield item if items.is_progress(item) else {**item, items.CLAIMS: {"SS": claims}}
            return
        for key in self._keys(table):
            number = int(key.order_id[-12:])
            yield {"pk": {"S": f"CODES/code/{number}"}, **holder(key)}
        for counter in range(COUNTERS_MAX):
            used = str(self._size // COUNTERS_MAX)
            yield {"pk": {"S": f"FIRST#{counter}"}, "used": {"N": used}}


def _renamed(value: Any, key: OrderKey) -> Any:
    """The same attribute, of another order."""
    if "S" not in value:
        return value
    text = value["S"].replace(KEY.order_id, key.order_id)
    return {"S": text.replace(KEY.customer_id, key.customer_id)}


def _orders(count: int) -> Iterator[AcceptedOrder]:
    """One customer's, one a second, all of the same content: a retail order of middle length."""
    like = accepted(lines=handlers.lines_of(handlers.RETAIL_LINES))
    for number in range(count):
        at = NOW + 1_000 * number
        yield replace(like, key=OrderKey(CUSTOMER, order_id(at)), accepted_at=Millis(at))


def _records() -> Iterator[dict[str, Any]]:
    """The stream of orders that go well: each is placed, then has its three facts."""
    for order in _orders(sys.maxsize):
        yield placed(order)
        for before, after in pairwise(handlers.history()):
            yield progressed(order, before, after)


def _batches(every: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(every)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _seconds(work: handlers.Work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
