"""Erases who a customer is from their orders, and keeps the orders.

Accounting must keep for years what was bought, when, for how much and how it was paid. It does not
need the recipient. So an order keeps its lines, sums, payment reference and facts. It loses its
name and address, except for the country, which the tax depends on; and its content's digest, which
was made from the address too. What is left has the customer id, which the issuer of tokens gave and
which identifies no person once the issuer has deleted the account. Of an order that a company's
buyer placed it is the company's, and the buyer's is taken out. So are its
parcels' tracking numbers, under which their carriers know where they went.

An order that has not settled needs its address. It is listed and left, to be erased the next time.

An archived order's line is written over in its object, padded to the same length, so that no other
line moves; then its stub says so. A cancellation may bring the order back into the table meanwhile,
with the line as it was: the stub is gone then, or no longer the same, and the order is looked at
again. Whichever way an order goes, nobody's name is left in a line that no stub names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from botocore.exceptions import ClientError

from orders.aws import archive_file, items
from orders.domain import saga
from orders.domain.order import AcceptedOrder, Address, OrderKey
from orders.domain.units import CustomerId, OrderId
from spillway.target.archive import Archive
from spillway.target.reading import OrdersTable

ERASED = "erased"
#: Erased now or before, or left because it has not settled.
Outcome = Literal["erased", "before", "left"]
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
    orders: OrdersTable,
    archive: Archive,
    customer_id: str,
    *,
    now: int,
    on_order: Callable[[], None] = lambda: None,
) -> Erasure:
    """Erase a customer from all of their settled orders. Fine to interrupt and to repeat.

    `now` is Unix milliseconds, and is stored with each erased order.
    """
    done, erasing = Erasure(customer_id), Erasing(orders, archive, now)
    for key, stored in _orders(orders, customer_id):
        outcome = erasing.erased(key, stored)
        {"erased": done.erased, "before": done.were_erased, "left": done.left}[outcome].append(
            key.order_id
        )
        on_order()
    return done


@dataclass(frozen=True, slots=True)
class Theirs:
    """A customer's orders before they are erased: their ids, oldest first, and how many of them
    have not settled."""

    order_ids: Sequence[OrderId]
    unsettled: int


def theirs(orders: OrdersTable, customer_id: str) -> Theirs:
    found = dict(_orders(orders, customer_id))
    unsettled = [
        stored
        for stored in found.values()
        if not items.is_stub(stored[0])
        and not saga.at_rest(items.facts(next(iter(stored[1:]), None)))
    ]
    return Theirs([key.order_id for key in found], len(unsettled))


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
    buyer = accepted.buyer and CustomerId(ERASED)
    return replace(accepted, order=order, digest=NO_DIGEST, buyer=buyer)


def erased_items(order: items.Item, now: int) -> dict[str, items.Attribute]:
    """What is left of an order's item."""
    left = items.order_item(without_person(items.accepted_order(order)))
    return {**order, **left, items.ERASED_AT: {"N": str(now)}}


def without_people(progress: items.Item) -> dict[str, items.Attribute]:
    """A progress item that says no more who decided about the order, nor under which numbers its
    carriers know where it went. It is no longer than it was, but for the approver."""
    left = {**progress}
    facts = items.facts(progress)
    if facts.approval is not None and facts.approval.by is not None:
        unnamed = replace(facts.approval, by=CustomerId(ERASED))
        left[items.APPROVAL] = items.approval_attribute(unnamed)
    for news in facts.news.values():
        untracked = replace(news, tracking_number=None)
        left[items.news_name(news)] = items.news_attribute(untracked)
    return left


@dataclass(frozen=True, slots=True)
class Erasing:
    """Erases one order after the other."""

    orders: OrdersTable
    archive: Archive
    now: int

    def erased(self, key: OrderKey, stored: list[items.Item]) -> Outcome:
        """Of an order as it was read; if it is no longer so, of what it is then."""
        while True:
            order, *progress = stored
            outcome = (
                self._in_archive(order)
                if items.is_stub(order)
                else self._in_table(order, next(iter(progress), None))
            )
            if outcome is not None:
                return outcome
            stored = self.orders.items_of(key)

    def _in_table(self, order: items.Item, progress: items.Item | None) -> Outcome | None:
        erased_before = items.ERASED_AT in order
        if not erased_before and not saga.at_rest(items.facts(progress)):
            return "left"
        if progress is not None:
            # Before the order, so that what was interrupted is done again; and again each time, for
            # fulfilment may have told of its parcels since.
            self._erase_people(progress)
        if erased_before:
            return "before"
        if progress is not None and items.REOPENED in progress:
            # The line that it had before, which no stub names any more.
            self.archive.overwrite(items.location_of(progress), None)
        left = erased_items(order, self.now)
        names = ["content", "digest", *({items.BUYER} & left.keys())]
        return self._written(
            order,
            f"SET {', '.join(f'{name} = :{name}' for name in names)}, erased_at = :now",
            # True while it is in the table.
            "attribute_exists(content)",
            {f":{name}": left[name] for name in names} | self._now,
        )

    def _erase_people(self, progress: items.Item) -> None:
        left = without_people(progress)
        changed = [name for name in left if left[name] != progress[name]]
        if not changed:
            return
        self._written(
            progress,
            "SET " + ", ".join(f"#n{place} = :v{place}" for place in range(len(changed))),
            # True while it is in the table.
            "attribute_exists(pk)",
            {f":v{place}": left[name] for place, name in enumerate(changed)},
            {f"#n{place}": name for place, name in enumerate(changed)},
        )

    def _in_archive(self, stub: items.Item) -> Outcome | None:
        # Its line is looked at also where the stub says that it was erased: somebody may have
        # brought back an older version of the object.
        [(order, progress)] = self.archive.items_of([stub])
        if items.ERASED_AT not in order:
            left = erased_items(order, self.now)
            line = archive_file.line_of(left, without_people(progress))
            self.archive.overwrite(items.location_of(stub), line)
        elif items.ERASED_AT in stub:
            return "before"
        return self._written(
            stub,
            "SET erased_at = :now",
            # True while this is still the order's line.
            "archived = :archived",
            {":archived": stub[items.ARCHIVED]} | self._now,
        )

    @property
    def _now(self) -> dict[str, items.Attribute]:
        return {":now": {"N": str(self.now)}}

    def _written(
        self,
        item: items.Item,
        update: str,
        condition: str,
        values: dict[str, items.Attribute],
        names: Mapping[str, str] | None = None,
    ) -> Outcome | None:
        """None: it was archived or brought back meanwhile."""
        try:
            self.orders.dynamodb.update_item(
                TableName=self.orders.name,
                Key={"pk": item["pk"], "sk": item["sk"]},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                **({} if names is None else {"ExpressionAttributeNames": names}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return None
        return "erased"


def _orders(orders: OrdersTable, customer_id: str) -> Iterator[tuple[OrderKey, list[items.Item]]]:
    """Each of the customer's orders, with its progress after it."""
    for key, group in groupby(_stored(orders, customer_id), key=items.key_of):
        of_order = list(group)
        if items.is_progress(of_order[0]) or items.is_void(of_order[0]):
            continue
        # One that seems to have no progress may just have been archived.
        seems_new = len(of_order) == 1 and not items.is_stub(of_order[0])
        yield key, orders.items_of(key) if seems_new else of_order


def _stored(orders: OrdersTable, customer_id: str) -> Iterator[items.Item]:
    start: dict[str, Any] = {}
    while True:
        answer = orders.dynamodb.query(
            TableName=orders.name,
            KeyConditionExpression="pk = :customer",
            ExpressionAttributeValues={":customer": {"S": customer_id}},
            ConsistentRead=True,
            **start,
        )
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
