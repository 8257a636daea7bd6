"""Puts back what the orders table lacks, from a copy of it that AWS has restored.

DynamoDB restores into a new table, which has no stream, no function and another name. What is lost
is therefore copied back into the table in service, while customers go on ordering. Only what is not
there is put: nothing that happened since is overwritten.

Facts come before their orders. An order that came first would have its steps commanded anew: that
has no second effect either, since each downstream knows the keys, but it would be load for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from orders.aws import items

#: Puts at once: some hundred a second, a small part of what the table takes from customers.
SIDE_BY_SIDE = 16

OnItem = Callable[[], None]


@dataclass
class Restored:
    """How many items were looked at, and how many of them were put back, or with `dry_run` would
    be."""

    looked_at: int = 0
    put_back: int = 0


def restore(
    dynamodb: Any, *, copy: str, into: str, dry_run: bool = False, on_item: OnItem = lambda: None
) -> Restored:
    """Put every item of the table `copy` that is not in the table `into` there.

    Fine to interrupt and to repeat.
    """
    done = Restored()

    def bring(item: dict[str, Any]) -> bool:
        return _is_missing(dynamodb, into, item) if dry_run else _put(dynamodb, into, item)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        for progress_first in (True, False):
            for page in _pages(dynamodb, copy):
                chosen = [item for item in page if items.is_progress(item) is progress_first]
                for was_missing in workers.map(bring, chosen):
                    done.looked_at += 1
                    done.put_back += was_missing
                    on_item()
    return done


def _put(dynamodb: Any, table: str, item: dict[str, Any]) -> bool:
    """Whether the item was not there; then it is now."""
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


def _pages(dynamodb: Any, table: str) -> Iterator[list[dict[str, Any]]]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        yield page["Items"]
