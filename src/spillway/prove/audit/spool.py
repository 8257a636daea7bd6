"""What was read of each order, put together.

The four tables are read in four different orders, and a hundred thousand orders with all their
effects do not belong in memory. A temporary SQLite database sorts them: it stays in memory while it
is small, spills into an unnamed file when it grows, and is gone when it is closed. Of an order's
content only its size is kept: no address is ever written to that file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec

from orders.aws import items
from orders.domain.order import OrderKey
from orders.domain.saga import Facts
from orders.domain.units import Millis
from spillway.prove.audit.judging import Case
from spillway.target.reading import size_of
from spillway.target.records import Effect, Record, Size

#: What SQLite keeps in memory, of the table and again for sorting it.
CACHE_KIB = 16 * 1024

_ORDER, _PROGRESS, _EFFECT = range(3)

_Row = tuple[str, str, int, bytes]

_encode = msgspec.msgpack.encode
_order = msgspec.msgpack.Decoder(tuple[Millis, Size])
_facts = msgspec.msgpack.Decoder(Facts)
_effect = msgspec.msgpack.Decoder(Effect)


class Spool:
    """Takes items and effects in any order, and gives them back order by order."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        # Nothing to recover: it dies with this process.
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(
            "CREATE TABLE evidence (customer_id TEXT, order_id TEXT, kind INTEGER, content BLOB)"
        )

    def close(self) -> None:
        self._database.close()

    def add_items(self, page: Iterable[items.Item]) -> None:
        """Items of the orders table."""
        self._insert(map(_item_row, page))

    def add_effects(self, effects: Iterable[Effect]) -> None:
        self._insert(map(_effect_row, effects))

    def orders(self) -> int:
        """How many orders' items were added."""
        (count,) = self._database.execute(
            "SELECT count(*) FROM evidence WHERE kind = ?", (_ORDER,)
        ).fetchone()
        return int(count)

    def cases(self) -> Iterator[Case]:
        """Every order of which anything was read, by customer and id."""
        rows = self._database.execute(
            "SELECT customer_id, order_id, kind, content FROM evidence"
            " ORDER BY customer_id, order_id, kind"
        )
        for (customer_id, order_id), of_order in groupby(rows, key=lambda row: row[:2]):
            yield _case(OrderKey(customer_id, order_id), of_order)

    def _insert(self, rows: Iterable[_Row]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO evidence VALUES (?, ?, ?, ?)", rows)
        self._database.execute("COMMIT")


def _item_row(item: items.Item) -> _Row:
    key = items.key_of(item)
    if items.is_progress(item):
        return key.customer_id, key.order_id, _PROGRESS, _encode(items.facts(item))
    accepted = items.accepted_order(item)
    content = _encode((accepted.accepted_at, size_of(accepted.order)))
    return key.customer_id, key.order_id, _ORDER, content


def _effect_row(effect: Effect) -> _Row:
    return effect.key.customer_id, effect.key.order_id, _EFFECT, _encode(effect)


def _case(key: OrderKey, rows: Iterable[Any]) -> Case:
    accepted_at: Millis | None = None
    size: Size | None = None
    facts: Facts | None = None
    effects = []
    for _, _, kind, content in rows:
        if kind == _ORDER:
            accepted_at, size = _order.decode(content)
        elif kind == _PROGRESS:
            facts = _facts.decode(content)
        else:
            effects.append(_effect.decode(content))
    record = None
    if accepted_at is not None or facts is not None:
        record = Record(key, accepted_at, size, facts or Facts())
    return Case(key, record, tuple(effects))
