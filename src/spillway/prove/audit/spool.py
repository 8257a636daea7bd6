"""What was read of each order, put together.

The four tables are read in four different orders, and a hundred thousand orders with all their
effects do not belong in memory: a temporary database sorts them. Of an order's content only its
size is kept: no address is ever written to that database's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import msgspec

from orders.aws import items
from orders.domain.order import OrderKey
from spillway.prove.audit.judging import Case
from spillway.target.reading import record_of
from spillway.target.records import Effect, Record
from spillway.target.sorting import temporary_database

_ORDER, _PROGRESS, _EFFECT = range(3)

_encode = msgspec.msgpack.encode
_record = msgspec.msgpack.Decoder(Record)
_effect = msgspec.msgpack.Decoder(Effect)


class Spool:
    """Takes items and effects in any order, and gives them back order by order."""

    def __init__(self) -> None:
        self._database = temporary_database()
        self._database.execute(
            "CREATE TABLE evidence (customer_id TEXT, order_id TEXT, kind INTEGER, content BLOB)"
        )

    def close(self) -> None:
        self._database.close()

    def add_items(self, page: Iterable[items.Item]) -> Iterator[Record]:
        """Items of the orders table, each given back as what it says, once it was added."""
        for item in page:
            key = items.key_of(item)
            record = record_of(key, [item])
            kind = _PROGRESS if items.is_progress(item) else _ORDER
            self._insert(key, kind, replace(record, order=None, trace=None))
            yield record

    def add_effects(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self._insert(effect.key, _EFFECT, effect)

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

    def _insert(self, key: OrderKey, kind: int, content: Record | Effect) -> None:
        row = (key.customer_id, key.order_id, kind, _encode(content))
        self._database.execute("INSERT INTO evidence VALUES (?, ?, ?, ?)", row)


def _case(key: OrderKey, rows: Iterable[Any]) -> Case:
    """From one order's rows, which are sorted by their kind."""
    record: Record | None = None
    effects = []
    for _, _, kind, content in rows:
        if kind == _EFFECT:
            effects.append(_effect.decode(content))
        else:
            found = _record.decode(content)
            record = replace(record, facts=found.facts) if record else found
    return Case(key, record, tuple(effects))
