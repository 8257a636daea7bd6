"""Reads a service's tables, queues and logs for the toolbox: the one place where a scan is right.

Every call is paged, and every page is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

from orders.aws import archive_file, items
from orders.domain.order import Order, OrderKey
from orders.domain.saga import Downstream
from spillway.target.records import Depth, Effect, Record, Size

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.literals import QueueAttributeNameType

_DEPTHS: Mapping[QueueAttributeNameType, str] = {
    "ApproximateNumberOfMessages": "visible",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}
#: Of archived orders a page of the table is many times as large.
PAGE_ITEMS_MAX = 1_000
_LOG_GROUP_PREFIX = "/aws/lambda/"


class ReadsArchive(Protocol):
    """`spillway.target.archive.Archive`, or another one of its form."""

    def whole(self, found: Iterable[items.Item]) -> Iterator[items.Item]:
        """The items, with an order's own two in place of each stub."""


@dataclass(frozen=True, slots=True)
class OrdersTable:
    """The orders table with the archive behind it: every order is read as its own two items,
    wherever they are."""

    dynamodb: Any
    name: str
    archive: ReadsArchive

    def pages(self) -> Iterator[list[items.Item]]:
        """Everything, in lists that fit into memory."""
        for page in pages(self.dynamodb, self.name):
            whole = self.archive.whole(page)
            while some := list(islice(whole, PAGE_ITEMS_MAX)):
                yield some

    def orders(self) -> list[Record]:
        """Every order with its facts."""
        stored = by_order(placed_here(chain.from_iterable(self.pages())))
        return [record_of(key, found) for key, found in stored.items()]

    def order(self, key: OrderKey) -> Record | None:
        """One order as it is now; None where there is none."""
        found = [item for item in self.items_of(key) if not items.is_void(item)]
        stub = next(filter(items.is_stub, found), None)
        if not found:
            return None
        record = record_of(key, self.archive.whole(found))
        if stub is None:
            return record
        return replace(record, archived=archive_file.object_key(items.location_of(stub)))

    def items_of(self, key: OrderKey) -> list[items.Item]:
        """What the table has of an order, stubs and void ids included.

        A query sees the transaction that archives an order item by item: an order may be read
        before it, and its progress after it. So one that seems to have none is read again.
        """
        found = self._query(key)
        seems_new = len(found) == 1 and not (items.is_stub(found[0]) or items.is_void(found[0]))
        return self._query(key) if seems_new else found

    def _query(self, key: OrderKey) -> list[items.Item]:
        answer = self.dynamodb.query(
            TableName=self.name,
            ConsistentRead=True,
            KeyConditionExpression="pk = :customer AND sk BETWEEN :order AND :progress",
            ExpressionAttributeValues={
                ":customer": {"S": key.customer_id},
                ":order": {"S": key.order_id},
                ":progress": items.progress_key(key)["sk"],
            },
        )
        return list(answer["Items"])


def by_order(stored: Iterable[items.Item]) -> dict[OrderKey, list[items.Item]]:
    found: dict[OrderKey, list[items.Item]] = defaultdict(list)
    for item in stored:
        found[items.key_of(item)].append(item)
    return found


def placed_here(found: Iterable[items.Item]) -> Iterator[items.Item]:
    """The items without void ids, and without those of orders that were imported from an older
    database.

    Other systems carried out the steps of such an order, and the downstreams have no record of it.
    """
    return (item for item in found if items.IMPORTED not in item and not items.is_void(item))


def read_effects(dynamodb: Any, table: str, downstream: Downstream) -> list[Effect]:
    """Every effect and refusal in the own table of a downstream's fake.

    simulation/downstreams/ledger.py writes the attributes. Items without an outcome are claims of
    idempotency keys, not effects.
    """
    every = chain.from_iterable(pages(dynamodb, table))
    return list(effects_of(every, downstream))


def effects_of(ledger: Iterable[items.Item], downstream: Downstream) -> Iterator[Effect]:
    return (_effect(item, downstream) for item in ledger if "outcome" in item)


def record_of(key: OrderKey, stored: Iterable[items.Item]) -> Record:
    """An order from its items, one or both."""
    found = {items.is_progress(item): item for item in stored}
    facts = items.facts(found.get(True))
    express = items.express_steps(found.get(True))
    if False not in found:
        return Record(key, None, None, facts, express=express)
    accepted = items.accepted_order(found[False])
    return Record(
        key,
        accepted.accepted_at,
        size_of(accepted.order),
        facts,
        accepted.order,
        accepted.trace,
        accepted.book,
        may_go_express=accepted.express,
        express=express,
        buyer=accepted.buyer,
    )


def read_effects_of(
    dynamodb: Any, table: str, downstream: Downstream, key: OrderKey
) -> list[Effect]:
    """One order's entries in a downstream's own table."""
    answers = dynamodb.get_paginator("query").paginate(
        TableName=table,
        ConsistentRead=True,
        KeyConditionExpression="pk = :order",
        ExpressionAttributeValues={":order": {"S": f"{key.customer_id}/{key.order_id}"}},
    )
    found = chain.from_iterable(answer["Items"] for answer in answers)
    return list(effects_of(found, downstream))


def count_items(dynamodb: Any, table: str) -> int:
    """An approximate count, which AWS renews every six hours."""
    description = dynamodb.describe_table(TableName=table)["Table"]
    return int(description.get("ItemCount", 0))


def read_depths(sqs: SQSClient, queues: Mapping[str, str]) -> list[Depth]:
    """How many messages each queue holds. `queues`: name to URL."""
    depths = []
    for name, url in queues.items():
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_DEPTHS))
        counts = {
            field: int(answer["Attributes"].get(attribute, 0))
            for attribute, field in _DEPTHS.items()
        }
        depths.append(Depth(name, **counts))
    return depths


def read_invocations(logs: CloudWatchLogsClient, since: int) -> dict[str, int]:
    """How often each of our functions ran since then (Unix ms), by the REPORT lines in its log."""
    counts = {}
    groups = logs.get_paginator("describe_log_groups")
    for page in groups.paginate(logGroupNamePrefix=f"{_LOG_GROUP_PREFIX}spillway-"):
        for group in page["logGroups"]:
            name = group["logGroupName"]
            runs = read_runs(logs, name, since)
            counts[name.removeprefix(_LOG_GROUP_PREFIX)] = sum(1 for _ in runs)
    return counts


def read_runs(logs: CloudWatchLogsClient, log_group: str, since: int) -> Iterator[int]:
    """When a function's runs since then ended (Unix ms), from the REPORT lines in its log."""
    events = logs.get_paginator("filter_log_events")
    for answer in events.paginate(logGroupName=log_group, startTime=since, filterPattern="REPORT"):
        for event in answer["events"]:
            if event["message"].startswith("REPORT "):
                yield event["timestamp"]


def pages(dynamodb: Any, table: str) -> Iterator[list[items.Item]]:
    """A whole table, page by page of up to 1 MB."""
    # An empty page can have a next one: the paginator follows the key, not the items.
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield page["Items"]


def size_of(order: Order) -> Size:
    units = sum(line.quantity for line in order.lines)
    return Size(units, order.total, order.currency)


def _effect(item: items.Item, downstream: Downstream) -> Effect:
    return Effect(
        downstream=downstream,
        key=OrderKey(item["customer_id"]["S"], item["order_id"]["S"]),
        step=item["step"]["S"],
        idempotency_key=item["idempotency_key"]["S"],
        done=item["outcome"]["S"] == "done",
        at=int(item["at"]["N"]),
        code=item["code"]["S"] if "code" in item else None,
        units=int(item["units"]["N"]) if "units" in item else None,
        amount=int(item["amount"]["N"]) if "amount" in item else None,
        currency=item["currency"]["S"] if "currency" in item else None,
        looked_up_at=int(item["looked_up_at"]["N"]) if "looked_up_at" in item else None,
    )
