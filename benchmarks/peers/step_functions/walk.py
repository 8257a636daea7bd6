"""Walks through `order.asl.json`, state by state, and counts what Step Functions bills.

It knows the states, fields and errors which that definition has, and refuses all others; a test
holds it against the emulator's executor. It is one order at a time, and waits nowhere: branches go
one after the other, and a retry comes at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RECURSION_LIMIT = sys.getrecursionlimit()
import jsonata  # type: ignore[import-untyped] # noqa: E402 -- comes with the AWS emulator

# It has raised the limit of the whole process, where others count on running into it.
sys.setrecursionlimit(_RECURSION_LIMIT)

DEFINITION = Path(__file__).with_name("order.asl.json")
#: Where each HTTP task's endpoint begins: a deployment puts the downstreams' address there.
DOWNSTREAMS = "${Downstreams}"

#: Sends one HTTP task's request, and returns the name of its error, or None.
Call = Callable[[str, Mapping[str, str], Mapping[str, Any]], str | None]
State = Mapping[str, Any]


def definition() -> State:
    content: State = json.loads(DEFINITION.read_text())
    return content


@dataclass(slots=True)
class Walk:
    """`entered`: the states, in their order; `retries`: of tasks."""

    call: Call
    entered: list[str] = field(default_factory=list)
    retries: int = 0
    _variables: dict[str, Any] = field(default_factory=dict)

    @property
    def transitions(self) -> int:
        """As AWS counts: one each time that a state is executed, and one for each retry."""
        return len(self.entered) + self.retries

    def through(self, machine: State, given: Any) -> Any:
        """From where it starts to where it ends: its output."""
        name: str | None = machine["StartAt"]
        while name is not None:
            self.entered.append(name)
            given, name = self._state(machine["States"][name], given)
        return given

    def _state(self, state: State, given: Any) -> tuple[Any, str | None]:
        match state["Type"]:
            case "Task":
                return self._task(state, given)
            case "Parallel":
                given = [self.through(branch, given) for branch in state["Branches"]]
            case "Pass":
                given = self._filled(state["Output"], given)
            case "Choice":
                return given, self._chosen(state, given)
            case "Succeed":
                pass
            case other:
                raise ValueError(f"There is no {other} state in an order's definition.")
        return given, state.get("Next")

    def _task(self, state: State, given: Any) -> tuple[Any, str | None]:
        asked = self._filled(state["Arguments"], given)
        path = asked["ApiEndpoint"].removeprefix(DOWNSTREAMS)
        retried = [0] * len(state["Retry"])
        while error := self.call(path, asked["Headers"], asked["RequestBody"]):
            number = _first(state["Retry"], error)
            if number is not None and retried[number] < state["Retry"][number]["MaxAttempts"]:
                retried[number] += 1
                self.retries += 1
                continue
            caught = _first(state.get("Catch", ()), error)
            if caught is None:
                raise ValueError(f"The definition catches no {error}.")
            return self._left(state["Catch"][caught], given)
        return self._left(state, given)

    def _left(self, left: State, given: Any) -> tuple[Any, str | None]:
        """By a state's own way on, or by a catcher's."""
        self._variables |= self._filled(left.get("Assign", {}), given)
        return self._filled(left.get("Output", "{% $states.input %}"), given), left.get("Next")

    def _chosen(self, state: State, given: Any) -> str:
        for choice in state["Choices"]:
            if self._filled(choice["Condition"], given):
                chosen: str = choice["Next"]
                return chosen
        default: str = state["Default"]
        return default

    def _filled(self, template: Any, given: Any) -> Any:
        """With each JSONata expression in it replaced by its value."""
        if isinstance(template, Mapping):
            return {name: self._filled(value, given) for name, value in template.items()}
        if isinstance(template, str) and template.startswith("{%"):
            expression = jsonata.Jsonata.jsonata(template.removeprefix("{%").removesuffix("%}"))
            return expression.evaluate(None, {**self._variables, "states": {"input": given}})
        return template


def _first(rules: Sequence[State], error: str) -> int | None:
    """The place of the first retrier or catcher that is meant for this error."""
    for number, rule in enumerate(rules):
        if {error, "States.ALL"} & {*rule["ErrorEquals"]}:
            return number
    return None
