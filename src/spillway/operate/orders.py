"""One order's whole life; a customer's orders; the orders that have not settled.

The table's key is customer and order, and there is no index: it would cost a write for every order.
So with the customer everything is one query, and without there are two ways round:

- the order id alone: the table is read through, up to `ITEMS_MAX` items, for the one order
- unsettled orders: what the watchdog last said (no read at all, and it is what an operator wants:
  orders that are older than its delay), or a look through the table, which finds the youngest too

Reading through a table costs half a read unit for each 4 KB: about 0.02 dollars for a million
orders (FACTS: 0.125 dollars a million units), and some minutes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.metrics import DELIVERIES
from orders.aws import items
from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, DOWNSTREAMS, Facts
from orders.domain.status import reason, status
from orders.domain.trace import of_order
from spillway.operate.logs import Line, Read, lines, lines_of_order
from spillway.target.reading import count_items, read_effects_of, read_order, record_of
from spillway.target.records import Effect, Record
from spillway.target.service import Service

#: How much of a table is read through, unless more is asked for.
ITEMS_MAX = 1_000_000
#: And for the newest alone, which a page asks for again and again.
NEWEST_ITEMS_MAX = 20_000
#: So many orders are listed unless more are asked for, and so many are looked at a second time.
LISTED_MAX = 100
SECOND_LOOKS_MAX = 1_000
#: The longest between two looks of the watchdog at an order (orders.domain.backoff), and an hour.
WATCHDOG_SAID_SECONDS = 5 * 60 * 60

OnItems = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """An order in a list. `owed` are the saga's steps that it waits for.

    `key` is None where only the watchdog's line tells of it, which has the customer's hash alone.
    """

    order_id: str
    customer: str
    status: str
    accepted_at: int
    owed: Sequence[str]
    key: OrderKey | None = None
    reason: str | None = None

    @property
    def settled(self) -> bool:
        return not self.owed

    @property
    def waits_for(self) -> Sequence[str]:
        """The downstreams that owe it something."""
        waiting = {DOWNSTREAM_OF[saga.Step(step)] for step in self.owed}
        return [downstream for downstream in DOWNSTREAMS if downstream in waiting]


@dataclass(frozen=True, slots=True)
class Life:
    """All that is known of one order. `effects` are the downstreams' own records, for those whose
    tables can be read; None for the others."""

    record: Record
    said: Read
    effects: Mapping[str, Sequence[Effect] | None]

    @property
    def summary(self) -> Summary:
        return summary_of(self.record)

    @property
    def trace_id(self) -> str:
        """The client's, or the order's own."""
        named = self.record.trace or of_order(self.record.key.order_id)
        return named.trace_id

    @property
    def attempts(self) -> Mapping[str, int]:
        """How often each step was tried so far, by the deliveries' own lines: also before its
        command was redriven, at which the queue's own count begins anew."""
        return Counter(
            str(line.fields["command"]) for line in self.said.lines if "command" in line.fields
        )

    @property
    def last_trouble(self) -> Mapping[str, Line]:
        """For each step that is owed, the last line of a delivery of it that did not go well."""
        troubles: dict[str, Line] = {}
        for line in self.said.lines:
            command = line.fields.get("command")
            if command in self.summary.owed and line.outcome not in ("done", "refused"):
                troubles[str(command)] = line
        return troubles


@dataclass(slots=True)
class Listed:
    """`complete`: no order was left out. `source` says where the list is from."""

    orders: list[Summary] = field(default_factory=list)
    complete: bool = True
    source: str = ""


def life(service: Service, key: OrderKey) -> Life | None:
    """An order's whole life, read by its key; None where the table has nothing of it."""
    record = read_order(service.dynamodb, service.tables["orders"], key)
    if record is None:
        return None
    effects: dict[str, Sequence[Effect] | None] = {}
    for downstream in DOWNSTREAMS:
        table = service.tables.get(downstream)
        effects[downstream] = (
            None if table is None else read_effects_of(service.dynamodb, table, downstream, key)
        )
    said = lines_of_order(service, key.order_id, customer=key.customer_hash)
    return Life(record, said, effects)


def keys_of(
    service: Service,
    order_id: str,
    *,
    items_max: int = ITEMS_MAX,
    on_items: OnItems = lambda _: None,
) -> tuple[list[OrderKey], bool]:
    """The customers' orders under an id, by reading the table through: nearly always one.

    The second value is false where `items_max` ended it early. An id is unique for its customer, so
    the whole table would have to be read to be sure of a second one; the first one found is enough.
    """
    request = {
        "FilterExpression": "sk = :order",
        "ExpressionAttributeValues": {":order": {"S": order_id}},
        "ProjectionExpression": "pk, sk",
    }
    looked_at = 0
    for page in _scan(service, request):
        found = [items.key_of(item) for item in page["Items"]]
        looked_at += page["ScannedCount"]
        on_items(page["ScannedCount"])
        if found:
            return found, True
        if looked_at >= items_max:
            return [], "LastEvaluatedKey" not in page
    return [], True


def of_customer(
    service: Service, customer_id: str, *, limit: int = LISTED_MAX, before: str | None = None
) -> Listed:
    """A customer's orders by key, newest first, on from the order id `before`."""
    from orders.aws.table import DynamoOrders

    table = DynamoOrders(service.dynamodb, service.tables["orders"])
    page, more = table.history(customer_id, limit, before)
    found = [
        _summary(progress.order.key, progress.order.accepted_at, progress.facts)
        for progress in page
    ]
    return Listed(found, more is None, "the customer's history, by key")


def item_count(service: Service) -> int:
    """Roughly: AWS renews this figure every six hours."""
    return count_items(service.dynamodb, service.tables["orders"])


def unsettled(
    service: Service,
    *,
    limit: int = LISTED_MAX,
    items_max: int = ITEMS_MAX,
    on_items: OnItems = lambda _: None,
) -> Listed:
    """Orders of which something is still owed, by reading the table through.

    What looks unsettled is looked at once more by its key, as it stands now, so that an order that
    settles meanwhile, or whose two items do not lie on one page, is not listed wrongly.
    """
    listed = Listed(source="the orders table, read through")
    through = ReadThrough(service, on_items, items_max)
    for looks, key in enumerate(through):
        if len(listed.orders) >= limit or looks >= SECOND_LOOKS_MAX:
            listed.complete = False
            return listed
        record = still_open(service, key)
        if record is not None:
            listed.orders.append(summary_of(record))
    listed.complete = through.complete
    return listed


@dataclass(slots=True)
class ReadThrough:
    """The orders that may be unsettled, each once, by reading the table through; `complete` is
    false once `items_max` has ended that early."""

    service: Service
    on_items: OnItems
    items_max: int | None = None
    complete: bool = True

    def __iter__(self) -> Iterator[OrderKey]:
        looked_at = 0
        known: set[OrderKey] = set()
        for page in _scan(self.service, {}):
            looked_at += page["ScannedCount"]
            self.on_items(page["ScannedCount"])
            new = [key for key in _open(page["Items"]) if key not in known]
            known.update(new)
            yield from new
            if self.items_max is not None and looked_at >= self.items_max:
                self.complete = "LastEvaluatedKey" not in page
                return


def still_open(service: Service, key: OrderKey) -> Record | None:
    """The order as it stands now, if something is owed to it."""
    record = read_order(service.dynamodb, service.tables["orders"], key)
    if record is None or not record.stored or saga.settled(record.facts):
        return None
    return record


def newest(
    service: Service, *, limit: int = LISTED_MAX, items_max: int = NEWEST_ITEMS_MAX
) -> Listed:
    """The youngest orders, by reading the table through: for the emulator, where that is free."""
    found: dict[OrderKey, list[items.Item]] = {}
    looked_at, complete = 0, True
    for page in _scan(service, {}):
        looked_at += page["ScannedCount"]
        for item in page["Items"]:
            found.setdefault(items.key_of(item), []).append(item)
        if looked_at >= items_max and "LastEvaluatedKey" in page:
            complete = False
            break
    youngest = sorted(found, key=lambda key: key.order_id, reverse=True)[:limit]
    records = (record_of(key, found[key]) for key in youngest)
    listed = [summary_of(record) for record in records if record.stored]
    source = "the orders table, newest first"
    return Listed(listed, complete and len(found) <= limit, source)


def stuck(
    service: Service, *, limit: int = LISTED_MAX, now: Callable[[], float] = time.time
) -> Listed:
    """Orders that the watchdog found unsettled when it last looked, by its own lines: no order is
    read. Those that a delivery has settled since are left out."""
    since = int((now() - WATCHDOG_SAID_SECONDS) * 1000)
    last = last_unsettled(service, since, ("watchdog",))
    found = sorted((_from_line(line) for line in last.lines), key=lambda one: one.accepted_at)
    complete = last.complete and len(found) <= limit
    return Listed(found[:limit], complete, "what the watchdog said, and deliveries since")


def last_unsettled(service: Service, since: int, functions: Sequence[str]) -> Read:
    """For each order that these functions told to be unsettled since then (Unix ms), and that no
    delivery has settled after that, the last line that told so."""
    said = lines(service, since=since, term="unsettled_s", functions=functions)
    last = {_named(line): line for line in said.lines if "unsettled_s" in line.fields}
    settled = _settled_since(service, since) if last else {}
    still = [line for name, line in last.items() if settled.get(name, 0) < line.at]
    return Read(still, said.complete)


def _settled_since(service: Service, since: int) -> dict[tuple[str, str], int]:
    said = lines(service, since=since, term="settle_ms", functions=DELIVERIES)
    return {_named(line): line.at for line in said.lines if "status" in line.fields}


def _named(line: Line) -> tuple[str, str]:
    return str(line.fields.get("customer")), str(line.fields.get("order_id"))


def _from_line(line: Line) -> Summary:
    customer, order_id = _named(line)
    accepted_at = line.at - int(line.fields["unsettled_s"]) * 1000
    return Summary(order_id, customer, line.fields["status"], accepted_at, line.fields["owed"])


def summary_of(record: Record) -> Summary:
    return _summary(record.key, record.accepted_at or 0, record.facts)


def _summary(key: OrderKey, accepted_at: int, facts: Facts) -> Summary:
    return Summary(
        key.order_id,
        key.customer_hash,
        status(facts).value,
        accepted_at,
        [step.value for step in sorted(saga.owed(facts))],
        key,
        reason(facts),
    )


def _open(page: Iterable[items.Item]) -> Iterator[OrderKey]:
    """The orders of a page that may be unsettled: with open facts, or with none in sight."""
    without_facts: dict[OrderKey, None] = {}
    for item in page:
        key = items.key_of(item)
        if not items.is_progress(item):
            without_facts[key] = None
            continue
        without_facts.pop(key, None)
        if not saga.settled(items.facts(item)):
            yield key
    yield from without_facts


def _scan(service: Service, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    # A table that is written to meanwhile is read as it goes; half the price of consistent reads.
    pages = service.dynamodb.get_paginator("scan")
    yield from pages.paginate(TableName=service.tables["orders"], **request)
