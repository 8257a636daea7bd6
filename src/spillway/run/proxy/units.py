"""What AWS bills for one call: DynamoDB's units, and chunks of 64 KB elsewhere.

One rule for a call on the wire and for a call that never leaves the process: both are an operation,
the fields of its request and of its answer, in the form of AWS's JSON protocol (bytes may be base64
text or bytes).

| call | billed |
| --- | --- |
| a write | each started KB of the item, as it was or as it is, whichever is larger |
| an operation of a transaction | twice that of a write |
| a read | each started 4 KB, also of nothing; half a unit for an eventually consistent one |
| a query | the same, of all items that it read together |
| BatchGetItem | the same, of each item separately |
| a message or a batch of messages | each started 64 KB of bodies and attributes together |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
CHUNK_BYTES = 64 * 1024

Fields = Mapping[str, Any]

# A list or a map costs this much, and one more for each of its elements.
_CONTAINER_BYTES, _ELEMENT_BYTES = 3, 1

WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})


@dataclass(frozen=True, slots=True)
class Units:
    """`chunks` is 1 for a call of a service that bills by the request."""

    write: float = 0.0
    read: float = 0.0
    chunks: int = 0


def units_of(service: str, operation: str, request: Fields, answer: Fields) -> Units:
    """What a call is billed that was answered so; an empty answer for one that was refused.

    An update says only what it changes: where its answer does not tell the `ConsumedCapacity` it
    counts one unit, which is right for items of up to 1 KB.
    """
    if service == "dynamodb":
        return _dynamodb(operation, request, answer)
    return Units(chunks=started(_message_bytes(request), CHUNK_BYTES))


def consumed(answer: Fields) -> float | None:
    """The units that DynamoDB says a call consumed; None when it does not say."""
    said = answer.get("ConsumedCapacity")
    tables = said if isinstance(said, list) else [said]
    units = [table["CapacityUnits"] for table in tables if isinstance(table, dict)]
    return sum(units) if units else None


def _dynamodb(operation: str, request: Fields, answer: Fields) -> Units:
    match operation:
        case "PutItem":
            return Units(write=started(sound_item_bytes(request.get("Item")), WRITE_UNIT_BYTES))
        case "UpdateItem" | "DeleteItem":
            return Units(write=consumed(answer) or 1)
        case "GetItem":
            return Units(read=_read_units(request, sound_item_bytes(answer.get("Item", {}))))
        case "Query":
            size = sum(map(sound_item_bytes, answer.get("Items", ())))
            return Units(read=_read_units(request, size))
        case "TransactWriteItems":
            return Units(write=sum(map(_transaction_units, request.get("TransactItems", ()))))
        case "BatchGetItem":
            return Units(read=sum(_batch_units(request, answer)))
        case _:
            return Units()


def _transaction_units(operation: Fields) -> float:
    """Of one operation of a transaction. Only a put says how large its item is."""
    put = operation.get("Put", {})
    return 2.0 * started(sound_item_bytes(put.get("Item")), WRITE_UNIT_BYTES)


def _batch_units(request: Fields, answer: Fields) -> Iterable[float]:
    for table, asked in request.get("RequestItems", {}).items():
        found = answer.get("Responses", {}).get(table, ())
        unread = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
        missing = len(asked["Keys"]) - len(found) - len(unread)
        for size in (*map(sound_item_bytes, found), *([0] * missing)):
            yield _read_units(asked, size)


def _read_units(asked: Fields, size: int) -> float:
    return started(size, READ_UNIT_BYTES) * (1.0 if asked.get("ConsistentRead") is True else 0.5)


def _message_bytes(request: Fields) -> int:
    """The bodies and attributes of what is sent, as SQS takes them or as boto3 names SNS's."""
    entries = request.get("Entries") or request.get("PublishBatchRequestEntries") or [request]
    size = 0
    for entry in entries:
        text = entry.get("MessageBody") or entry.get("Message") or ""
        size += len(text.encode())
        for name, value in entry.get("MessageAttributes", {}).items():
            size += len(name.encode()) + sum(len(str(part).encode()) for part in value.values())
    return size


def started(size: int, unit: int) -> int:
    """How many units are begun; the first one is, also by nothing."""
    return max(1, -(-size // unit))


def item_bytes(item: Fields) -> int:
    """An item's size as DynamoDB bills it: its names and values, in UTF-8."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Fields) -> int:
    """One attribute value in the wire's form, `{"S": "..."}` and the like."""
    content: Any
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content) // 2 + 1
        case "B":
            if isinstance(content, bytes):
                return len(content)
            return len(content) * 3 // 4 - str(content).count("=")
        case "L":
            elements = sum(_value_bytes(element) + _ELEMENT_BYTES for element in content)
            return _CONTAINER_BYTES + elements
        case "M":
            return _CONTAINER_BYTES + item_bytes(content) + len(content) * _ELEMENT_BYTES
        case "SS" | "NS" | "BS":
            return sum(_value_bytes({kind[0]: element}) for element in content)
        case _:  # BOOL, NULL
            return 1


def sound_item_bytes(item: object) -> int:
    """The item's size; 0 for what is none, which is for AWS to refuse."""
    if not isinstance(item, dict):
        return 0
    try:
        return item_bytes(item)
    except (AttributeError, TypeError, ValueError):
        return 0
