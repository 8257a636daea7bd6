"""The few expressions of DynamoDB that the service uses, parsed strictly and once each."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from simulation.world.calls import NotModelled

Item = Mapping[str, Any]

_FUNCTION = re.compile(r"(attribute_exists|attribute_not_exists)\((#?\w+)\)")
_COMPARISON = re.compile(r"(#?\w+) ([=<>]) (:\w+)")
_SIZE = re.compile(r"(size)\((#?\w+)\) <= (:\w+)")
_CONTAINS = re.compile(r"(contains)\((#?\w+), (:\w+)\)")
_ADDITION = re.compile(r"ADD (#?\w+) (:\w+)(?: (?=SET ))?")
_ASSIGNMENT = re.compile(r"(#?\w+) = (:\w+)")
_KEY_EQUALS = re.compile(r"pk = (:\w+)")
_KEY_BETWEEN = re.compile(r"pk = (:\w+) AND sk BETWEEN (:\w+) AND (:\w+)")


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    # Of a set.
    "size": lambda there, most: len(there) <= most,
    "contains": lambda there, one: one in there,
}


@dataclass(frozen=True, eq=False, slots=True)
class Expression:
    """`names` and `values` are the placeholders in it: each must be given, and no other."""

    names: frozenset[str]
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Demand:
    """An attribute is there (`value` None), or is not, or compares so to a value; one that is not
    there compares to nothing."""

    name: str
    operator: str
    value: str | None = None

    def holds(self, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
        attribute = item.get(names.get(self.name, self.name))
        if self.value is None:
            return (attribute is not None) is (self.operator == "attribute_exists")
        if attribute is None:
            return False
        left, right = _comparable(attribute), _comparable(values[self.value])
        return _OPERATORS[self.operator](left, right)


@dataclass(frozen=True, eq=False, slots=True)
class Condition(Expression):
    """True when all demands of one of the alternatives hold."""

    alternatives: tuple[tuple[Demand, ...], ...]

    def holds(self, item: Item | None, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
        there: Item = item or {}
        return any(
            all(demand.holds(there, names, values) for demand in demands)
            for demands in self.alternatives
        )


@dataclass(frozen=True, eq=False, slots=True)
class Update(Expression):
    """SET of whole top-level attributes, and ADD to one: of a number, or of bytes to a set."""

    assignments: tuple[tuple[str, str], ...]
    addition: tuple[str, str] | None = None

    def changes(
        self, item: Item, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        after = {names.get(name, name): values[value] for name, value in self.assignments}
        if self.addition is not None:
            name, value = self.addition
            name = names.get(name, name)
            after[name] = _sum(item.get(name), values[value])
        return after


def _sum(before: Any, value: Any) -> Any:
    if before is None:
        return value
    if "BS" in value:
        return {"BS": sorted({*before["BS"], *value["BS"]})}
    return {"N": str(int(before["N"]) + int(value["N"]))}


@dataclass(frozen=True, eq=False, slots=True)
class KeyCondition(Expression):
    """One partition, and in it the sort keys from `low` to `high`, or all of them."""

    partition: str
    low: str | None
    high: str | None


@cache
def condition(text: str) -> Condition:
    """ "" is no condition: it always holds."""
    alternatives = tuple(
        tuple(_demand(part, text) for part in alternative.split(" AND "))
        for alternative in (text.split(" OR ") if text else ())
    )
    demands = [demand for alternative in alternatives for demand in alternative]
    return Condition(
        frozenset(demand.name for demand in demands if demand.name.startswith("#")),
        frozenset(demand.value for demand in demands if demand.value is not None),
        alternatives or ((),),
    )


def _demand(part: str, text: str) -> Demand:
    function = _FUNCTION.fullmatch(part)
    if function is not None:
        return Demand(function[2], function[1])
    of_set = _SIZE.fullmatch(part) or _CONTAINS.fullmatch(part)
    if of_set is not None:
        return Demand(of_set[2], of_set[1], of_set[3])
    comparison = _COMPARISON.fullmatch(part)
    if comparison is None:
        raise NotModelled(f"the condition {text!r}")
    return Demand(*comparison.groups())


@cache
def update(text: str) -> Update:
    addition = _ADDITION.match(text)
    rest = text[addition.end() :] if addition is not None else text
    if addition is not None and not rest:
        return _update((), (addition[1], addition[2]))
    if not rest.startswith("SET "):
        raise NotModelled(f"the update {text!r}")
    assignments = []
    for part in rest.removeprefix("SET ").split(", "):
        found = _ASSIGNMENT.fullmatch(part)
        if found is None:
            raise NotModelled(f"the update {text!r}")
        assignments.append((found[1], found[2]))
    added = None if addition is None else (addition[1], addition[2])
    return _update(tuple(assignments), added)


def _update(
    assignments: tuple[tuple[str, str], ...], addition: tuple[str, str] | None = None
) -> Update:
    pairs = (*assignments, addition) if addition else assignments
    return Update(
        frozenset(name for name, _ in pairs if name.startswith("#")),
        frozenset(value for _, value in pairs),
        assignments,
        addition,
    )


def _comparable(attribute: Any) -> Any:
    kind, value = next(iter(attribute.items()))
    if kind == "N":
        return int(value)
    # Of a set of bytes, and of what may be in one, the value.
    return value if kind in ("B", "BS") else attribute


@cache
def key_condition(text: str) -> KeyCondition:
    between = _KEY_BETWEEN.fullmatch(text)
    if between is not None:
        return KeyCondition(frozenset(), frozenset(between.groups()), *between.groups())
    equals = _KEY_EQUALS.fullmatch(text)
    if equals is None:
        raise NotModelled(f"the key condition {text!r}")
    return KeyCondition(frozenset(), frozenset(equals.groups()), equals[1], None, None)
