"""Writes to the two tables: in batches, at a rate that the tables take, and every refusal read."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from spillway.errors import SpillwayError
from spillway.migrate.rate import Rate

#: What DynamoDB takes in one BatchWriteItem and one BatchGetItem.
WRITES_MAX = 25
GETS_MAX = 100
UNIT_BYTES = 1_024
#: A table that does not answer for so long is down.
TRIES_MAX = 60
PAUSE_SECONDS = 0.05
PAUSE_SECONDS_MAX = 10.0

Item = Mapping[str, Any]

#: Where a request's encoded body waits in botocore's context of that request.
_BODY = "spillway_body"
_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "InternalServerError",
        "ServiceUnavailable",
    }
)


@dataclass(frozen=True, slots=True)
class Put:
    table: str
    item: Item


@dataclass(frozen=True, slots=True)
class Delete:
    table: str
    key: Item


Write = Put | Delete


@dataclass(slots=True)
class Counts:
    """What was written and what stood in the way; units by the items' sizes."""

    items: int = 0
    units: int = 0
    throttles: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, items: int, units: int) -> None:
        with self._lock:
            self.items += items
            self.units += units

    def add_throttle(self) -> None:
        with self._lock:
            self.throttles += 1


@dataclass(frozen=True, slots=True)
class Writer:
    """`dynamodb` is a boto3 client that does not retry by itself: a throttle must be seen here.

    `ensure` is asked before each request whether writing is (still) allowed, and raises if not.
    """

    dynamodb: Any
    rate: Rate
    ensure: Callable[[], None]
    counts: Counts = field(default_factory=Counts)
    sleep: Callable[[float], None] = time.sleep

    def write(self, writes: Sequence[Write]) -> None:
        """All of them, in no particular order among them; no two may be of the same item."""
        for start in range(0, len(writes), WRITES_MAX):
            batch = writes[start : start + WRITES_MAX]
            units = sum(units_of(write) for write in batch)
            requests: dict[str, list[dict[str, Any]]] = {}
            for write in batch:
                requests.setdefault(write.table, []).append(_request(write))
            self._batch(requests, units)
            self.counts.add(len(batch), units)

    def _batch(self, requests: Mapping[str, Any], units: int) -> None:
        for pause in self._pauses():
            self.rate.take(units)
            self.ensure()
            try:
                answer = self.dynamodb.batch_write_item(RequestItems=requests)
            except (BotoCoreError, ClientError) as error:
                self._throttled_or_raise(error)
            else:
                requests = answer.get("UnprocessedItems") or {}
                if not requests:
                    return
                # Roughly: what is left of a batch is a part of it.
                units = max(1, units // 2)
                self._throttled()
            self.sleep(pause)
        raise _down()

    def put_if(
        self, put: Put, condition: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> bool:
        """Whether the condition held and the item is written."""
        request = {"TableName": put.table, "Item": put.item}
        return self._conditional("put_item", request, units_of(put), condition, names, values)

    def delete_if(
        self, delete: Delete, condition: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> bool:
        request = {"TableName": delete.table, "Key": delete.key}
        return self._conditional("delete_item", request, 1, condition, names, values)

    def _conditional(
        self,
        call: str,
        request: Mapping[str, Any],
        units: int,
        condition: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
    ) -> bool:
        parts = {
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        filled = {name: part for name, part in parts.items() if part}
        for pause in self._pauses():
            self.rate.take(units)
            self.ensure()
            try:
                getattr(self.dynamodb, call)(**request, **filled)
            except (BotoCoreError, ClientError) as error:
                if _code(error) == "ConditionalCheckFailedException":
                    return False
                self._throttled_or_raise(error)
            else:
                self.counts.add(1, units)
                return True
            self.sleep(pause)
        raise _down()

    def get(self, table: str, keys: Sequence[Item]) -> Iterator[Item]:
        """Those of the items that are there, as they stand now, in no particular order."""
        for start in range(0, len(keys), GETS_MAX):
            yield from self._get({table: _wanted(keys[start : start + GETS_MAX])}, table)

    def _get(self, requests: Mapping[str, Any], table: str) -> Iterator[Item]:
        for pause in self._pauses():
            try:
                answer = self.dynamodb.batch_get_item(RequestItems=requests)
            except (BotoCoreError, ClientError) as error:
                self._throttled_or_raise(error)
            else:
                yield from answer["Responses"].get(table, ())
                requests = answer.get("UnprocessedKeys") or {}
                if not requests:
                    return
            self.sleep(pause)
        raise _down()

    def _pauses(self) -> Iterator[float]:
        pause = PAUSE_SECONDS
        for _ in range(TRIES_MAX):
            yield pause * (0.5 + random.random() / 2)  # noqa: S311 -- spreads retries
            pause = min(PAUSE_SECONDS_MAX, pause * 2)

    def _throttled_or_raise(self, error: Exception) -> None:
        if isinstance(error, ClientError) and _code(error) not in _THROTTLED:
            raise error
        self._throttled()

    def _throttled(self) -> None:
        self.counts.add_throttle()
        self.rate.throttled()


def encode_at_once(dynamodb: Any) -> None:
    """Have this client's BatchWriteItem encoded in one go; its callers notice nothing.

    botocore walks through every attribute of every item by its service model, twice. That was more
    than half of what a batch cost this machine. The items are in the wire's form already, but for
    their bytes, which become base64 here as there.
    """
    register = dynamodb.meta.events.register
    register("provide-client-params.dynamodb.BatchWriteItem", _encode, unique_id="spillway-encode")
    register("before-call.dynamodb.BatchWriteItem", _put_in, unique_id="spillway-put-in")


def _encode(params: Mapping[str, Any], context: dict[str, Any], **_told: Any) -> dict[str, Any]:
    context[_BODY] = msgspec.json.encode(params)
    return {"RequestItems": {}}


def _put_in(params: dict[str, Any], context: Mapping[str, Any], **_told: Any) -> None:
    params["body"] = context[_BODY]


def units_of(write: Write) -> int:
    """Write units: one for each started kilobyte."""
    # As JSON an item is never smaller than as DynamoDB counts it, and most fit one unit even so.
    if isinstance(write, Delete) or len(msgspec.json.encode(write.item)) <= UNIT_BYTES:
        return 1
    return -(-size_of(write.item) // UNIT_BYTES)


def size_of(item: Item) -> int:
    """By DynamoDB's rules, a few bytes of overhead aside: names and values in UTF-8."""
    return sum(len(name) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "M":
        return 3 + size_of(content)
    if kind == "L":
        return 3 + sum(_value_size(one) for one in content)
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(content)
    return 1 if kind == "BOOL" else len(str(content)) // 2 + 1


def _request(write: Write) -> dict[str, Any]:
    if isinstance(write, Delete):
        return {"DeleteRequest": {"Key": write.key}}
    return {"PutRequest": {"Item": write.item}}


def _wanted(keys: Sequence[Item]) -> dict[str, Any]:
    return {"Keys": list(keys), "ConsistentRead": True}


def _code(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else ""


def _down() -> SpillwayError:
    return SpillwayError(
        "The tables have not answered for minutes: run the command again when they do; it continues"
        " where it was."
    )
