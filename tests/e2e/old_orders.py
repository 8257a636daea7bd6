"""Orders that settled months ago, and a run of the deployed archive function."""

from __future__ import annotations

import json
from typing import Any

from orders.aws import items
from orders.domain.keeping import DAY_MS, KEPT_DAYS_MIN
from orders.domain.order import AcceptedOrder
from spillway.run.stack import Stack
from tests.builders import line, order_body, order_key
from tests.e2e.shop import Customer

AGE_MS = (KEPT_DAYS_MIN + 1) * DAY_MS


def make_old(stack: Stack, customer: Customer, id_: str) -> None:
    """Date a settled order's outcomes back."""
    dynamodb, table = stack.client("dynamodb"), stack.tables["orders"]
    key = items.progress_key(order_key(customer.id, id_))
    progress = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    for name in progress.keys() & {*items.FACT_NAMES}:
        fact = progress[name]["M"]
        fact["at"] = {"N": str(int(fact["at"]["N"]) - AGE_MS)}
    dynamodb.put_item(TableName=table, Item=progress)


def place_without_intake(stack: Stack, order: AcceptedOrder) -> None:
    """However old its id is."""
    item = items.order_item(order)
    stack.client("dynamodb").put_item(TableName=stack.tables["orders"], Item=item)


def run_archive(stack: Stack, **event: int) -> str | None:
    """A run over the whole table. Returns its error, None where it had none."""
    answer = stack.client("lambda").invoke(
        FunctionName="spillway-local-archive:live",
        Payload=json.dumps({"segment": 0, "of": 1, **event}),
    )
    error: str | None = answer.get("FunctionError")
    return error


def is_archived(stack: Stack, customer: Customer, id_: str) -> bool:
    """Its stub is in its place, and no facts are beside it."""
    dynamodb, table = stack.client("dynamodb"), stack.tables["orders"]
    key = order_key(customer.id, id_)
    order, progress = (
        dynamodb.get_item(TableName=table, Key=each, ConsistentRead=True).get("Item")
        for each in (items.order_key(key), items.progress_key(key))
    )
    return order is not None and items.is_stub(order) and progress is None


def answers(customer: Customer, id_: str, body: dict[str, Any]) -> dict[str, Any]:
    """All that the service says of an order without being asked to change it."""
    asked = {
        "order": customer.http.get(f"/orders/{id_}"),
        "history": customer.http.get("/orders", params={"limit": 100}),
        "again": customer.put(id_, body),
        "clash": customer.put(id_, order_body(id_, [line(quantity=3)], **customer.keys)),
    }
    return {name: (answer.status_code, answer.json()) for name, answer in asked.items()}
