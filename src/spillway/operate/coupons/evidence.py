"""What orders hold of limited coupons, and what the coupons table has, side by side.

The two tables are read in orders of their own, and ten million orders do not belong in memory, so a
temporary database sorts both by claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from orders.aws import coupon_tries, items
from orders.aws.coupons import claim_key
from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.units import CustomerId, OrderId
from spillway.target.reading import OrdersTable, pages
from spillway.target.sorting import temporary_database

#: So many orders of a claim are named.
NAMED_MAX = 3

#: `done`: orders that gave their claims back, and those that are undone and have not yet.
_TABLES = """
    CREATE TABLE held (claim TEXT, customer_id TEXT, order_id TEXT);
    CREATE TABLE done (customer_id TEXT, order_id TEXT, returned INTEGER,
                       PRIMARY KEY (customer_id, order_id)) WITHOUT ROWID;
    CREATE TABLE stored (claim TEXT, customer_id TEXT, order_id TEXT, used INTEGER);
"""
_HELD = 1
_BY_CLAIM = """
    SELECT claim, 0 AS kind, customer_id, order_id, used, NULL FROM stored
    UNION ALL
    SELECT claim, 1, held.customer_id, held.order_id, NULL, done.returned
      FROM held LEFT JOIN done USING (customer_id, order_id)
     WHERE done.returned IS NOT 1
     ORDER BY claim, kind
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and how `repair` can mend it.

    give_back  `order` is undone, and still holds its claims
    put        `order` stands, and its claim is not in the coupons table
    raise      a counter has counted less than the `holders` that it has; `used`: what it has
               counted, None where there is none

    None: only a person can, because what to do follows from neither table.
    """

    claim: str
    detail: str
    order: OrderKey | None = None
    repair: Literal["give_back", "put", "raise"] | None = None
    used: int | None = None
    holders: int = 0


class Evidence:
    """Takes items of both tables in any order. `orders`: how many had limited coupons. `claims`:
    how many items the coupons table has of them."""

    def __init__(self) -> None:
        self.orders = self.claims = 0
        self._database = temporary_database()
        self._database.executescript(_TABLES)

    def close(self) -> None:
        self._database.close()

    def add_orders(self, page: Iterable[items.Item]) -> None:
        """Items of the orders table."""
        for item in page:
            key = items.key_of(item)
            if items.is_progress(item):
                returned = items.COUPONS_RETURNED in item
                if returned or saga.undoing(items.facts(item)):
                    self._insert("done", *_named(key), returned)
            elif items.CLAIMS in item:
                self.orders += 1
                for name in item[items.CLAIMS]["SS"]:
                    self._insert("held", claim_key(name, key), *_named(key))

    def add_uses(self, page: Iterable[items.Item]) -> None:
        """Items of the coupons table."""
        for claim, item in claims_in(page):
            self.claims += 1
            if "used" in item:
                self._insert("stored", claim, None, None, int(item["used"]["N"]))
            # A retired code is held by nobody, and that is no fault.
            elif "retired_at" not in item:
                customer_id, order_id = item["customer_id"]["S"], item["order_id"]["S"]
                self._insert("stored", claim, customer_id, order_id, None)

    def findings(self) -> Iterator[Finding]:
        """By claim."""
        rows = self._database.execute(_BY_CLAIM)
        for claim, of_claim in groupby(rows, key=lambda row: row[0]):
            compared = _of_counter if is_counter(claim) else _of_one_use
            yield from compared(claim, of_claim)

    def _insert(self, table: str, *values: object) -> None:
        places = ", ".join("?" * len(values))
        self._database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", values)  # noqa: S608


def read(orders: OrdersTable, coupons: str) -> Evidence:
    """`coupons` is the name of the coupons table."""
    evidence = Evidence()
    for page in orders.pages():
        evidence.add_orders(page)
    for page in pages(orders.dynamodb, coupons):
        evidence.add_uses(page)
    return evidence


def claims_in(stored: Iterable[items.Item]) -> Iterator[tuple[str, items.Item]]:
    """Those of the coupons table with their keys, without what customers have only tried."""
    keyed = ((item["pk"]["S"], item) for item in stored)
    return (each for each in keyed if not each[0].startswith(coupon_tries.PREFIX))


def is_counter(claim: str) -> bool:
    return "#" in claim.partition("/")[0]


def _of_counter(claim: str, rows: Iterable[Any]) -> Iterator[Finding]:
    used, holders = None, 0
    for _, kind, customer_id, order_id, counted, returned in rows:
        if kind != _HELD:
            used = counted
            continue
        holders += 1
        if returned is not None:
            yield _undone(claim, _key(customer_id, order_id))
    if (used or 0) != holders:
        detail = f"has counted {used or 0}, and {holders} orders hold it"
        repair: Literal["raise"] | None = "raise" if holders > (used or 0) else None
        yield Finding(claim, detail, None, repair, used, holders)


def _of_one_use(claim: str, rows: Iterable[Any]) -> Iterator[Finding]:
    there: OrderKey | None = None
    holders: list[OrderKey] = []
    stands = True
    for _, kind, customer_id, order_id, _, returned in rows:
        key = _key(customer_id, order_id)
        if kind != _HELD:
            there = key
            continue
        holders = [*holders, key][: NAMED_MAX + 1]
        if returned is not None:
            stands = False
            yield _undone(claim, key)
    if holders == [there]:
        return
    named = ", ".join(key.order_id for key in holders[:NAMED_MAX]) or "no order"
    detail = f"is there for {there.order_id if there else 'no order'}, and {named} holds it"
    if there is None and len(holders) == 1 and stands:
        yield Finding(claim, detail, holders[0], "put")
    else:
        yield Finding(claim, detail)


def _undone(claim: str, key: OrderKey) -> Finding:
    return Finding(claim, "is held by an order that is undone", key, "give_back")


def _named(key: OrderKey) -> tuple[str, str]:
    return key.customer_id, key.order_id


def _key(customer_id: str, order_id: str) -> OrderKey:
    return OrderKey(CustomerId(customer_id), OrderId(order_id))
