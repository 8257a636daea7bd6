"""One order's rows, read by the copy and by the verification, with no database beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from msgspec import convert

from spillway.migrate.config import Config
from spillway.migrate.new.items import order_item, progress_item
from spillway.migrate.old.mapping import (
    STATUS_COLUMN,
    Mapped,
    Mapper,
    OldOrder,
    Row,
    line_columns,
    status_words,
)
from spillway.migrate.verifying.canonical import Canonical
from spillway.migrate.verifying.new import NewSide
from spillway.migrate.verifying.rows import Reader
from tests.spillway.archived import no_archive

NOW = 1_795_428_000_000  # 2026-11-23

#: A table with everything, all of it texts.
SETTINGS: Mapping[str, Any] = {
    "source": {
        "url_variable": "OLD_SHOP",
        "table": "orders",
        "shape": "row_per_line",
        "time_zone": "Europe/London",
    },
    "target": {"local_port": 8080},
    "order": {
        "key": "no",
        "created_at": "at",
        "status": {"column": "st"},
        "channel": {"value": "retail"},
        "currency": {"column": "cur"},
        "payment_reference": {"column": "pay", "default": "none"},
        "shipping": "ship",
        "discount": "disc",
        "coupon": {"column": "code", "default": "NONE"},
        "total": "total",
        "address": {
            "name": {"column": "name"},
            "lines": [{"value": "-"}],
            "city": {"value": "-"},
            "country": {"value": "GB"},
        },
    },
    "lines": {"sku": "sku", "quantity": "qty", "unit_price": "price"},
    "customers": {"column": "cust", "prefix": "old|", "guests": "one_each"},
    "statuses": {"done": {"is": "confirmed"}, "new": {"is": "open"}},
}
ROW: Row = {
    "no": "1001",
    "at": "2022-06-03 12:00:00",
    "st": "done",
    "cur": "GBP",
    "pay": "pay-1",
    "ship": None,
    "disc": None,
    "code": None,
    "total": "8.00",
    "name": "Ada",
    "sku": "MUG",
    "qty": "2",
    "price": "4.00",
    "cust": "77",
}


def config(**sections: Mapping[str, Any]) -> Config:
    """The settings, each section with these changes."""
    merged = {name: {**SETTINGS.get(name, {}), **changes} for name, changes in sections.items()}
    return convert({**SETTINGS, **merged}, Config)


@dataclass(frozen=True)
class Both:
    """What each of the two makes of the same rows. `copied` as the orders table would hold it."""

    copied: Canonical | None
    reasons: tuple[str, ...]
    verified: Canonical | None


def both(settings: Config, *rows: Row, utc: frozenset[str] = frozenset()) -> Both:
    key = str(rows[0][settings.order.key])
    names = line_columns(settings)
    lines = [tuple(row[name] for name in names) for row in rows]
    words = status_words(settings)

    def alike(word: str) -> list[str]:
        """As a collation of the database's that ignores case and spaces at the end."""
        return [one for one in words if one.lower().rstrip() == word.lower().rstrip()]

    def with_status(row: Row) -> Row:
        found = alike(row[settings.order.status.column or key] or "\0")
        places = [words.index(one) + 1 for one in found] or [0]
        return {**row, STATUS_COLUMN: f"{places[0]} {places[-1]}"}

    old = OldOrder(key, key, list(map(with_status, rows)), lines, (key,))
    read = Mapper(settings, str, NOW, utc).order(old)
    verified = Reader(settings, str, utc, alike).read(key, [dict(row) for row in rows])
    if not isinstance(read, Mapped):
        return Both(None, tuple(reason.rule for reason in read.reasons), verified)
    return Both(as_stored(read), (), verified)


def as_stored(mapped: Mapped) -> Canonical:
    """As the verification reads it from the orders table."""
    place = (mapped.place.customer_id, mapped.place.order_id)
    found = NewSide(cast(Any, _Table(mapped)), "orders", no_archive()).some([place])
    return found[place]


class _Table:
    """A DynamoDB with this order alone."""

    def __init__(self, mapped: Mapped) -> None:
        self._items = [order_item(mapped), progress_item(mapped)]

    def batch_get_item(self, **_: Any) -> Mapping[str, Any]:
        return {"Responses": {"orders": self._items}}
