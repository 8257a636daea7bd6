"""Copies items that are missing from the orders table back into it, from a restored backup.

DynamoDB restores into a new table, which has another name, no stream and no functions. So missing
items are copied into the table in service, while customers order. An item is written only if it is
missing: nothing newer is overwritten.

Facts are copied before their orders. If an order came first, relay would command its steps again.
Each downstream knows the idempotency keys, so that has no second effect, but it is needless load.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from orders.aws import items

#: Writes at once: some hundred a second, a small part of what customers write.
WRITES_AT_ONCE = 16


@dataclass
class Restored:
    """How many items were compared, and how many were restored, or with `dry_run` would be."""

    looked_at: int = 0
    put_back: int = 0


def restore(
    dynamodb: Any,
    *,
    copy: str,
    into: str,
    dry_run: bool = False,
    on_item: Callable[[], None] = lambda: None,
) -> Restored:
    """Copy every item of the table `copy` that is missing from the table `into`.

    Safe to interrupt and to repeat.
    """
    done = Restored()
    bring = partial(_is_missing if dry_run else _put, dynamodb, into)
    with ThreadPoolExecutor(WRITES_AT_ONCE) as workers:
        for progress_first in (True, False):
            for page in dynamodb.get_paginator("scan").paginate(TableName=copy):
                chosen = [
                    item for item in page["Items"] if items.is_progress(item) is progress_first
                ]
                for was_missing in workers.map(bring, chosen):
                    done.looked_at += 1
                    done.put_back += was_missing
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
    key = {name: item[name] for name in ("pk", "sk")}
    return "Item" not in dynamodb.get_item(TableName=table, Key=key, ProjectionExpression="pk")
