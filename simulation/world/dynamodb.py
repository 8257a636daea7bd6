"""DynamoDB: tables, a stream of one's changes, and the client that the service holds.

As on AWS, a write is atomic for its item. A conditional write answers with the item on which it
failed. Eventually consistent reads may be some seconds old. A query's page ends with a key even if
nothing follows. Each change of an item (not each write) is one record in the stream. A transaction
writes all or nothing, and tells what became of each of its operations; the second try of one that
went through changes nothing, because the SDK gave both the same token.

Not modelled: capacity (throttling is a fault), indexes, expressions beyond those in `expressions`,
reserved words. Two transactions never overlap: a conflict is what a throttled one fails with.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any
from zlib import crc32

from botocore.exceptions import ClientError

from simulation.world import expressions
from simulation.world.calls import (
    Calls,
    NotModelled,
    Site,
    aws_failed,
    client_error,
    table_throttled,
)
from simulation.world.chance import Chance
from simulation.world.expressions import Expression
from simulation.world.faults import WRITE_KINDS, Fault, Kinds

Attributes = dict[str, Any]
Item = Mapping[str, Any]
Key = tuple[str, str]
#: Gets a change: the item before and after it, None where there was none or is none any more.
OnChange = Callable[[Key, Item | None, Item | None], None]

#: An item's limit: names and values together.
ITEM_BYTES_MAX = 400 * 1024
#: And those of a key's two parts, which are not empty either.
PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX = 2_048, 1_024
#: What a page of a query reads at most.
PAGE_BYTES_MAX = 1024 * 1024
#: Keys in one BatchGetItem, operations in one transaction.
BATCH_GET_MAX = 100
#: A page of a scan is at most 1 MB on AWS; here it is so many items.
SCAN_PAGE_ITEMS = 100
#: And that of a part of a table: odd, so that pages end between an order and its progress, too.
PART_PAGE_ITEMS = 5
#: How old an eventually consistent read may be. AWS says "usually within a second".
STALE_MAX_MS = 5_000

_READ_KINDS = Kinds((Fault.CRASH_BEFORE, Fault.REQUEST_LOST, Fault.SLOW, Fault.THROTTLED))
_STALE_READ_KINDS = Kinds((*_READ_KINDS.kinds, Fault.STALE_READ))
_BATCH_READ_KINDS = Kinds((*_READ_KINDS.kinds, Fault.PARTLY_TAKEN))
_STALE_BATCH_READ_KINDS = Kinds((*_STALE_READ_KINDS.kinds, Fault.PARTLY_TAKEN))


@dataclass(eq=False)
class Table:
    """Items by key, each with the times and images of its former states.

    `sorted`: the key is `pk` and `sk`; else `pk` alone, and the second part of a `Key` is "".
    """

    name: str
    now: Callable[[], int]
    on_change: OnChange
    sorted: bool = True
    _items: dict[Key, list[tuple[int, Item | None]]] = field(default_factory=dict)
    _sort_keys: dict[str, list[str]] = field(default_factory=dict)

    def get(self, key: Key, as_of: int | None = None) -> Item | None:
        """The item, or what it was at a moment in the past."""
        states = self._items.get(key)
        if states is None:
            return None
        if as_of is None:
            return states[-1][1]
        return next((item for at, item in reversed(states) if at <= as_of), None)

    def put(self, key: Key, item: Item) -> None:
        before = self.get(key)
        if key not in self._items:
            self._items[key] = []
            insort(self._sort_keys.setdefault(key[0], []), key[1])
        self._items[key].append((self.now(), item))
        # A write that changes nothing has no record in the stream.
        if before != item:
            self.on_change(key, before, item)

    def delete(self, key: Key) -> None:
        before = self.get(key)
        if before is not None:
            self._items[key].append((self.now(), None))
            self.on_change(key, before, None)

    def between(
        self,
        partition: str,
        low: str | None,
        high: str | None,
        *,
        forward: bool = True,
        beyond: str | None = None,
    ) -> Iterator[str]:
        """The partition's sort keys in order, bounds included, those up to `beyond` passed over."""
        sort_keys = self._sort_keys.get(partition, [])
        start = 0 if low is None else bisect_left(sort_keys, low)
        end = len(sort_keys) if high is None else bisect_right(sort_keys, high)
        if beyond is not None and forward:
            start = max(start, bisect_right(sort_keys, beyond))
        elif beyond is not None:
            end = min(end, bisect_left(sort_keys, beyond))
        places = range(start, end)
        return (sort_keys[place] for place in (places if forward else reversed(places)))

    def every_key(self) -> Iterable[Key]:
        """Also of items that are there no more."""
        return self._items

    def items(self) -> Iterator[Item]:
        """All of them, as they are now."""
        latest = (states[-1][1] for states in self._items.values())
        return (item for item in latest if item is not None)


class DynamoClient:
    """A botocore client of DynamoDB, as far as the service and the audit call it.

    `about` names the order that a key is of, for the trace.
    """

    def __init__(
        self, calls: Calls, tables: Mapping[str, Table], timeout_seconds: float, about: About
    ) -> None:
        self._calls = calls
        self._tables = tables
        self._about = about
        self._sites = _sites(round(timeout_seconds * 1000))

    def put_item(
        self,
        *,
        TableName: str,
        Item: Attributes,
        ConditionExpression: str = "",
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> Attributes:
        def put(_: Fault | None) -> Attributes:
            table = self._table(TableName, "PutItem")
            key = _key(Item, "PutItem", table)
            item = _stored(Item, "PutItem")
            there = table.get(key)
            demanded = expressions.condition(ConditionExpression)
            _check((demanded,), {}, {}, "PutItem")
            if not demanded.holds(there, {}, {}):
                raise _condition_failed("PutItem", there, ReturnValuesOnConditionCheckFailure)
            table.put(key, item)
            return {}

        return self._calls.make(self._sites["PutItem"], put, self._about(Item))

    def update_item(
        self,
        *,
        TableName: str,
        Key: Attributes,
        UpdateExpression: str,
        ConditionExpression: str = "",
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Attributes | None = None,
        ReturnValues: str = "NONE",
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> Attributes:
        names, values = ExpressionAttributeNames or {}, ExpressionAttributeValues or {}

        def write(_: Fault | None) -> Attributes:
            table = self._table(TableName, "UpdateItem")
            key = _key(Key, "UpdateItem", table)
            wanted = expressions.update(UpdateExpression)
            there = table.get(key)
            demanded = expressions.condition(ConditionExpression)
            _check((wanted, demanded), names, values, "UpdateItem")
            if not demanded.holds(there, names, values):
                raise _condition_failed("UpdateItem", there, ReturnValuesOnConditionCheckFailure)
            changed = {**(there or Key), **wanted.changes(there or {}, names, values)}
            after = _stored(changed, "UpdateItem")
            table.put(key, after)
            if ReturnValues == "ALL_NEW":
                return {"Attributes": dict(after)}
            if ReturnValues != "NONE":
                raise NotModelled(f"ReturnValues {ReturnValues!r}")
            return {}

        about = ""
        if self._calls.trace is not None:
            about = f"{next(iter(names.values()), '')} {self._about(Key)}"
        return self._calls.make(self._sites["UpdateItem"], write, about)

    def get_item(
        self, *, TableName: str, Key: Attributes, ConsistentRead: bool = False
    ) -> Attributes:
        def get(fault: Fault | None) -> Attributes:
            table = self._table(TableName, "GetItem")
            item = table.get(_key(Key, "GetItem", table), self._as_of(fault))
            return {} if item is None else {"Item": dict(item)}

        site = "GetItem" if ConsistentRead else "GetItem, eventually consistent"
        return self._calls.make(self._sites[site], get, self._about(Key))

    def query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Attributes,
        ConsistentRead: bool = False,
        ScanIndexForward: bool = True,
        Limit: int | None = None,
        ExclusiveStartKey: Attributes | None = None,
    ) -> Attributes:
        values = ExpressionAttributeValues

        def read(fault: Fault | None) -> Attributes:
            table = self._table(TableName, "Query")
            wanted = expressions.key_condition(KeyConditionExpression)
            _check((wanted,), {}, values, "Query")
            partition = values[wanted.partition]["S"]
            low = None if wanted.low is None else values[wanted.low]["S"]
            high = None if wanted.high is None else values[wanted.high]["S"]
            for sort_key in (low, high):
                _check_key((partition, "any" if sort_key is None else sort_key), "Query", table)
            if Limit is not None and Limit < 1:
                raise _invalid("Query", "Limit must be greater than or equal to 1")
            beyond = None
            if ExclusiveStartKey is not None:
                start, beyond = _key(ExclusiveStartKey, "Query", table)
                if start != partition:
                    raise _invalid("Query", "The provided starting key is outside query boundaries")
            keys = table.between(partition, low, high, forward=ScanIndexForward, beyond=beyond)
            as_of = self._as_of(fault)
            return _page((table.get((partition, sort_key), as_of) for sort_key in keys), Limit)

        site = "Query" if ConsistentRead else "Query, eventually consistent"
        key = {"pk": values[":customer"], "sk": values.get(":order", {"S": "any order"})}
        return self._calls.make(self._sites[site], read, self._about(key))

    def scan(
        self,
        *,
        TableName: str,
        Segment: int,
        TotalSegments: int,
        ExclusiveStartKey: Attributes | None = None,
    ) -> Attributes:
        """All items of a partition are in the same segment, next to each other."""

        def read(fault: Fault | None) -> Attributes:
            table = self._table(TableName, "Scan")
            if not 0 <= Segment < TotalSegments:
                raise _invalid("Scan", "Segment must be less than TotalSegments")
            beyond = None
            if ExclusiveStartKey is not None:
                beyond = _place(_key(ExclusiveStartKey, "Scan", table))
            keys = sorted(
                (place, key)
                for key in table.every_key()
                if (place := _place(key))[0] % TotalSegments == Segment
                and (beyond is None or place > beyond)
            )
            as_of = self._as_of(fault)
            return _page((table.get(key, as_of) for _, key in keys), PART_PAGE_ITEMS)

        site = self._sites["Scan, eventually consistent"]
        return self._calls.make(site, read, f"part {Segment} of {TotalSegments}")

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> Attributes:
        [(name, wanted)] = RequestItems.items()
        keys: list[Attributes] = wanted["Keys"]
        if wanted.keys() - {"Keys", "ConsistentRead"}:
            raise NotModelled(f"BatchGetItem with {', '.join(sorted(wanted))}")
        consistent = wanted.get("ConsistentRead", False)

        def read(fault: Fault | None) -> Attributes:
            table = self._table(name, "BatchGetItem")
            distinct = {_key(key, "BatchGetItem", table) for key in keys}
            if not 1 <= len(keys) <= BATCH_GET_MAX:
                raise _invalid("BatchGetItem", "Too many items, or none")
            if len(distinct) < len(keys):
                raise _invalid("BatchGetItem", "Provided list of item keys contains duplicates")
            unprocessed: list[Attributes] = []
            if fault is Fault.PARTLY_TAKEN:
                unprocessed = [keys[self._calls.scheduler.running.chance.below(len(keys))]]
            as_of = self._as_of(fault)
            found = [
                table.get(_key(key, "BatchGetItem", table), as_of)
                for key in keys
                if key not in unprocessed
            ]
            return {
                "Responses": {name: [dict(item) for item in found if item is not None]},
                "UnprocessedKeys": {name: {"Keys": unprocessed}} if unprocessed else {},
            }

        about = ", ".join(map(self._about, keys)) if self._calls.trace is not None else ""
        site = "BatchGetItem" if consistent else "BatchGetItem, eventually consistent"
        return self._calls.make(self._sites[site], read, about)

    def transact_write_items(self, *, TransactItems: Sequence[Attributes]) -> Attributes:
        operations = [
            _Operation(kind, request) for [(kind, request)] in map(dict.items, TransactItems)
        ]
        written = False

        def write(_: Fault | None) -> Attributes:
            nonlocal written
            if not written:
                _transact(operations, self._table)
            written = True
            return {}

        def disturbed(_: str, chance: Chance) -> ClientError:
            reasons = [{"Code": "None"} for _ in operations]
            code = chance.pick(("TransactionConflict", "TransactionConflict", "ThrottlingError"))
            reasons[chance.below(len(reasons))] = {"Code": code}
            return _cancelled(reasons)

        site = replace(self._sites["TransactWriteItems"], throttled=disturbed)
        about = ", ".join(self._about(each.key_or_item) for each in operations)
        return self._calls.make(site, write, about)

    def get_paginator(self, call: str) -> _Scans:
        if call != "scan":
            raise NotModelled(f"a paginator of {call}")
        return _Scans(self._tables)

    def _table(self, name: str, call: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise client_error("ResourceNotFoundException", call, "Requested resource not found")
        return table

    def _as_of(self, fault: Fault | None) -> int | None:
        if fault is not Fault.STALE_READ:
            return None
        task = self._calls.scheduler.running
        return self._calls.scheduler.now - 1 - task.chance.below(STALE_MAX_MS)


class EarlierDynamoClient:
    """What a release sees of the table that is older than the express path: it passes over what it
    does not know of an order."""

    def __init__(self, client: DynamoClient) -> None:
        self._client = client

    def __getattr__(self, call: str) -> Any:
        return getattr(self._client, call)

    def get_item(self, **request: Any) -> Attributes:
        answer = self._client.get_item(**request)
        return {name: _without_express(item) for name, item in answer.items()}

    def query(self, **request: Any) -> Attributes:
        answer = self._client.query(**request)
        return {**answer, "Items": [_without_express(item) for item in answer["Items"]]}


def _without_express(item: Attributes) -> Attributes:
    return {name: value for name, value in item.items() if value != {"BOOL": True}}


@dataclass(frozen=True, slots=True)
class _Operation:
    """One of a transaction: its kind and its request."""

    kind: str
    request: Attributes

    @property
    def call(self) -> str:
        return f"TransactWriteItems, {self.kind}"

    @property
    def key_or_item(self) -> Attributes:
        found: Attributes = self.request.get("Item") or self.request["Key"]
        return found

    def failed_on(self, there: Item | None) -> Attributes | None:
        """The reason why it cannot be done; None where its condition holds."""
        names = self.request.get("ExpressionAttributeNames", {})
        values = self.request.get("ExpressionAttributeValues", {})
        demanded = expressions.condition(self.request.get("ConditionExpression", ""))
        parts: tuple[Expression, ...] = (demanded,)
        if self.kind == "Update":
            parts = (demanded, expressions.update(self.request["UpdateExpression"]))
        _check(parts, names, values, self.call)
        if demanded.holds(there, names, values):
            return None
        wanted = self.request.get("ReturnValuesOnConditionCheckFailure")
        item = {"Item": dict(there)} if there is not None and wanted == "ALL_OLD" else {}
        return {"Code": "ConditionalCheckFailed", **item}

    def after(self, there: Item | None) -> Item | None:
        if self.kind == "Delete":
            return None
        if self.kind == "ConditionCheck":
            return there
        if self.kind == "Put":
            return _stored(self.request["Item"], self.call)
        wanted = expressions.update(self.request["UpdateExpression"])
        names = self.request.get("ExpressionAttributeNames", {})
        changes = wanted.changes(there or {}, names, self.request["ExpressionAttributeValues"])
        return _stored({**(there or self.request["Key"]), **changes}, self.call)


def _transact(operations: Sequence[_Operation], table_of: Callable[[str, str], Table]) -> None:
    """Do all, or raise with the reasons of each and do nothing."""
    found = []
    for operation in operations:
        table = table_of(operation.request["TableName"], operation.call)
        key = _key(operation.key_or_item, operation.call, table)
        found.append((operation, table, key, table.get(key)))
    if len({(table.name, key) for _, table, key, _ in found}) < len(found):
        raise _invalid("TransactWriteItems", "Multiple operations on one item")
    reasons = [operation.failed_on(there) for operation, _, _, there in found]
    if any(reasons):
        raise _cancelled([reason or {"Code": "None"} for reason in reasons])
    for operation, table, key, there in found:
        after = operation.after(there)
        if after is there:
            continue
        if after is None:
            table.delete(key)
        else:
            table.put(key, after)


@dataclass(frozen=True, slots=True)
class About:
    """Names the order that an item or a key belongs to, where a trace is wanted."""

    name_of: Callable[[str, str], str] | None

    def __call__(self, item: Attributes) -> str:
        if self.name_of is None or "pk" not in item:
            return ""
        if "sk" not in item:
            return str(item["pk"]["S"])
        order_id, _, progress = str(item["sk"]["S"]).partition("#")
        name = self.name_of(item["pk"]["S"], order_id)
        return f"of {name}" if progress else name


@dataclass(frozen=True, slots=True)
class _Scans:
    """All items, page by page: what an operator's audit reads."""

    tables: Mapping[str, Table]

    def paginate(self, *, TableName: str, ConsistentRead: bool = False) -> Iterator[Attributes]:
        items = [dict(item) for item in self.tables[TableName].items()]
        for start in range(0, max(1, len(items)), SCAN_PAGE_ITEMS):
            yield {"Items": items[start : start + SCAN_PAGE_ITEMS]}


@cache
def _sites(timeout_ms: int) -> dict[str, Site]:
    kinds_of = {
        "PutItem": WRITE_KINDS,
        "UpdateItem": WRITE_KINDS,
        "TransactWriteItems": WRITE_KINDS,
        "GetItem": _READ_KINDS,
        "GetItem, eventually consistent": _STALE_READ_KINDS,
        "Query": _READ_KINDS,
        "Query, eventually consistent": _STALE_READ_KINDS,
        "Scan, eventually consistent": _STALE_READ_KINDS,
        "BatchGetItem": _BATCH_READ_KINDS,
        "BatchGetItem, eventually consistent": _STALE_BATCH_READ_KINDS,
    }
    return {
        name: Site(
            "dynamodb",
            name.partition(",")[0],
            kinds,
            timeout_ms,
            aws_failed,
            table_throttled,
            writes=kinds is WRITE_KINDS,
        )
        for name, kinds in kinds_of.items()
    }


def _place(key: Key) -> tuple[int, Key]:
    """Where a key comes in a scan."""
    return crc32(key[0].encode()), key


def _key(item: Attributes, call: str, table: Table) -> Key:
    try:
        key = item["pk"]["S"], item["sk"]["S"] if table.sorted else ""
    except KeyError:
        raise _invalid(call, "One of the required keys was not given a value") from None
    _check_key(key, call, table)
    return key


def _check_key(key: Key, call: str, table: Table) -> None:
    partition, sort_key = (len(part.encode()) for part in key)
    if not partition or (table.sorted and not sort_key):
        raise _invalid(call, "The AttributeValue for a key attribute is an empty string value")
    if partition > PARTITION_KEY_BYTES_MAX or sort_key > SORT_KEY_BYTES_MAX:
        raise _invalid(call, "Aggregated size of all hash or range keys has exceeded its limit")


def _page(items: Iterable[Item | None], limit: int | None) -> Attributes:
    """What a query answers with. The page ends where it is full, of items or of bytes."""
    found: list[Attributes] = []
    size = 0
    for item in items:
        if item is None:
            continue
        found.append(dict(item))
        size += _size(item)
        if len(found) == limit or size > PAGE_BYTES_MAX:
            last = {"pk": item["pk"], "sk": item["sk"]}
            return {**_counted(found), "LastEvaluatedKey": last}
    return _counted(found)


def _counted(found: list[Attributes]) -> Attributes:
    return {"Items": found, "Count": len(found), "ScannedCount": len(found)}


def _check(
    parts: tuple[Expression, ...], names: Mapping[str, str], values: Attributes, call: str
) -> None:
    """DynamoDB refuses a placeholder that is used and not given, or given and not used."""
    used_names, used_values = _placeholders(parts)
    if used_names != names.keys() or used_values != values.keys():
        raise _invalid(call, "Expression attribute names or values unused or undefined")


@cache
def _placeholders(parts: tuple[Expression, ...]) -> tuple[frozenset[str], frozenset[str]]:
    return (
        frozenset[str]().union(*(part.names for part in parts)),
        frozenset[str]().union(*(part.values for part in parts)),
    )


def _stored(item: Item, call: str) -> Attributes:
    """The item as the table keeps it: numbers have one form. Raises for what it does not keep."""
    stored = {name: _attribute(attribute, call) for name, attribute in item.items()}
    if _size(stored) > ITEM_BYTES_MAX:
        raise _invalid(call, "Item size has exceeded the maximum allowed size")
    return stored


def _attribute(attribute: Attributes, call: str) -> Attributes:
    [(kind, value)] = attribute.items()
    if kind == "N":
        return {"N": _number(value, call)}
    if kind == "M":
        return {"M": {name: _attribute(inner, call) for name, inner in value.items()}}
    if kind in ("S", "B", "BOOL", "SS", "BS"):
        return attribute
    raise NotModelled(f"an attribute of kind {kind}")


def _number(text: str, call: str) -> str:
    if text.isascii() and text.isdecimal() and text[0] != "0":
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _invalid(call, f"A value cannot be converted into a number: {text}") from None
    # 0 is added to make it of -0.
    return f"{number.normalize() + 0:f}"


def _size(item: Item) -> int:
    """Bytes of names and values. Of a map's own few bytes none are counted."""
    return sum(len(name.encode()) + _value_size(attribute) for name, attribute in item.items())


def _value_size(attribute: Attributes) -> int:
    [(kind, value)] = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case "M":
            return _size(value)
        case "SS":
            return sum(len(text.encode()) for text in value)
        case "BS":
            return sum(map(len, value))
    # A number takes a byte for two digits, and one more.
    return len(value) // 2 + 1 if kind == "N" else 1


def _condition_failed(call: str, there: Item | None, wanted: str) -> ClientError:
    members = {"Item": dict(there)} if there is not None and wanted == "ALL_OLD" else {}
    return client_error(
        "ConditionalCheckFailedException", call, "The conditional request failed", **members
    )


def _cancelled(reasons: Sequence[Attributes]) -> ClientError:
    return client_error(
        "TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons
    )


def _invalid(call: str, message: str) -> ClientError:
    return client_error("ValidationException", call, message)
