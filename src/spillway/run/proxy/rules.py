"""The rules that decide which fault is injected into which calls."""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from spillway.run.proxy.calls import Call

RULES_MAX = 1_000
#: SQS's longest delay of a message.
POSTPONE_SECONDS_MAX = 900

Fault = Literal["refuse", "delay", "cut", "lose_answer", "partial", "duplicate", "postpone"]
_FAULTS: tuple[Fault, ...] = get_args(Fault)
# Faults that only some operations can have; all others fit any operation.
_ONLY_ON: Mapping[Fault, frozenset[tuple[str, str]]] = {
    # Batch requests whose answer can say that some entries failed.
    "partial": frozenset(
        {
            ("sqs", "SendMessageBatch"),
            ("sqs", "DeleteMessageBatch"),
            ("sqs", "ChangeMessageVisibilityBatch"),
            ("sns", "PublishBatch"),
        }
    ),
    "postpone": frozenset({("sqs", "SendMessage"), ("sqs", "SendMessageBatch")}),
}

_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_ErrorCode = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9.]{0,99}$")]


class Rule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Which calls get a fault, and exactly one fault.

    | matcher | None means any |
    | --- | --- |
    | service | signing name: `dynamodb`, `sqs`, `sns`, `ssm` |
    | operation | `PutItem` and the like |
    | resource | table, queue, topic or parameter name |
    | function | the caller's AWS_SDK_UA_APP_ID |

    `probability` of a matching call to get the fault; the same `seed` and sequence of matching
    calls choose the same ones. `times`: at most so many calls.

    | fault | what happens |
    | --- | --- |
    | refuse | AWS's error of this code is answered; not forwarded |
    | delay | forwarded so many seconds later, even when the caller has given up meanwhile |
    | cut | the connection is closed, nothing is forwarded |
    | lose_answer | forwarded, then the connection is closed: effect done, answer lost |
    | partial | this share of a batch's entries, rounded up, fails and is not forwarded |
    | duplicate | forwarded twice; the first answer is given |
    | postpone | sent messages become visible after a random 0 to so many seconds: out of order |
    """

    service: _Name | None = None
    operation: _Name | None = None
    resource: _Name | None = None
    function: _Name | None = None
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seed: int = 0
    times: Annotated[int, Meta(ge=1)] | None = None
    refuse: _ErrorCode | None = None
    delay: Annotated[float, Meta(gt=0, le=900)] | None = None
    cut: Literal[True] | None = None
    lose_answer: Literal[True] | None = None
    partial: Annotated[float, Meta(gt=0, le=1)] | None = None
    duplicate: Literal[True] | None = None
    postpone: Annotated[int, Meta(ge=1, le=POSTPONE_SECONDS_MAX)] | None = None

    def __post_init__(self) -> None:
        faults = [fault for fault in _FAULTS if getattr(self, fault) is not None]
        if len(faults) != 1:
            raise ValueError(f"exactly one of {', '.join(_FAULTS)} must be given, not {faults}")
        if not self._possible():
            raise ValueError(f"{self.service} {self.operation} cannot have the fault {self.fault}")

    @property
    def fault(self) -> Fault:
        return next(fault for fault in _FAULTS if getattr(self, fault) is not None)

    @property
    def value(self) -> Any:
        """What its fault is given: a code, seconds, a share, or True."""
        return getattr(self, self.fault)

    def matches(self, call: Call) -> bool:
        """Whether it is about `call`, and the call can have its fault."""
        operation = (call.service, call.operation)
        return (
            self._covers(*operation)
            and self.resource in (None, call.resource)
            and self.function in (None, call.function)
            and operation in _ONLY_ON.get(self.fault, {operation})
        )

    def _covers(self, service: str, operation: str) -> bool:
        return self.service in (None, service) and self.operation in (None, operation)

    def _possible(self) -> bool:
        """Whether any call that it matches could have its fault: else it would never fire."""
        only_on = _ONLY_ON.get(self.fault)
        return only_on is None or any(self._covers(*operation) for operation in only_on)


@dataclass
class Injection:
    """A rule in force. `random` is its own, so that rules do not disturb each other's draws."""

    id: int
    rule: Rule
    random: random.Random
    fired: int = 0

    def fires(self, call: Call) -> bool:
        """Whether `call` gets the fault; if so, it is counted."""
        if (
            not self.rule.matches(call)
            or self.fired == self.rule.times
            or self.random.random() >= self.rule.probability
        ):
            return False
        self.fired += 1
        return True

    def to_json(self) -> dict[str, Any]:
        """The rule's fields that are not the default, with `id` and `fired`."""
        content: dict[str, Any] = msgspec.to_builtins(self.rule)
        return {"id": self.id, "fired": self.fired, **content}


@dataclass
class Rules:
    """All rules in force, by their ids in order of precedence: the first that fires decides."""

    _in_force: dict[int, Injection] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def injection_for(self, call: Call) -> Injection | None:
        """The rule that fires for `call`; None when none does."""
        return next((one for one in self._in_force.values() if one.fires(call)), None)

    def add(self, content: bytes) -> Injection:
        """Put the rule that is `content`, a JSON object, last.

        Raises ValueError when it is none, or there are `RULES_MAX` already.
        """
        rule = msgspec.json.decode(content, type=Rule)
        if len(self._in_force) >= RULES_MAX:
            raise ValueError(f"more than {RULES_MAX} rules")
        made = Injection(next(self._ids), rule, random.Random(rule.seed))  # noqa: S311
        self._in_force[made.id] = made
        return made

    def remove(self, id_: int) -> Injection | None:
        """Take a rule out and return what became of it; None when there is none of that id."""
        return self._in_force.pop(id_, None)

    def clear(self) -> None:
        self._in_force.clear()

    def to_json(self) -> list[dict[str, Any]]:
        return [injection.to_json() for injection in self._in_force.values()]
