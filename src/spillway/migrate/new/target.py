"""Writes to the two tables: in batches, at a rate that the tables take, and every refusal read."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from spillway.errors import SpillwayError
from spillway.run.proxy.units import WRITE_UNIT_BYTES, item_bytes, started

#: What DynamoDB takes in one BatchWriteItem and one BatchGetItem.
WRITES_MAX = 25
GETS_MAX = 100
#: A table that refuses so many tries, which take minutes, is down.
TRIES_MAX = 60
PAUSE_SECONDS = 0.05
PAUSE_SECONDS_MAX = 10.0

#: After a throttle the rate falls to this share, at most once in so many seconds: the answers that
#: are under way then are about the old rate.
FALL = 0.7
FALL_PAUSE_SECONDS = 0.5
#: The rise each second, as a share of the budget: from a tenth to all in half a minute.
RISE_PER_SECOND = 0.03
RATE_MIN = 25.0
#: What may be written at once after a pause, in seconds' worth.
BURST_SECONDS = 0.25

Item = Mapping[str, Any]

#: The name of a request's encoded body in botocore's context of that request.
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


@dataclass(slots=True)
class Rate:
    """How many write units a second all threads may write: never above the budget, and fewer while
    the table throttles.

    Additive increase, multiplicative decrease, as in TCP: it finds what a table takes, and gives
    way to the shop's own orders.
    """

    budget: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    rate: float = field(init=False)
    _credit: float = 0.0
    _at: float = field(init=False)
    _fell: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.rate = self.budget
        self._at = self.clock()

    def take(self, units: float) -> None:
        """Wait until so many units may be written."""
        with self._lock:
            self._refill()
            self._credit -= units
            wait = -self._credit / self.rate
        if wait > 0:
            self.sleep(wait)

    def throttled(self) -> None:
        with self._lock:
            self._refill()
            if self._at - self._fell >= FALL_PAUSE_SECONDS:
                self.rate = max(RATE_MIN, self.rate * FALL)
                self._fell = self._at

    def _refill(self) -> None:
        now = self.clock()
        passed, self._at = now - self._at, now
        self.rate = min(self.budget, self.rate + self.budget * RISE_PER_SECOND * passed)
        self._credit = min(self._credit + passed * self.rate, self.rate * BURST_SECONDS)


@dataclass(frozen=True, slots=True)
class Put:
    table: str
    item: Item


@dataclass(frozen=True, slots=True)
class Delete:
    table: str
    key: Item


Write = Put | Delete


@dataclass(frozen=True, slots=True)
class Writer:
    """`dynamodb` is a boto3 client that does not retry: a throttle must be seen here.

    `ensure` is called before each write and raises when this process may not write any more.
    """

    dynamodb: Any
    rate: Rate
    ensure: Callable[[], None]
    #: What was written, in items and write units, and how often a table throttled.
    counts: Counter[str] = field(
        default_factory=lambda: Counter(items=0, write_units=0, throttles=0)
    )
    sleep: Callable[[float], None] = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, writes: Sequence[Write]) -> None:
        """Make all of these writes, in any order; no two may be of the same item."""
        for start in range(0, len(writes), WRITES_MAX):
            batch = writes[start : start + WRITES_MAX]
            requests: dict[str, list[dict[str, Any]]] = {}
            for write in batch:
                requests.setdefault(write.table, []).append(_request(write))
            units = sum(map(units_of, batch))
            self._batch(requests, units)
            self._count(items=len(batch), write_units=units)

    def _batch(self, requests: Mapping[str, Any], units: int) -> None:
        for _ in self._tries():
            self._allowed(units)
            answer = self._answer("batch_write_item", RequestItems=requests)
            if answer is not None:
                requests = answer.get("UnprocessedItems") or {}
                if not requests:
                    return
                # Roughly: what is left of a batch is a part of it.
                units = max(1, units // 2)
                self._throttled()

    def write_if(self, write: Write, condition: Mapping[str, Any]) -> bool:
        """Whether the condition held and the write was made. `condition` is the part of the
        request that says it."""
        if isinstance(write, Put):
            call, request = "put_item", {"Item": write.item}
        else:
            call, request = "delete_item", {"Key": write.key}
        units = units_of(write)
        for _ in self._tries():
            self._allowed(units)
            try:
                answer = self._answer(call, TableName=write.table, **request, **condition)
            except ClientError as error:
                if not refused(error):
                    raise
                break
            if answer is not None:
                self._count(items=1, write_units=units)
                return True
        return False

    def get(self, table: str, keys: Sequence[Item]) -> Iterator[Item]:
        """Those of the items that exist, as they are now, in any order."""
        for start in range(0, len(keys), GETS_MAX):
            wanted = {"Keys": list(keys[start : start + GETS_MAX]), "ConsistentRead": True}
            yield from self._get({table: wanted}, table)

    def _get(self, requests: Mapping[str, Any], table: str) -> Iterator[Item]:
        for _ in self._tries():
            answer = self._answer("batch_get_item", RequestItems=requests)
            if answer is not None:
                yield from answer["Responses"].get(table, ())
                requests = answer.get("UnprocessedKeys") or {}
                if not requests:
                    return

    def _tries(self) -> Iterator[None]:
        """Pause after each try, longer each time. SpillwayError after the last."""
        pause = PAUSE_SECONDS
        for _ in range(TRIES_MAX):
            yield
            self.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311 -- spreads retries
            pause = min(PAUSE_SECONDS_MAX, pause * 2)
        raise SpillwayError(
            "The tables have not answered for minutes: run the command again later. It continues"
            " where it was."
        )

    def _allowed(self, units: int) -> None:
        self.rate.take(units)
        self.ensure()

    def _answer(self, call: str, **request: Any) -> Any:
        """None where the table throttles or does not answer."""
        try:
            return getattr(self.dynamodb, call)(**request)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and _code(error) not in _THROTTLED:
                raise
            self._throttled()
            return None

    def _throttled(self) -> None:
        self._count(throttles=1)
        self.rate.throttled()

    def _count(self, **more: int) -> None:
        with self._lock:
            self.counts.update(more)


def expecting(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A condition, as a part of a request: these attributes are stored like this; None: not at
    all."""
    clauses = (
        f"attribute_not_exists(#{name})" if value is None else f"#{name} = :was_{name}"
        for name, value in attributes.items()
    )
    request: dict[str, Any] = {
        "ConditionExpression": " AND ".join(clauses),
        "ExpressionAttributeNames": {f"#{name}": name for name in attributes},
    }
    values = {f":was_{name}": value for name, value in attributes.items() if value is not None}
    # DynamoDB takes no empty map of values.
    return {**request, "ExpressionAttributeValues": values} if values else request


def encode_at_once(dynamodb: Any) -> None:
    """Have this client's BatchWriteItem encoded in one go; its callers notice nothing.

    botocore walks through every attribute of every item by its service model, twice. That was more
    than half of what a batch cost this machine. The items already have the wire's form except for
    their bytes, and msgspec makes those base64, as botocore does.
    """
    register = dynamodb.meta.events.register
    register("provide-client-params.dynamodb.BatchWriteItem", _encode, unique_id="spillway-encode")
    register("before-call.dynamodb.BatchWriteItem", _put_in, unique_id="spillway-put-in")


def _encode(params: Mapping[str, Any], context: dict[str, Any], **_rest: Any) -> dict[str, Any]:
    context[_BODY] = msgspec.json.encode(params)
    return {"RequestItems": {}}


def _put_in(params: dict[str, Any], context: Mapping[str, Any], **_rest: Any) -> None:
    params["body"] = context[_BODY]


def units_of(write: Write) -> int:
    """Write units: one for each started kilobyte."""
    # As JSON an item is never smaller than as DynamoDB counts it, and most fit one unit even so.
    if isinstance(write, Delete) or len(msgspec.json.encode(write.item)) <= WRITE_UNIT_BYTES:
        return 1
    return started(item_bytes(write.item), WRITE_UNIT_BYTES)


def _request(write: Write) -> dict[str, Any]:
    if isinstance(write, Delete):
        return {"DeleteRequest": {"Key": write.key}}
    return {"PutRequest": {"Item": write.item}}


def refused(error: ClientError) -> bool:
    """A write was, because its condition did not hold."""
    return _code(error) == "ConditionalCheckFailedException"


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
