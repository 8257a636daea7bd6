"""The rest of what the use cases need, in memory: time, keys, queues, topic, downstream, log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orders.domain.events import Event
from orders.domain.saga import Outcome
from orders.failures import TransientFailure
from orders.ports import Command


@dataclass
class SetClock:
    """Stands still until it is moved."""

    milliseconds: int

    def now(self) -> int:
        return self.milliseconds


@dataclass(frozen=True)
class FixedReceiptKeys:
    keys: Mapping[str, bytes]

    def in_force(self) -> Mapping[str, bytes]:
        return self.keys


@dataclass
class MemoryCommands:
    """Takes every command, until `failing` is set."""

    sent: list[Command] = field(default_factory=list)
    failing: bool = False

    def send(self, commands: Sequence[Command]) -> None:
        if self.failing and commands:
            raise TransientFailure("the queue took none")
        self.sent += commands


@dataclass
class MemoryEvents:
    published: list[Event] = field(default_factory=list)

    def publish(self, events: Sequence[Event]) -> None:
        self.published += events


@dataclass
class MemoryInbox:
    postponed: dict[str, int] = field(default_factory=dict)
    dead_letters: list[tuple[str, str]] = field(default_factory=list)

    def postpone(self, receipt: str, seconds: int) -> None:
        self.postponed[receipt] = seconds

    def set_aside(self, message: str, reason: str) -> None:
        self.dead_letters.append((message, reason))


@dataclass
class AnsweringDownstream:
    """A downstream is a function from a command to its outcome, which may raise a failure."""

    answer: Callable[[Command], Outcome]
    asked: list[Command] = field(default_factory=list)

    def perform(self, command: Command) -> Outcome:
        self.asked.append(command)
        return self.answer(command)


@dataclass
class MemoryLog:
    lines: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, step: str, outcome: str, **fields: object) -> None:
        self.lines.append({"step": step, "outcome": outcome, **fields})
