"""Erases who a customer is from their orders, and keeps the orders.

The books have to keep what was bought, when, for how much and how it was paid, for years. They do
not need whom it was sent to. So an order stays, with its lines, sums, payment reference and facts,
and loses its name and address but for the country, which the tax depends on. What identified its
content goes too: it was made of the address among others. What remains is held together by the
customer id, a name that the issuer of tokens gave and that names nobody once it is gone there.

An order that is still under way needs its address. It is left, and told, and erased the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from orders.aws import items
from orders.domain import saga
from orders.domain.order import AcceptedOrder, Address

ERASED = "erased"
#: No content has this digest: the same order sent again is no longer known as the same.
NO_DIGEST = bytes(16)

OnOrder = Callable[[], None]


@dataclass
class Erasure:
    """What was found and done: order ids."""

    customer_id: str
    erased: list[str] = field(default_factory=list)
    #: Erased before.
    were_erased: list[str] = field(default_factory=list)
    #: Still under way.
    left: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.left


def erase(
    dynamodb: Any, table: str, customer_id: str, *, now: int, on_order: OnOrder = lambda: None
) -> Erasure:
    """Erase a customer from all of their settled orders. Fine to interrupt and to repeat.

    `now` is Unix milliseconds, and stands with each erased order.
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
    """The order as it is kept."""
    nobody = Address(
        name=ERASED,
        lines=(ERASED,),
        city=ERASED,
        postal_code=ERASED,
        country=accepted.order.address.country,
    )
    # The receipt is a signature over what stays; it tells nothing, and nothing needs it any more.
    payment = replace(accepted.order.payment, receipt=ERASED)
    order = replace(accepted.order, address=nobody, payment=payment)
    return replace(accepted, order=order, digest=NO_DIGEST)


def _overwrite(dynamodb: Any, table: str, accepted: AcceptedOrder, now: int) -> None:
    """The one write that changes an order. Only where it still is: nothing is made anew."""
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
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Each of the customer's orders with its progress, which lies right behind it."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :customer",
        ExpressionAttributeValues={":customer": {"S": customer_id}},
        ConsistentRead=True,
    )
    order: dict[str, Any] | None = None
    for page in pages:
        for item in page["Items"]:
            if items.is_progress(item):
                if order is not None:
                    yield order, item
                order = None
                continue
            if order is not None:
                yield order, None
            order = item
    if order is not None:
        yield order, None
