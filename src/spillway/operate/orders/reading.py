"""One order's whole life; a customer's orders; the orders that have not settled.

The table's key is customer and order, and it has no index, which would cost a write for each order.
Without the customer, the table is read: half a read unit for each 4 KB, which is about 0.02 dollars
for a million orders (0.125 dollars a million units), and some minutes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.metrics import DELIVERIES
from orders.aws import items
from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, DOWNSTREAMS, ONCE_RESERVED, Facts, Outcome, Step
from orders.domain.status import SETTLED, Status, reason, status
from orders.domain.trace import of_order
from orders.domain.units import CustomerId, OrderId
from spillway.operate.logs.reading import ANSWERED, Line, Read, lines, lines_of_order
from spillway.target.reading import count_items, read_effects_of
from spillway.target.records import Effect, Record, Way
from spillway.target.service import Service

#: How many of a table's items are read at most.
ITEMS_MAX = 1_000_000
LISTED_MAX = 100
#: After an outage at a busy hour, thousands have settled within the half hour that is looked at.
UNSETTLED_LINES_MAX = 20_000
#: The watchdog checks an unsettled order at least this often (orders.domain.backoff), plus an hour.
WATCHDOG_SECONDS = 5 * 60 * 60

OnItems = Callable[[int], None]
_UNSETTLED = frozenset(Status) - SETTLED


@dataclass(frozen=True, slots=True)
class Summary:
    """An order in a list. `customer` is the customer's hash, `owed` the steps that it waits for.

    `customer_id` and `channel` are None where it comes from a line of the watchdog, which has only
    the customer's hash.
    """

    order_id: str
    customer: str
    status: str
    accepted_at: int
    owed: Sequence[Step]
    customer_id: str | None = None
    reason: str | None = None
    channel: str | None = None

    @property
    def settled(self) -> bool:
        """As its customer reads it: also while the refund of its return is owed, and not while it
        is held, though nothing is owed then."""
        return self.status not in _UNSETTLED

    @property
    def at_rest(self) -> bool:
        return self.settled and not self.owed

    @property
    def waits_for(self) -> Sequence[str]:
        """The downstreams that owe it a step."""
        waiting = {DOWNSTREAM_OF[step] for step in self.owed}
        return [downstream for downstream in DOWNSTREAMS if downstream in waiting]


@dataclass(frozen=True, slots=True)
class Life:
    """Everything known about one order.

    `logged` are the functions' lines about it. `effects` are the downstreams' own records, None for
    a downstream whose table cannot be read.
    """

    record: Record
    logged: Read
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
    def way(self) -> str | None:
        """Which way it went, and why not by the express path alone; None while that is not known.

        The note names the steps that were done. A refusal is on record, whoever got it first.
        """
        record, way = self.record, self.record.way
        if way is None:
            return None
        if way is Way.QUEUES and not record.may_go_express:
            return "went by the queues: the express path was off when it was accepted"
        if record.facts.refused(Step.RESERVE):
            return f"went by the queues: {_refusal(record.facts, Step.RESERVE)}"
        if way is Way.EXPRESS:
            return f"went by the express path: one write for {_and(record.express)}"
        left = [step for step in ONCE_RESERVED if step not in record.express]
        why = "; ".join(
            _refusal(record.facts, step)
            if record.facts.refused(step)
            else f"no answer to {step} in time, or not tried"
            for step in left
        )
        if way is Way.QUEUES:
            return f"went by the queues: {why}"
        return (
            f"went by the express path as far as {_and(record.express)}, then by the queues: {why}"
        )

    @property
    def outcomes(self) -> list[tuple[Step, Outcome]]:
        return sorted(self.record.facts.outcomes.items(), key=lambda fact: fact[1].at)

    @property
    def attempts(self) -> Mapping[str, int]:
        """How often each step was tried, counted in the deliveries' lines.

        The queue's own count starts again when a command is redriven; this one does not. Where
        good news is sampled, the attempt that was done may have left no line.
        """
        logged = [line for line in self.logged.lines if line.command is not None]
        tried = Counter(str(line.command) for line in logged)
        answered = {line.command for line in logged if line.outcome in ANSWERED}
        unlogged = tried.keys() & self.record.facts.outcomes.keys() - answered
        return tried + Counter(dict.fromkeys(unlogged, 1))

    @property
    def waits(self) -> dict[Step, Line | None]:
        """Each step that is owed, with the line of its last attempt, which failed, if any."""
        failed = {line.command: line for line in self.logged.lines if line.outcome not in ANSWERED}
        return {step: failed.get(step) for step in self.summary.owed}


def _refusal(facts: Facts, step: Step) -> str:
    return f"{step} was refused ({facts.outcomes[step].refusal})"


def _and(steps: Collection[Step]) -> str:
    *others, last = (step.value for step in steps)
    return f"{', '.join(others)} and {last}" if others else last


@dataclass(frozen=True, slots=True)
class Listed:
    """`complete`: no order was left out. `source` says where the list is from, and `empty` what it
    means that the list is empty. `left_out`: how many more would be shown with a higher limit; and
    `waiting`, how many wait for each downstream, counts those too."""

    orders: Sequence[Summary] = ()
    complete: bool = True
    source: str = ""
    empty: str = "Every order has settled"
    left_out: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)

    def filtered(self, orders: Sequence[Summary], limit: int) -> Listed:
        """The first of these orders, which are a part of the list's own."""
        empty = "No order fits the filters" if self.orders and not orders else self.empty
        left_out = max(0, len(orders) - limit)
        complete = self.complete and not left_out
        waiting = Counter(downstream for order in orders for downstream in order.waits_for)
        return Listed(orders[:limit], complete, self.source, empty, left_out, waiting)


def life(service: Service, key: OrderKey) -> Life | None:
    """An order's whole life, read by its key; None where the table does not have it."""
    record = service.orders.order(key)
    if record is None:
        return None
    effects: dict[str, Sequence[Effect] | None] = {
        downstream: read_effects_of(service.dynamodb, service.tables[downstream], downstream, key)
        if downstream in service.tables
        else None
        for downstream in DOWNSTREAMS
    }
    logged = lines_of_order(service, key.order_id, customer=key.customer_hash)
    return Life(record, logged, effects)


@dataclass(slots=True)
class Scan:
    """The pages of the orders table, each a list of items without void ids, until `items_max` items
    were read. An archived order is its stub.

    `complete` is false once `items_max` has ended the reading. `filtered` are further parameters of
    the request.
    """

    service: Service
    on_items: OnItems = lambda _: None
    items_max: int | None = None
    filtered: Mapping[str, Any] = field(default_factory=dict)
    complete: bool = True

    def __iter__(self) -> Iterator[Sequence[items.Item]]:
        # Eventually consistent: half the price of consistent reads.
        paginator = self.service.dynamodb.get_paginator("scan")
        read = 0
        for page in paginator.paginate(TableName=self.service.tables["orders"], **self.filtered):
            read += page["ScannedCount"]
            self.on_items(page["ScannedCount"])
            yield [item for item in page["Items"] if not items.is_void(item)]
            if self.items_max is not None and read >= self.items_max:
                self.complete = "LastEvaluatedKey" not in page
                return


def of_customer(
    service: Service, customer_id: str, *, limit: int = LISTED_MAX, before: str | None = None
) -> Listed:
    """A customer's orders by key, newest first, those before the order id `before`."""
    from orders.aws.table import DynamoOrders

    table = DynamoOrders(service.dynamodb, service.tables["orders"], service.archive)
    page, more = table.history(
        CustomerId(customer_id), limit, None if before is None else OrderId(before)
    )
    found = [
        summary_of(
            Record(known.order.key, known.order.accepted_at, None, known.facts, known.order.order)
        )
        for known in page
    ]
    source = "the customer's history, by key"
    return Listed(found, more is None, source, "This customer has no orders")


def item_count(service: Service) -> int:
    """Roughly: AWS renews this figure every six hours."""
    return count_items(service.dynamodb, service.tables["orders"])


def open_orders(scan: Scan) -> Iterator[OrderKey]:
    """The orders that may be owed something, each once: with open facts, or without any on its
    page. One that was archived is not."""
    known: set[OrderKey] = set()
    for whole_page in scan:
        page = [item for item in whole_page if not items.is_stub(item)]
        at_rest = {
            items.key_of(item): saga.at_rest(items.facts(item))
            for item in page
            if items.is_progress(item)
        }
        for key in dict.fromkeys(items.key_of(item) for item in page):
            if not at_rest.get(key) and key not in known:
                known.add(key)
                yield key


def still_open(service: Service, key: OrderKey) -> Record | None:
    """The order as it is now, if it is owed a step, or held."""
    record = service.orders.order(key)
    if record is None or not record.stored or saga.at_rest(record.facts):
        return None
    return record


def stuck(
    service: Service, *, limit: int = LISTED_MAX, now: Callable[[], float] = time.time
) -> Listed:
    """Orders that the watchdog found unsettled at its last check, from its lines: no order is read.

    Orders that a delivery has settled since are left out, and those that are younger than the
    watchdog's delay.
    """
    since = int((now() - WATCHDOG_SECONDS) * 1000)
    last = last_unsettled(service, since, ("watchdog",))
    found = sorted((_from_line(line) for line in last.lines), key=lambda one: one.accepted_at)
    complete = last.complete and len(found) <= limit
    source = "the watchdog's log, and deliveries since"
    return Listed(found[:limit], complete, source, "The watchdog found no order unsettled")


def last_unsettled(service: Service, since: int, functions: Sequence[str]) -> Read:
    """The last line with `unsettled_s` of each order that has not settled after it.

    From these functions, since then (Unix ms).
    """
    logged = lines(
        service,
        since=since,
        term="unsettled_s",
        functions=functions,
        lines_max=UNSETTLED_LINES_MAX,
    )
    last = {_named(line): line for line in logged.lines if "unsettled_s" in line.fields}
    settled = _settled_since(service, since) if last else {}
    still = [line for name, line in last.items() if settled.get(name, 0) < line.at]
    return Read(still, logged.complete)


def _settled_since(service: Service, since: int) -> dict[tuple[str, str], int]:
    logged = lines(
        service,
        since=since,
        # A delivery's line has it if it settled the order.
        term="status",
        functions=DELIVERIES,
        lines_max=UNSETTLED_LINES_MAX,
    )
    return {_named(line): line.at for line in logged.lines if "status" in line.fields}


def _named(line: Line) -> tuple[str, str]:
    return str(line.fields.get("customer")), str(line.fields.get("order_id"))


def _from_line(line: Line) -> Summary:
    customer, order_id = _named(line)
    accepted_at = line.at - int(line.fields["unsettled_s"]) * 1000
    owed = [Step(name) for name in line.fields["owed"]]
    return Summary(order_id, customer, line.fields["status"], accepted_at, owed)


def summary_of(record: Record, channel: str | None = None) -> Summary:
    """`channel`: where the record is without its order."""
    return Summary(
        record.key.order_id,
        record.key.customer_hash,
        status(record.facts).value,
        record.accepted_at or 0,
        sorted(saga.owed(record.facts)),
        record.key.customer_id,
        reason(record.facts),
        channel if record.order is None else record.order.channel,
    )
