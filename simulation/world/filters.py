"""Lambda's filters: which records of a stream a function is invoked for.

As EventBridge has it, a pattern speaks of leaves. `exists: false` matches where the leaf is not
there, whether its parents are there or not, and every other condition needs the leaf.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra.event_sources import Pattern

_ABSENT: Any = object()


def passes(record: Mapping[str, Any], patterns: Iterable[Pattern]) -> bool:
    """Whether a record matches one of these patterns; every record does where there is none."""
    each = tuple(patterns)
    return not each or any(_matches(record, pattern) for pattern in each)


def _matches(value: Any, pattern: Any) -> bool:
    if isinstance(pattern, Mapping):
        inside = value if isinstance(value, Mapping) else {}
        return all(_matches(inside.get(name, _ABSENT), part) for name, part in pattern.items())
    leaf = _ABSENT if isinstance(value, Mapping) else value
    return any(_holds(leaf, condition) for condition in pattern)


def _holds(leaf: Any, condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return bool(leaf == condition)
    [(operator, operand)] = condition.items()
    match operator:
        case "exists":
            return (leaf is not _ABSENT) is operand
        case "anything-but":
            return leaf is not _ABSENT and leaf not in operand
    raise NotImplementedError(f"the world has no filter {operator!r}")
