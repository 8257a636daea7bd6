"""A customer with a real token, and what the three downstreams' own tables say of an order."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from spillway.run.loopback import http_client
from spillway.run.stack import Stack
from spillway.target.reading import read_effects
from spillway.target.records import Effect
from tests.builders import order_body, order_id, order_key
from tests.waiting import eventually


class Customer:
    """Talks to the one local origin, as a shop's page would."""

    def __init__(self, stack: Stack, user: str) -> None:
        self._stack = stack
        token = stack.token(user)
        claims = token.split(".")[1]
        self.id: str = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]
        self.http = http_client(
            base_url=stack.api,
            headers={"authorization": f"Bearer {token}"},
            timeout=60,
        )

    def order(self, **fields: Any) -> tuple[str, dict[str, Any]]:
        """A new id and an order under it, paid for."""
        id_ = order_id(time.time_ns() // 1_000_000)
        return id_, order_body(id_, **self.keys, **fields)

    def quote(self, line: dict[str, Any], *coupons: str) -> dict[str, Any]:
        """The amounts of an order of this line by the store's price book."""
        basket = {"channel": "retail", "currency": "GBP", "country": "GB", "lines": [line]}
        answer = self.http.post("/quotes", json=basket | {"coupons": coupons})
        assert answer.status_code == 200, answer.text
        return {name: answer.json()[name] for name in ("lines", "discounts", "shipping", "tax")}

    def order_at(self, amounts: dict[str, Any], **keys: Any) -> tuple[str, dict[str, Any]]:
        """A new id and an order under it at these amounts: their sum is really paid. `keys` are in
        place of this customer's own."""
        id_ = order_id(time.time_ns() // 1_000_000)
        total = (
            sum(one["quantity"] * one["unit_price"] for one in amounts["lines"])
            - sum(one["amount"] for one in amounts["discounts"])
            + amounts["shipping"]
            + amounts["tax"]
        )
        payment = {"reference": "pay_01", "amount": total, "currency": "GBP"}
        keys = {**self.keys, "price_key": None, **keys}
        return id_, order_body(id_, **keys, **amounts, total=total, payment=payment)

    def order_by_the_book(
        self, line: dict[str, Any], *coupons: str, **forged: Any
    ) -> tuple[str, dict[str, Any]]:
        """An order at what the store's quote says, but for what is `forged`."""
        return self.order_at(self.quote(line, *coupons) | forged)

    @property
    def keys(self) -> dict[str, Any]:
        """What an order's receipt is signed with, and its prices where the stage takes that."""
        price_key = self._stack.price_key
        return {
            "key": self._stack.receipt_key.key,
            "price_key": price_key.key if price_key else None,
            "customer_id": self.id,
        }

    def put(self, id_: str, body: Any) -> httpx.Response:
        return self.http.put(f"/orders/{id_}", json=body)

    def place(self, **fields: Any) -> str:
        id_, body = self.order(**fields)
        answer = self.put(id_, body)
        # 200: the table had it, but was too slow to say so when intake asked first.
        assert answer.status_code in (200, 201), answer.text
        return id_

    def get(self, id_: str) -> dict[str, Any]:
        answer = self.http.get(f"/orders/{id_}")
        assert answer.status_code == 200, answer.text
        order: dict[str, Any] = answer.json()
        return order

    def cancel(self, id_: str, *, void: bool = False) -> httpx.Response:
        query = {"void": "true"} if void else {}
        return self.http.put(f"/orders/{id_}/cancellation", params=query)

    def when(self, id_: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The order, as soon as it has come so far."""
        return eventually(lambda: self.get(id_), reached)

    def settled(self, id_: str) -> dict[str, Any]:
        return self.when(id_, lambda order: order["settled"])


def violations(answer: httpx.Response) -> list[tuple[str, str, int | None]]:
    """Each one's rule, pointer and expected value."""
    found = answer.json()["violations"]
    return [(one["rule"], one["pointer"], one.get("expected")) for one in found]


def effects(stack: Stack, customer: Customer, id_: str) -> Counter[str]:
    """How often each step was done for an order, counted in the downstreams' own tables."""
    key = order_key(customer.id, id_)
    return Counter(
        effect.step for effect in all_effects(stack) if effect.key == key and effect.done
    )


def all_effects(stack: Stack) -> list[Effect]:
    dynamodb = stack.client("dynamodb")
    return [
        effect
        for downstream in ("inventory", "fulfilment", "accounting")
        for effect in read_effects(dynamodb, stack.tables[downstream], downstream)
    ]


@contextmanager
def faulty(stack: Stack, downstream: str, **changes: Any) -> Iterator[None]:
    """A downstream that misbehaves for a while."""
    before = stack.fault_settings(downstream)
    stack.set_fault_settings(downstream, **changes)
    try:
        yield
    finally:
        stack.set_fault_settings(downstream, **before)
