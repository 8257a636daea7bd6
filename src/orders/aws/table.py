"""The orders table: the `Orders` port on DynamoDB.

Every write is conditional. A failed condition is an expected answer, never an error: something is
there already, and the same call returns it (ALL_OLD). So a retry, a clash and a new order cost one
write and no read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from orders.aws import items
from orders.aws.clients import Client, translate_aws_errors
from orders.aws.items import Item
from orders.domain.order import AcceptedOrder, OrderKey, VoidId
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.domain.units import CustomerId, Millis, OrderId
from orders.failures import TransientFailure
from orders.ports import Progress

#: As many keys as BatchGetItem takes.
BATCH_GET_MAX = 100


@dataclass(frozen=True, slots=True)
class DynamoOrders:
    client: Client
    table: str

    def place(self, order: AcceptedOrder) -> AcceptedOrder | VoidId | None:
        return self._put_if_new(items.order_item(order))

    def void(self, void: VoidId) -> AcceptedOrder | None:
        there = self._put_if_new(items.void_item(void))
        return there if isinstance(there, AcceptedOrder) else None

    def find(self, key: OrderKey) -> AcceptedOrder | None:
        # Half the price of a consistent read, and an order never changes: only one that was
        # written a moment ago can be missed, so only a miss is worth asking again.
        item = self._get(items.order_key(key), consistent=False)
        if item is None:
            item = self._get(items.order_key(key), consistent=True)
        return None if item is None or items.is_void(item) else items.accepted_order(item)

    def progress(self, key: OrderKey) -> Progress | None:
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
        found = {item["sk"]["S"]: item for item in answer["Items"]}
        order = found.get(key.order_id)
        if order is None or items.is_void(order):
            return None
        return Progress(
            items.accepted_order(order),
            items.facts(found.get(key.order_id + items.PROGRESS_SUFFIX)),
        )

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
        page: list[Progress] = []
        facts_of: dict[OrderKey, Facts] = {}
        start = None if before is None else items.order_key(OrderKey(customer_id, before))
        while True:
            answer = self._query_backwards(customer_id, start, 2 * (limit - len(page)) + 1)
            for item in answer["Items"]:
                if items.is_progress(item):
                    facts_of[items.key_of(item)] = items.facts(item)
                    continue
                if items.is_void(item):
                    continue
                if len(page) == limit:
                    return page, page[-1].order.key.order_id
                order = items.accepted_order(item)
                page.append(Progress(order, facts_of.get(order.key, Facts())))
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return page, None

    def record(self, key: OrderKey, step: Step, outcome: Outcome) -> Facts:
        # True when this step's outcome is not on record yet.
        if_new = "attribute_not_exists(#step)"
        with translate_aws_errors("UpdateItem"):
            try:
                answer = self.client.update_item(
                    TableName=self.table,
                    Key=items.progress_key(key),
                    UpdateExpression="SET #step = :outcome",
                    ConditionExpression=if_new,
                    ExpressionAttributeNames={"#step": step.value},
                    ExpressionAttributeValues={":outcome": items.outcome_attribute(outcome)},
                    # All the facts come with the answer of the write, for nothing.
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                return items.facts(_there_already(error))
        return items.facts(answer["Attributes"])

    def request_cancellation(self, key: OrderKey, at: Millis) -> Facts:
        # The saga must know on which side of the reservation the request falls. No clock can tell.
        # The table can: it takes one write after the other, and each side has its condition.
        for before_reservation in (True, False):
            there = self._write_cancellation(key, Cancellation(at, before_reservation))
            if there.cancellation is not None:
                return there
        raise TransientFailure("the cancellation met a change of the order each time")

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
                return items.in_orders_place(_there_already(error))
        return None

    def _write_cancellation(self, key: OrderKey, cancellation: Cancellation) -> Facts:
        """Write the request if it falls on its side. Returns the facts after it, without a
        cancellation when it fell on the other side."""
        if_new = "attribute_not_exists(#cancellation)"
        reservation_unknown = "attribute_not_exists(#reserve)"
        reservation_known = "attribute_exists(#reserve)"
        side = reservation_unknown if cancellation.before_reservation else reservation_known
        with translate_aws_errors("UpdateItem"):
            try:
                answer = self.client.update_item(
                    TableName=self.table,
                    Key=items.progress_key(key),
                    UpdateExpression="SET #cancellation = :cancellation",
                    ConditionExpression=f"{if_new} AND {side}",
                    ExpressionAttributeNames={
                        "#cancellation": items.CANCELLATION,
                        "#reserve": Step.RESERVE.value,
                    },
                    ExpressionAttributeValues={
                        ":cancellation": items.cancellation_attribute(cancellation)
                    },
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                return items.facts(_there_already(error))
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


def _there_already(error: ClientError) -> Item:
    """The item on which a condition failed; any other error goes on as it is."""
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error
    # Not in the type of an error's answer: only this error has it, where the request asked for it.
    answer: Mapping[str, Any] = error.response
    item: Item = answer.get("Item", {})
    return item
