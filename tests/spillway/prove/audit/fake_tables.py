"""The tables and the queues as an audit sees them, in memory, filled from scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orders.aws import items
from orders.domain.book import Book
from orders.domain.order import AcceptedOrder
from spillway.errors import SpillwayError
from spillway.prove.audit.pricing import PriceAudit
from spillway.prove.audit.running import Audit, Audited
from spillway.target.archive import Archive
from spillway.target.reading import OrdersTable
from spillway.target.records import Effect
from spillway.ui.progress import Bar
from tests.spillway.archived import no_archive
from tests.spillway.prove.audit.builders import ACCEPTED_AT, ORDER, Scene

TABLES = {name: name for name in ("orders", "coupons", "inventory", "fulfilment", "accounting")}
GRACE_MS = 3_600_000
NOW_SECONDS = ACCEPTED_AT / 1000 + 10


@dataclass
class FakeTables:
    """A boto3 DynamoDB client of scans and queries; `page` items a page.

    `between` is called when the scans are over: what happens while an audit goes on.
    """

    scenes: list[Scene]
    page: int = 2
    between: Callable[[], None] = lambda: None
    items: dict[str, list[items.Item]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fill()

    def fill(self) -> None:
        self.items = {name: [] for name in TABLES}
        for scene in self.scenes:
            self.items["orders"] += order_items(scene)
            for effect in scene.effects:
                self.items[effect.downstream] += [claim_item(effect), effect_item(effect)]

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        return {"Table": {"ItemCount": len(self.items[TableName])}}

    def get_paginator(self, call: str) -> Any:
        return Pages(self, call)

    def query(self, TableName: str, ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        values = ExpressionAttributeValues
        if ":order" in values and ":customer" not in values:
            found = [i for i in self.items[TableName] if i["pk"] == values[":order"]]
        else:
            found = [
                item
                for item in self.items[TableName]
                if item["pk"] == values[":customer"]
                and values[":order"]["S"] <= item["sk"]["S"] <= values[":progress"]["S"]
            ]
        return {"Items": found}


@dataclass
class Pages:
    tables: FakeTables
    call: str

    def paginate(self, TableName: str, **request: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        if self.call == "query":
            yield self.tables.query(TableName, request["ExpressionAttributeValues"])
            return
        found = list(self.tables.items[TableName])
        yield {"Items": []}  # a page can be empty and not the last
        for start in range(0, len(found), self.tables.page):
            yield {"Items": found[start : start + self.tables.page]}
        if TableName == "accounting":
            self.tables.between()


@dataclass
class FakeQueues:
    """A boto3 SQS client of queues that hold so many messages, one look after the other."""

    looks: dict[str, list[int]] = field(default_factory=dict)

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        counts = self.looks.get(QueueUrl, [0])
        count = counts.pop(0) if len(counts) > 1 else counts[0]
        return {"Attributes": {"ApproximateNumberOfMessages": str(count)}}


class Quiet(Bar):
    """A bar that shows nothing."""

    def __init__(self) -> None: ...

    def start(self, title: str, total: int | None = None) -> None: ...

    def advance(self, count: int = 1) -> None: ...


class Clock:
    """Time passes only in `sleep`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def audited(
    tables: FakeTables | Sequence[Scene],
    *,
    queues: FakeQueues | None = None,
    customers: dict[str, Callable[[str], int]] | None = None,
    seconds: float = NOW_SECONDS,
    unsettled_after_seconds: float = 900,
    book: Book | None = None,
    archive: Archive | None = None,
) -> Audited:
    """An audit as it goes `seconds` (Unix time) after 1970."""
    clock = Clock(seconds)
    if not isinstance(tables, FakeTables):
        tables = FakeTables(list(tables))
    names = ("inventory", "overflow", "watchdog", "inventory_dead_letter")
    return Audit(
        OrdersTable(tables, TABLES["orders"], archive or no_archive()),
        queues or FakeQueues(),
        TABLES,
        {name: name for name in names},
        customers or {},
        prices(book),
        Quiet(),
        unsettled_after_seconds,
        clock.now,
        clock.sleep,
    ).run()


def prices(book: Book | None) -> PriceAudit:
    """An audit of prices where this book can be read, and no other."""

    def read(version: str) -> Book:
        if book is None or book.version != version:
            raise SpillwayError(f"There is no price book {version!r}.")
        return book

    return PriceAudit(read, GRACE_MS)


def order_items(scene: Scene) -> Iterable[items.Item]:
    record = scene.record
    facts = record.facts
    if record.accepted_at is not None:
        order, book = record.order or ORDER, record.book
        accepted = AcceptedOrder(record.key, record.accepted_at, b"digest", order, book=book)
        yield items.order_item(replace(accepted, held_until=facts.held_until))
    progress = dict(items.progress_key(record.key))
    progress |= {step: items.outcome_attribute(o) for step, o in facts.outcomes.items()}
    if facts.cancellation is not None:
        progress[items.CANCELLATION] = items.cancellation_attribute(facts.cancellation)
    if facts.held_until is not None:
        progress[items.HELD_UNTIL] = {"N": str(facts.held_until)}
    if facts.approval is not None:
        progress[items.APPROVAL] = items.approval_attribute(facts.approval)
    for news in facts.news.values():
        progress = items.with_news(progress, news)
    if len(progress) > 2:
        yield progress


def effect_item(effect: Effect) -> items.Item:
    """As simulation/downstreams/dynamodb_ledger.py writes it."""
    texts = {
        "pk": f"{effect.key.customer_id}/{effect.key.order_id}",
        "sk": f"{effect.step}#{effect.idempotency_key}",
        "customer_id": effect.key.customer_id,
        "order_id": effect.key.order_id,
        "step": effect.step,
        "idempotency_key": effect.idempotency_key,
        "outcome": "done" if effect.done else "refused",
        "code": effect.code,
        "currency": effect.currency,
    }
    numbers = {"at": effect.at, "units": effect.units, "amount": effect.amount}
    item: items.Item = {
        **{name: {"S": text} for name, text in texts.items() if text is not None},
        **{name: {"N": str(number)} for name, number in numbers.items() if number is not None},
    }
    return item


def claim_item(effect: Effect) -> items.Item:
    return {"pk": {"S": f"key#{effect.idempotency_key}"}, "sk": {"S": "claim"}}
