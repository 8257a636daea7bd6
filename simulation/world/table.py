"""The `Orders` port for tests: the deployed adapter on the model of DynamoDB."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from orders.aws import bucket as aws
from orders.aws import items
from orders.aws.archive import ArchiveReader
from orders.aws.archiving import DynamoArchiving
from orders.aws.coupons import DynamoCoupons
from orders.aws.table import DynamoOrders
from orders.domain.order import AcceptedOrder, VoidId
from orders.failures import TransientFailure
from orders.flow.changes import Change, FactsChanged, OrderPlaced
from simulation.world.bucket import Bucket, BucketConnections
from simulation.world.calls import Calls
from simulation.world.dynamodb import About, DynamoClient, Item, Key, Table
from simulation.world.faults import Faults
from simulation.world.runtime import SetClock
from simulation.world.scheduler import Scheduler

_NAME = "orders"
_COUPONS = "coupons"


class MemoryOrders(DynamoOrders):
    """A table of its own, where nothing goes wrong. `stream`: its changes, as relay has them.

    `coupons`: limited coupons of these orders; `claimed`: the table that they are in.
    `archiving`: moves them to `bucket`, by `clock`.
    """

    # The adapter is frozen; what a test makes of it need not be.
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__

    def __init__(self) -> None:
        scheduler = Scheduler(0)
        calls = Calls(scheduler, Faults(0, {}, 0), None)
        table = Table(_NAME, lambda: scheduler.now, self._changed)
        self.claimed = Table(_COUPONS, lambda: scheduler.now, lambda *_: None, sorted=False)
        tables = {_NAME: table, _COUPONS: self.claimed}
        client = _OneAtATime(DynamoClient(calls, tables, 6.0, About(None)))
        self.clock = SetClock(0)
        self.bucket = Bucket()
        pool: Any = BucketConnections({_NAME: self.bucket}, calls, 0, 6.0, may_list=True)
        objects = aws.Bucket(f"https://{_NAME}.s3", pool, lambda _m, _u, headers, _b: {**headers})
        super().__init__(client, _NAME, ArchiveReader(objects, self.clock, map))
        self.coupons = DynamoCoupons(client, _NAME, _COUPONS, self.clock)
        self.archiving = DynamoArchiving(
            client, _NAME, objects, self.clock, lambda: 0.5, map, lambda _: None, run_ms=900_000
        )
        self.stream: list[Change] = []

    def _changed(self, _: Key, before: Item | None, after: Item | None) -> None:
        if after is None or items.is_stub(after):
            return
        if items.is_progress(after):
            change = FactsChanged(items.key_of(after), items.facts(before), items.facts(after))
            self.stream.append(change)
        elif not items.is_void(after):
            self.stream.append(OrderPlaced(items.accepted_order(after)))


class ThrottledOrders(MemoryOrders):
    """Takes no new order."""

    def place(self, order: AcceptedOrder) -> AcceptedOrder | VoidId | None:
        raise TransientFailure(f"PutItem: throttled ({order.key.order_id})")


class _OneAtATime:
    """In a world only one task runs at a time; tests also come with threads."""

    def __init__(self, client: DynamoClient) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, call: str) -> Callable[..., Any]:
        made = getattr(self._client, call)

        def locked(*arguments: Any, **request: Any) -> Any:
            with self._lock:
                return made(*arguments, **request)

        return locked
