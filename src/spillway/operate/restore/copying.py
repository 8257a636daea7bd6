"""Copies items that are missing from a table back into it, from a restored backup.

DynamoDB restores into a new table, which has another name, no stream and no functions. So missing
items are copied into the table in service, while customers order. An item is written only if it is
missing: nothing newer is overwritten.

Facts are copied before their orders. If an order came first, relay would command its steps again.
Each downstream knows the idempotency keys, so that has no second effect, but it is needless load.

Of the coupons table only the marks of retired codes are copied. Uses follow from the orders: one
that was given back since the backup would come back with a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from orders.aws import items

#: Writes at once: some hundred a second, a small part of what customers write.
WRITES_AT_ONCE = 16


#: Which items are copied, one after the other.
Passes = Sequence[Callable[[items.Item], bool]]
OF_ORDERS: Passes = (items.is_progress, lambda item: not items.is_progress(item))
OF_COUPONS: Passes = (lambda item: "retired_at" in item,)


@dataclass
class Restored:
    """How many items were compared, and how many were restored, or with `dry_run` would be; and
    how many of these are orders with limited coupons."""

    looked_at: int = 0
    put_back: int = 0
    with_coupons: int = 0


def restore(
    dynamodb: Any,
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
    bring = partial(_is_missing if dry_run else _put, dynamodb, into)
    with ThreadPoolExecutor(WRITES_AT_ONCE) as workers:
        for wanted in passes:
            for page in dynamodb.get_paginator("scan").paginate(TableName=copy):
                chosen = [item for item in page["Items"] if wanted(item)]
                for item, was_missing in zip(chosen, workers.map(bring, chosen), strict=True):
                    done.looked_at += 1
                    done.put_back += was_missing
                    done.with_coupons += was_missing and items.CLAIMS in item
                    on_item()
    return done


def _put(dynamodb: Any, table: str, item: dict[str, Any]) -> bool:
    """Write the item if it is missing; true if it was."""
    try:
        dynamodb.put_item(
            TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)"
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _is_missing(dynamodb: Any, table: str, item: dict[str, Any]) -> bool:
    key = {name: item[name] for name in ("pk", "sk") if name in item}
    return "Item" not in dynamodb.get_item(TableName=table, Key=key, ProjectionExpression="pk")
