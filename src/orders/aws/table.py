"""The orders table: the `Orders` port on DynamoDB.

Every write is conditional. A failed condition is an expected answer, never an error: something is
there already, and the same call returns it (ALL_OLD). So a retry, a clash and a new order cost one
write and no read.

In an order's place may be the stub of one that was archived. Who has an `archive` gets the order
from there; who has none learns that nothing is owed to it (`Archived`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from orders.aws import items
from orders.aws.clients import Client, is_bug, translate_aws_errors
from orders.aws.items import Item
from orders.domain.keeping import may_be_archived
from orders.domain.order import AcceptedOrder, OrderKey, VoidId
from orders.domain.parcels import News
from orders.domain.saga import Approval, Cancellation, Facts, Outcome, Step
from orders.domain.units import CustomerId, Millis, OrderId
from orders.failures import TransientFailure
from orders.ports import Archived, Clock, Progress

if TYPE_CHECKING:
    from orders.aws.archive_file import Items

#: As many keys as BatchGetItem takes.
BATCH_GET_MAX = 100
#: How a transaction names an operation whose condition did not hold.
CONDITION_FAILED = "ConditionalCheckFailed"


class ReadsStubs(Protocol):
    """`orders.aws.archive.ArchiveReader`, or an operator's."""

    @property
    def clock(self) -> Clock: ...

    def items_of(self, stubs: Sequence[Item]) -> Sequence[Items]:
        """Order and progress in whose place each stub is."""


@dataclass(frozen=True, slots=True)
class DynamoOrders:
    client: Client
    table: str
    archive: ReadsStubs | None = None

    def place(self, order: AcceptedOrder) -> AcceptedOrder | VoidId | None:
        return self._put_if_new(items.order_item(order))

    def void(self, void: VoidId) -> AcceptedOrder | None:
        there = self._put_if_new(items.void_item(void))
        return there if isinstance(there, AcceptedOrder) else None

    def find(self, key: OrderKey) -> AcceptedOrder | None:
        # Half the price of a consistent read, and an order never changes: only one that was
        # written a moment ago can be missed, or have its stub found that it came back from. So
        # only these are worth asking again.
        item = self._get(items.order_key(key), consistent=False)
        if item is None or items.is_stub(item):
            item = self._get(items.order_key(key), consistent=True)
        if item is None or items.is_void(item):
            return None
        [found] = self._complete([item], {})
        return found.order

    def progress(self, key: OrderKey) -> Progress | None:
        found = self._read_progress(key)
        return self._read_progress(key) if found and self._is_doubtful(found) else found

    def facts(self, key: OrderKey) -> Facts:
        return items.facts(self._get(items.progress_key(key), consistent=True))

    def batch_get_progress(self, keys: Sequence[OrderKey]) -> Mapping[OrderKey, Facts]:
        # A request must not have a key twice.
        distinct = list(dict.fromkeys(keys))
        facts_of: dict[OrderKey, Facts] = {}
        for start in range(0, len(distinct), BATCH_GET_MAX):
            facts_of |= self._batch_get_progress(distinct[start : start + BATCH_GET_MAX])
        return facts_of

    def history(
        self, customer_id: CustomerId, limit: int, before: OrderId | None
    ) -> tuple[Sequence[Progress], OrderId | None]:
        """Ids sort by time, so newest first is the key read backwards. Each order is at most two
        items, the progress first; a page ends where `limit` orders are complete."""
        page: list[Item] = []
        progress_of: dict[OrderKey, Item] = {}
        start = None if before is None else items.order_key(OrderKey(customer_id, before))
        while True:
            answer = self._query_backwards(customer_id, start, 2 * (limit - len(page)) + 1)
            for item in answer["Items"]:
                if items.is_progress(item):
                    progress_of[items.key_of(item)] = item
                    continue
                if items.is_void(item):
                    continue
                if len(page) == limit:
                    return self._page(page, progress_of), items.key_of(page[-1]).order_id
                page.append(item)
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return self._page(page, progress_of), None

    def record(self, key: OrderKey, outcomes: Mapping[Step, Outcome]) -> Facts:
        late = any(may_be_archived(key.order_id, outcome.at) for outcome in outcomes.values())
        write = self._write_unless_archived if late else self._write_facts
        left = outcomes
        # A command may come twice, and its other copy may have recorded some of these meanwhile.
        for _ in range(len(outcomes) + 1):
            facts = write(key, self._update(key, left))
            left = {step: outcome for step, outcome in left.items() if not facts.known(step)}
            if not left:
                return facts
        raise TransientFailure("the outcomes met a change of the order each time")

    def record_news(self, key: OrderKey, news: News) -> Facts:
        late = may_be_archived(key.order_id, news.at)
        write = self._write_unless_archived if late else self._write_facts
        return write(key, self._update_with_news(key, news))

    def request_cancellation(
        self,
        key: OrderKey,
        at: Millis,
        *,
        reserved: bool,
        express: bool = False,
        held: bool = False,
    ) -> Facts:
        # The saga must know on which side of the reservation the request falls. No clock can tell.
        # The table can: it takes one write after the other, and each side has its condition.
        # Of an order that was archived since it was read there are no facts in the table: to write
        # the request there would make it one that was cancelled before its reservation.
        before = True, "attribute_not_exists(#reserve)"
        after = False, "attribute_exists(#reserve)"
        if reserved:
            sides = [after]
        elif held:
            # Nothing is commanded before the release, which comes only where no request is.
            sides = [(True, "attribute_not_exists(approval)")]
        elif express:
            # `ship` may have been commanded, and `reserve` is not on record yet (decision 0052).
            sides = [(False, "")]
        else:
            sides = [before, after]
        for before_reservation, side in sides:
            cancellation = Cancellation(at, before_reservation)
            there = self._write_cancellation(key, cancellation, side)
            if there.cancellation is not None:
                return there
        raise TransientFailure("the cancellation met a change of the order each time")

    def decide(self, key: OrderKey, approval: Approval) -> Facts:
        # True while nobody has decided, and no request to cancel it came first.
        undecided = (
            "attribute_exists(held_until) AND attribute_not_exists(approval)"
            " AND attribute_not_exists(cancellation)"
        )
        with translate_aws_errors("UpdateItem"):
            try:
                answer = self.client.update_item(
                    TableName=self.table,
                    Key=items.progress_key(key),
                    UpdateExpression="SET approval = :approval",
                    ConditionExpression=undecided,
                    ExpressionAttributeValues={":approval": items.approval_attribute(approval)},
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                return items.facts(self._there_already(error, items.progress_key(key)))
        return items.facts(answer["Attributes"])

    def reopen(self, key: OrderKey, at: Millis) -> Facts:
        stub = self._get(items.order_key(key), consistent=True)
        if stub is None or not items.is_stub(stub):
            raise TransientFailure("the order was brought back from the archive meanwhile")
        [(order, progress)] = self._from_archive([stub])
        progress = items.reopened(progress, stub, Cancellation(at, before_reservation=False))
        # True while the stub is the one by which the order was read, and its customer not erased.
        still_there = "archived = :archived AND attribute_not_exists(erased_at)"
        if items.ERASED_AT in stub:
            still_there = "archived = :archived"
        # True while there is no progress, which would be newer.
        none_yet = "attribute_not_exists(pk)"
        with translate_aws_errors("TransactWriteItems"):
            self.client.transact_write_items(
                TransactItems=[
                    {
                        "Put": {
                            "TableName": self.table,
                            "Item": order,
                            "ConditionExpression": still_there,
                            "ExpressionAttributeValues": {":archived": stub[items.ARCHIVED]},
                        }
                    },
                    {
                        "Put": {
                            "TableName": self.table,
                            "Item": progress,
                            "ConditionExpression": none_yet,
                        }
                    },
                ]
            )
        return items.facts(progress)

    def _write_facts(self, key: OrderKey, update: Mapping[str, Any]) -> Facts:
        """Write facts on their condition, or none of them. Returns the facts after it."""
        with translate_aws_errors("UpdateItem"):
            try:
                answer = self.client.update_item(
                    **update,
                    # All the facts come with the answer of the write, for nothing.
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                return items.facts(self._there_already(error, items.progress_key(key)))
        return items.facts(answer["Attributes"])

    def _write_unless_archived(self, key: OrderKey, update: Mapping[str, Any]) -> Facts:
        """Of what comes months late. Alone in the table, its fact would look like that
        of an order whose other steps are still to be done. A transaction costs more, and nearly
        never happens."""
        not_archived = "attribute_not_exists(archived)"
        with translate_aws_errors("TransactWriteItems"):
            try:
                self.client.transact_write_items(
                    TransactItems=[
                        {
                            "ConditionCheck": {
                                "TableName": self.table,
                                "Key": items.order_key(key),
                                "ConditionExpression": not_archived,
                            }
                        },
                        {"Update": update},
                    ]
                )
            except ClientError as error:
                of_order, of_fact = cancellation_reasons(error)
                if of_order["Code"] == CONDITION_FAILED:
                    raise Archived from None
                if of_fact["Code"] != CONDITION_FAILED:
                    raise
        progress = self._get(items.progress_key(key), consistent=True)
        if progress is None:
            raise Archived
        return items.facts(progress)

    def _update(self, key: OrderKey, outcomes: Mapping[Step, Outcome]) -> dict[str, Any]:
        written = {step.value: items.outcome_attribute(outcomes[step]) for step in outcomes}
        # True when no outcome of these steps is on record yet.
        if_new = " AND ".join(f"attribute_not_exists(#{name})" for name in written)
        if len(outcomes) > 1:
            written[items.EXPRESS] = items.express_note(outcomes)
        return {
            "TableName": self.table,
            "Key": items.progress_key(key),
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in written),
            "ConditionExpression": if_new,
            "ExpressionAttributeNames": {f"#{name}": name for name in written},
            "ExpressionAttributeValues": {f":{name}": value for name, value in written.items()},
        }

    def _update_with_news(self, key: OrderKey, news: News) -> dict[str, Any]:
        # True when these news are not on record, nor another count of the order's parcels.
        condition = if_new = "attribute_not_exists(#told)"
        update = "ADD #news :one SET #told = :told"
        names = {"#told": items.news_name(news), "#news": items.NEWS}
        values = {":told": items.news_attribute(news), ":one": {"N": "1"}}
        if news.parcels is not None:
            condition = (
                f"{if_new} AND attribute_not_exists(#parcels) OR {if_new} AND #parcels = :parcels"
            )
            update += ", #parcels = :parcels"
            names["#parcels"] = items.PARCELS
            values[":parcels"] = {"N": str(news.parcels)}
        return {
            "TableName": self.table,
            "Key": items.progress_key(key),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }

    def _put_if_new(self, item: Item) -> AcceptedOrder | VoidId | None:
        # True when this customer has nothing under this order id, no order and no void id.
        if_new = "attribute_not_exists(pk)"
        with translate_aws_errors("PutItem"):
            try:
                self.client.put_item(
                    TableName=self.table,
                    Item=item,
                    ConditionExpression=if_new,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                there = self._there_already(error, {"pk": item["pk"], "sk": item["sk"]})
                if not items.is_stub(there):
                    return items.in_orders_place(there)
                [found] = self._complete([there], {})
                return found.order
        return None

    def _read_progress(self, key: OrderKey) -> Progress | None:
        # Both items are next to each other under the customer: one query costs one read unit for
        # the two of them, two gets would cost one each.
        with translate_aws_errors("Query"):
            answer = self.client.query(
                TableName=self.table,
                ConsistentRead=True,
                KeyConditionExpression="pk = :customer AND sk BETWEEN :order AND :progress",
                ExpressionAttributeValues={
                    ":customer": {"S": key.customer_id},
                    ":order": {"S": key.order_id},
                    ":progress": items.progress_key(key)["sk"],
                },
            )
        there = {items.is_progress(item): item for item in answer["Items"]}
        if False not in there or items.is_void(there[False]):
            return None
        progress_of = {key: there[True]} if True in there else {}
        [found] = self._complete([there[False]], progress_of)
        return found

    def _page(self, found: Sequence[Item], progress_of: Mapping[OrderKey, Item]) -> list[Progress]:
        complete = self._complete(found, progress_of)
        return [
            self.progress(each.order.key) or each if self._is_doubtful(each) else each
            for each in complete
        ]

    def _is_doubtful(self, found: Progress) -> bool:
        """An order that is just being archived may be read before that, and its progress after it:
        a query sees a transaction item by item."""
        if self.archive is None or found.facts.outcomes or found.archived:
            return False
        return may_be_archived(found.order.key.order_id, self.archive.clock.now())

    def _complete(
        self, found: Sequence[Item], progress_of: Mapping[OrderKey, Item]
    ) -> list[Progress]:
        """Orders with their facts, from the table's items. Raises Archived."""
        stubs = [item for item in found if items.is_stub(item)]
        archived = dict(zip(map(items.key_of, stubs), self._from_archive(stubs), strict=True))
        complete = []
        for item in found:
            key = items.key_of(item)
            order, progress = archived.get(key, (item, progress_of.get(key)))
            accepted, erased = items.accepted_order(order), items.ERASED_AT in order
            # Of an order that is just being placed a query may see the order before its progress.
            facts = items.facts(progress) if progress else Facts(held_until=accepted.held_until)
            complete.append(Progress(accepted, facts, key in archived, erased))
        return complete

    def _from_archive(self, stubs: Sequence[Item]) -> Sequence[Items]:
        if not stubs:
            return ()
        if self.archive is None:
            raise Archived
        return self.archive.items_of(stubs)

    def _write_cancellation(self, key: OrderKey, cancellation: Cancellation, side: str) -> Facts:
        """Write the request if it falls on its side, where it has one. Returns the facts after it,
        without a cancellation when it fell on the other side."""
        if_new = "attribute_not_exists(#cancellation)"
        names = {"#cancellation": items.CANCELLATION}
        if "#reserve" in side:
            names["#reserve"] = Step.RESERVE.value
        with translate_aws_errors("UpdateItem"):
            try:
                answer = self.client.update_item(
                    TableName=self.table,
                    Key=items.progress_key(key),
                    UpdateExpression="SET #cancellation = :cancellation",
                    ConditionExpression=f"{if_new} AND {side}" if side else if_new,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues={
                        ":cancellation": items.cancellation_attribute(cancellation)
                    },
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                return items.facts(self._there_already(error, items.progress_key(key)))
        return items.facts(answer["Attributes"])

    def _batch_get_progress(self, keys: Sequence[OrderKey]) -> Mapping[OrderKey, Facts]:
        # Not consistent, for half the price: a batch read may be a moment old.
        with translate_aws_errors("BatchGetItem"):
            answer = self.client.batch_get_item(
                RequestItems={self.table: {"Keys": [items.progress_key(key) for key in keys]}}
            )
        unread = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", ())
        found = {items.key_of(item): item for item in answer["Responses"][self.table]}
        left_out = {items.key_of(key) for key in unread}
        return {key: items.facts(found.get(key)) for key in keys if key not in left_out}

    def _get(self, key: dict[str, items.Attribute], *, consistent: bool) -> Item | None:
        with translate_aws_errors("GetItem"):
            answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=consistent)
        item: Item | None = answer.get("Item")
        return item

    def _there_already(self, error: ClientError, key: dict[str, items.Attribute]) -> Item:
        """The item on which a condition failed; any other error goes on as it is."""
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise error
        # Not in the type of an error's answer: only this error has it, where the request asked for
        # it. Some emulators leave it out; without it a retry would look like a bug.
        answer: Mapping[str, Any] = error.response
        item: Item | None = answer.get("Item") or self._get(key, consistent=True)
        if item is None:
            raise TransientFailure("what a condition failed on is gone")
        return item

    def _query_backwards(
        self, customer_id: CustomerId, start: dict[str, items.Attribute] | None, items_max: int
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "pk = :customer",
            "ExpressionAttributeValues": {":customer": {"S": customer_id}},
            "ScanIndexForward": False,
            "Limit": items_max,
        }
        if start is not None:
            request["ExclusiveStartKey"] = start
        with translate_aws_errors("Query"):
            answer: dict[str, Any] = self.client.query(**request)
        return answer


def cancellation_reasons(error: ClientError) -> Sequence[Mapping[str, Any]]:
    """What became of each operation of a transaction; any other error goes on as it is."""
    cancelled = error.response["Error"]["Code"] == "TransactionCanceledException"
    if not cancelled or is_bug(error):
        raise error
    # Not in the type of an error's answer: only this error has it.
    answer: Mapping[str, Any] = error.response
    reasons: Sequence[Mapping[str, Any]] = answer["CancellationReasons"]
    return reasons
