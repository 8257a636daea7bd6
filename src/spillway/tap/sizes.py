"""How large a call's payload is by the rule that AWS bills by.

A meter needs it per call, since AWS rounds up per call: to 1 KB for a write to DynamoDB, 4 KB for
a read, 64 KB for a message. What is counted in whole KiB can still be rounded to each of these.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from spillway.tap.calls import Call
from spillway.tap.messages import Answer, Request

_KIB = 1024
# DynamoDB: a list or a map costs this much, and one more for each of its elements.
_CONTAINER_BYTES, _ELEMENT_BYTES = 3, 1
_READS = frozenset({"GetItem", "Query", "Scan", "BatchGetItem"})


def payload_kib(call: Call, request: Request, answer: Answer | None) -> int:
    """The payload in whole KiB, at least 1.

    DynamoDB: the item that is put, or the items that were read. An update tells only its key and
    new values, and a projected read only a part: a lower bound there. Others: the request's body.
    """
    if call.service != "dynamodb":
        size = len(request.body)
    elif call.operation in _READS:
        size = _read_bytes(answer)
    else:
        size = _written_bytes(call.body)
    return max(1, -(-size // _KIB))


def item_bytes(item: Mapping[str, Any]) -> int:
    """An item's size by DynamoDB's rule: the names and the values, UTF-8."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    """One attribute value in the wire's form, ``{"S": "..."}`` and the like."""
    content: Any
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content) // 2 + 1
        case "B":
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


def _written_bytes(body: Mapping[str, Any]) -> int:
    parts = (body.get(name) for name in ("Item", "Key", "ExpressionAttributeValues"))
    return sum(_sound_item_bytes(part) for part in parts)


def _read_bytes(answer: Answer | None) -> int:
    if answer is None or answer.status != 200:
        return 0
    try:
        content = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return 0
    items = [*content.get("Items", ()), content.get("Item")]
    for found in content.get("Responses", {}).values():
        items += found
    return sum(_sound_item_bytes(item) for item in items)


def _sound_item_bytes(item: object) -> int:
    """The item's size; 0 for what is none, which is for the emulator to refuse."""
    if not isinstance(item, dict):
        return 0
    try:
        return item_bytes(item)
    except (AttributeError, TypeError, ValueError):
        return 0
