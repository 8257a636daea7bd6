"""Erases who a customer is from their orders, and keeps the orders.

Accounting must keep for years what was bought, when, for how much and how it was paid. It does not
need the recipient. So an order keeps its lines, sums, payment reference and facts. It loses its
name and address, except for the country, which the tax depends on; and its content's digest, which
was made from the address too. What is left has the customer id, which the issuer of tokens gave and
which identifies no person once the issuer has deleted the account.

An order that has not settled needs its address. It is listed and left, to be erased the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from typing import Any

from orders.aws import items
from orders.domain import saga
from orders.domain.order import AcceptedOrder, Address

ERASED = "erased"
#: No content has this digest: the same order sent again is no longer known as the same.
NO_DIGEST = bytes(16)


@dataclass
class Erasure:
    """Order ids, by what was done."""

    customer_id: str
    erased: list[str] = field(default_factory=list)
    #: Had been erased before.
    were_erased: list[str] = field(default_factory=list)
    #: Have not settled.
    left: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.left


def erase(
    dynamodb: Any,
    table: str,
    customer_id: str,
    *,
    now: int,
    on_order: Callable[[], None] = lambda: None,
) -> Erasure:
    """Erase a customer from all of their settled orders. Fine to interrupt and to repeat.

    `now` is Unix milliseconds, and is stored with each erased order.
    """
    done = Erasure(customer_id)
    for order, progress in _orders(dynamodb, table, customer_id):
        accepted = items.accepted_order(order)
        order_id = accepted.key.order_id
        if "erased_at" in order:
            done.were_erased.append(order_id)
        elif saga.owed(items.facts(progress)):
            done.left.append(order_id)
        else:
            _overwrite(dynamodb, table, without_person(accepted), now)
            done.erased.append(order_id)
        on_order()
    return done


def without_person(accepted: AcceptedOrder) -> AcceptedOrder:
    erased = Address(
        name=ERASED,
        lines=(ERASED,),
        city=ERASED,
        postal_code=ERASED,
        country=accepted.order.address.country,
    )
    # The receipt is a signature that nothing needs any more.
    payment = accepted.order.payment and replace(accepted.order.payment, receipt=ERASED)
    order = replace(accepted.order, address=erased, payment=payment)
    return replace(accepted, order=order, digest=NO_DIGEST)


def _overwrite(dynamodb: Any, table: str, accepted: AcceptedOrder, now: int) -> None:
    """The one write that changes an order, on condition that it is still there."""
    item = items.order_item(accepted)
    dynamodb.update_item(
        TableName=table,
        Key=items.order_key(accepted.key),
        UpdateExpression="SET content = :content, digest = :digest, erased_at = :now",
        ConditionExpression="attribute_exists(pk)",
        ExpressionAttributeValues={
            ":content": item["content"],
            ":digest": item["digest"],
            ":now": {"N": str(now)},
        },
    )


def _orders(
    dynamodb: Any, table: str, customer_id: str
) -> Iterator[tuple[items.Item, items.Item | None]]:
    """Each of the customer's orders with its progress, which is the item after it."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :customer",
        ExpressionAttributeValues={":customer": {"S": customer_id}},
        ConsistentRead=True,
    )
    stored = chain.from_iterable(page["Items"] for page in pages)
    for _, group in groupby(stored, key=items.key_of):
        order, *progress = group
        if not items.is_progress(order) and not items.is_void(order):
            yield order, next(iter(progress), None)
