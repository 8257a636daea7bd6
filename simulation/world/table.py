"""The orders table in memory, with the stream that its writes feed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.failures import TransientFailure
from orders.flow.relay import Change, FactsChanged, OrderPlaced
from orders.ports import Progress


@dataclass
class MemoryOrders:
    """The `Orders` port. Every write is atomic for its item, as DynamoDB's are."""

    stream: list[Change] = field(default_factory=list)
    _orders: dict[OrderKey, AcceptedOrder] = field(default_factory=dict)
    _facts: dict[OrderKey, Facts] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def place(self, order: AcceptedOrder) -> AcceptedOrder | None:
        with self._lock:
            there = self._orders.get(order.key)
            if there is None:
                self._orders[order.key] = order
                self.stream.append(OrderPlaced(order))
            return there

    def find(self, key: OrderKey) -> AcceptedOrder | None:
        return self._orders.get(key)

    def progress(self, key: OrderKey) -> Progress | None:
        with self._lock:
            order = self._orders.get(key)
            return None if order is None else Progress(order, self._facts.get(key, Facts()))

    def glance(self, keys: Sequence[OrderKey]) -> Mapping[OrderKey, Facts]:
        with self._lock:
            return {key: self._facts.get(key, Facts()) for key in keys}

    def history(
        self, customer_id: str, limit: int, before: str | None
    ) -> tuple[Sequence[Progress], str | None]:
        with self._lock:
            keys = sorted(
                (
                    key
                    for key in self._orders
                    if key.customer_id == customer_id and (before is None or key.order_id < before)
                ),
                key=lambda key: key.order_id,
                reverse=True,
            )
            page = [
                Progress(self._orders[key], self._facts.get(key, Facts())) for key in keys[:limit]
            ]
            return page, keys[limit - 1].order_id if len(keys) > limit else None

    def record(self, key: OrderKey, step: Step, outcome: Outcome) -> Facts:
        with self._lock:
            facts = self._facts.get(key, Facts())
            if not facts.known(step):
                facts = replace(facts, outcomes={**facts.outcomes, step: outcome})
                self._write(key, facts)
            return facts

    def request_cancellation(self, key: OrderKey, at: int) -> Facts:
        with self._lock:
            facts = self._facts.get(key, Facts())
            if facts.cancellation is None:
                wish = Cancellation(at, before_reservation=not facts.known(Step.RESERVE))
                facts = replace(facts, cancellation=wish)
                self._write(key, facts)
            return facts

    def _write(self, key: OrderKey, after: Facts) -> None:
        self.stream.append(FactsChanged(key, self._facts.get(key, Facts()), after))
        self._facts[key] = after


class ThrottledOrders(MemoryOrders):
    """Takes no new order."""

    def place(self, order: AcceptedOrder) -> AcceptedOrder | None:
        raise TransientFailure(f"PutItem: throttled ({order.key.order_id})")
