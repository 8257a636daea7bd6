"""How large an item is by the rule that DynamoDB bills by."""

from collections.abc import Mapping
from typing import Any

# A list or a map costs this much, and one more for each of its elements.
_CONTAINER_BYTES, _ELEMENT_BYTES = 3, 1


def item_bytes(item: Mapping[str, Any]) -> int:
    """The names and the values, UTF-8; values in the wire's form, bytes as base64 or as bytes."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
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
