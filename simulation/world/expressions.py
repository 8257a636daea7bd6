"""The few expressions of DynamoDB that the service uses, parsed strictly and once each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from simulation.world.calls import NotModelled

Item = Mapping[str, Any]

_FUNCTION = re.compile(r"(attribute_exists|attribute_not_exists)\((#?\w+)\)")
_ASSIGNMENT = re.compile(r"(#?\w+) = (:\w+)")
_KEY_EQUALS = re.compile(r"pk = (:\w+)")
_KEY_BETWEEN = re.compile(r"pk = (:\w+) AND sk BETWEEN (:\w+) AND (:\w+)")


@dataclass(frozen=True, eq=False, slots=True)
class Expression:
    """`names` and `values` are the placeholders in it: each must be given, and no other."""

    names: frozenset[str]
    values: frozenset[str]


@dataclass(frozen=True, eq=False, slots=True)
class Condition(Expression):
    """True when each of these attributes is there, or is not."""

    demands: tuple[tuple[str, bool], ...]

    def holds(self, item: Item | None, names: Mapping[str, str]) -> bool:
        there: Item = item or {}
        return all((names.get(name, name) in there) is wanted for name, wanted in self.demands)


@dataclass(frozen=True, eq=False, slots=True)
class Update(Expression):
    """SET of whole top-level attributes."""

    assignments: tuple[tuple[str, str], ...]

    def changes(self, names: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
        return {names.get(name, name): values[value] for name, value in self.assignments}


@dataclass(frozen=True, eq=False, slots=True)
class KeyCondition(Expression):
    """One partition, and in it the sort keys from `low` to `high`, or all of them."""

    partition: str
    low: str | None
    high: str | None


@cache
def condition(text: str) -> Condition:
    """ "" is no condition: it always holds."""
    demands = []
    for part in text.split(" AND ") if text else ():
        found = _FUNCTION.fullmatch(part)
        if found is None:
            raise NotModelled(f"the condition {text!r}")
        demands.append((found[2], found[1] == "attribute_exists"))
    names = frozenset(name for name, _ in demands if name.startswith("#"))
    return Condition(names, frozenset(), tuple(demands))


@cache
def update(text: str) -> Update:
    if not text.startswith("SET "):
        raise NotModelled(f"the update {text!r}")
    assignments = []
    for part in text.removeprefix("SET ").split(", "):
        found = _ASSIGNMENT.fullmatch(part)
        if found is None:
            raise NotModelled(f"the update {text!r}")
        assignments.append((found[1], found[2]))
    return Update(
        frozenset(name for name, _ in assignments if name.startswith("#")),
        frozenset(value for _, value in assignments),
        tuple(assignments),
    )


@cache
def key_condition(text: str) -> KeyCondition:
    between = _KEY_BETWEEN.fullmatch(text)
    if between is not None:
        return KeyCondition(frozenset(), frozenset(between.groups()), *between.groups())
    equals = _KEY_EQUALS.fullmatch(text)
    if equals is None:
        raise NotModelled(f"the key condition {text!r}")
    return KeyCondition(frozenset(), frozenset(equals.groups()), equals[1], None, None)
