"""Copies items that are missing from a table back into it, from a restored backup.

DynamoDB restores into a new table, which has another name, no stream and no functions. So missing
items are copied into the table in service, while customers order. An item is written only if it is
missing: nothing newer is overwritten.

Facts are copied before their orders. If an order came first, relay would command its steps again.
Each downstream knows the idempotency keys, so that has no second effect, but it is needless load.

An order that was archived since the backup has its facts in the archive: none are written beside
its stub. A missing stub is copied if its line can be read: the order could not be looked at else.

Of the coupons table only the marks of retired codes are copied. Uses follow from the orders: one
that was given back since the backup would come back with a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from orders.aws import archive_file, items
from orders.domain.keeping import may_be_archived
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.target.archive import Archive

#: Writes at once: some hundred a second, a small part of what customers write.
WRITES_AT_ONCE = 16


#: Which items are copied, one after the other.
Passes = Sequence[Callable[[items.Item], bool]]
OF_ORDERS: Passes = (items.is_progress, lambda item: not items.is_progress(item))
OF_COUPONS: Passes = (lambda item: "retired_at" in item,)


@dataclass
class Restored:
    """How many items were compared, and how many were restored, or with `dry_run` would be; and
    how many of these are orders with limited coupons. `unreadable`: ids of archived orders whose
    line is not in the archive, so they were left out. `days`: those of restored orders that could
    have been archived since the backup, and have a line there that no stub names any more."""

    looked_at: int = 0
    put_back: int = 0
    with_coupons: int = 0
    unreadable: list[str] = field(default_factory=list)
    days: set[str] = field(default_factory=set)


def restore(
    dynamodb: Any,
    archive: Archive,
    *,
    copy: str,
    into: str,
    passes: Passes = OF_ORDERS,
    dry_run: bool = False,
    on_item: Callable[[], None] = lambda: None,
) -> Restored:
    """Copy every item of the table `copy` that a pass takes and the table `into` has not.

    Safe to interrupt and to repeat.
    """
    done = Restored()
    bringing = _Bringing(dynamodb, archive, into, dry_run=dry_run)
    with ThreadPoolExecutor(WRITES_AT_ONCE) as workers:
        for wanted in passes:
            for page in dynamodb.get_paginator("scan").paginate(TableName=copy):
                chosen = [item for item in page["Items"] if wanted(item)]
                brought = workers.map(bringing.bring, chosen)
                for item, (was_missing, orders) in zip(chosen, brought, strict=True):
                    done.looked_at += 1
                    done.put_back += was_missing and orders is not None
                    if orders is None:
                        done.unreadable.append(items.key_of(item).order_id)
                    elif was_missing:
                        done.days |= set(_days(item, archive.clock.now()))
                        done.with_coupons += any(items.CLAIMS in order for order in orders)
                    on_item()
    return done


@dataclass(frozen=True, slots=True)
class _Bringing:
    dynamodb: Any
    archive: Archive
    table: str
    dry_run: bool

    def bring(self, item: dict[str, Any]) -> tuple[bool, Sequence[items.Item] | None]:
        """Write the item if it is missing. Returns whether it was, and what it stands for; None for
        a stub without a line, which is left out."""
        if not self._is_missing(item):
            return False, ()
        stands_for = self._stands_for(item)
        if stands_for is None or self.dry_run:
            return True, stands_for
        return self._put(item), stands_for

    def _is_missing(self, item: dict[str, Any]) -> bool:
        """A read, which is a tenth of the price of a write that is refused."""
        key = {name: item[name] for name in item.keys() & {"pk", "sk"}}
        if self._has(key, "pk"):
            return False
        # Where its order was archived since, so was this.
        return not _is_progress(item) or not self._has(_order_key(item), items.ARCHIVED)

    def _has(self, key: dict[str, Any], name: str) -> bool:
        found = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return name in found.get("Item", {})

    def _stands_for(self, item: dict[str, Any]) -> Sequence[items.Item] | None:
        if not items.is_stub(item):
            return (item,)
        try:
            return self.archive.items_of([item])[0]
        except SpillwayError:
            return None

    def _put(self, item: dict[str, Any]) -> bool:
        """False where something was written meanwhile."""
        put = {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
        try:
            if not _is_progress(item):
                self.dynamodb.put_item(TableName=self.table, **put)
                return True
            not_archived = {
                "Key": _order_key(item),
                "ConditionExpression": f"attribute_not_exists({items.ARCHIVED})",
            }
            self.dynamodb.transact_write_items(
                TransactItems=[
                    {"ConditionCheck": {"TableName": self.table, **not_archived}},
                    {"Put": {"TableName": self.table, **put}},
                ]
            )
        except ClientError as error:
            answer: Mapping[str, Any] = error.response
            reasons = {each.get("Code") for each in answer.get("CancellationReasons", ())}
            if not {answer["Error"]["Code"], *reasons} & _CONDITION_FAILED:
                raise
            return False
        return True


_CONDITION_FAILED = frozenset({"ConditionalCheckFailedException", "ConditionalCheckFailed"})


def _days(item: items.Item, now: Millis) -> Iterator[str]:
    if "accepted_at" in item and may_be_archived(items.key_of(item).order_id, now):
        yield archive_file.day_of(Millis(int(item["accepted_at"]["N"])))


def _is_progress(item: items.Item) -> bool:
    """Items of the coupons table have no sort key."""
    return "sk" in item and items.is_progress(item)


def _order_key(progress: items.Item) -> dict[str, Any]:
    return items.order_key(items.key_of(progress))
