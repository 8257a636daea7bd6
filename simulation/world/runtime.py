"""The other ports in memory: time, keys, queues, topic, downstream, log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orders.domain.book import Book
from orders.domain.events import Event
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.quote import TRIES_MAX
from orders.domain.saga import Downstream, Outcome, Step
from orders.domain.units import CustomerId, Millis
from orders.failures import TransientFailure
from orders.ports import Check, Command, Later, Needs


@dataclass
class SetClock:
    """Does not move unless a test moves it."""

    milliseconds: int

    def now(self) -> Millis:
        return Millis(self.milliseconds)


@dataclass(frozen=True)
class FixedSigningKeys:
    keys: Mapping[str, bytes]

    def in_force(self) -> Mapping[str, bytes]:
        return self.keys


@dataclass(frozen=True)
class FixedPriceBooks:
    """Books by the time from which each is in force; the first one also before that."""

    books: Mapping[int, Book]

    def in_force(self, at: Millis) -> Book:
        begun = [begins for begins in self.books if begins <= at]
        return self.books[max(begun, default=min(self.books))]


@dataclass
class MemoryCouponTries:
    """Without the passing of time: a customer's tries stay."""

    codes: dict[str, set[str]] = field(default_factory=dict)

    def count(self, customer_id: CustomerId, codes: Sequence[str], now: Millis) -> bool:
        tried = self.codes.get(customer_id, set()) | set(codes)
        if len(tried) > TRIES_MAX:
            return False
        self.codes[customer_id] = tried
        return True


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
class MemoryOverflow:
    buffered: list[AcceptedOrder] = field(default_factory=list)
    failing: bool = False

    def buffer(self, order: AcceptedOrder) -> None:
        if self.failing:
            raise TransientFailure("the queue did not take it")
        self.buffered.append(order)


@dataclass
class MemoryChecks:
    """Takes every check, until `failing` is set."""

    pending: list[Check] = field(default_factory=list)
    failing: bool = False

    def set(self, checks: Sequence[Check]) -> None:
        if self.failing and checks:
            raise TransientFailure("the queue took none")
        self.pending += checks


@dataclass
class MemoryBacklogs:
    waiting: dict[Downstream, int] = field(default_factory=dict)

    def is_empty(self, downstream: Downstream) -> bool:
        return not self.waiting.get(downstream)


@dataclass
class MemoryChangeDeadLetters:
    dead_letters: list[tuple[OrderKey, str]] = field(default_factory=list)

    def dead_letter(self, key: OrderKey, reason: str) -> None:
        self.dead_letters.append((key, reason))


@dataclass
class MemoryEvents:
    """Takes every event, until `failing` is set."""

    published: list[Event] = field(default_factory=list)
    failing: bool = False

    def publish(self, events: Sequence[Event]) -> None:
        if self.failing and events:
            raise TransientFailure("the topic took none")
        self.published += events


@dataclass
class MemoryInbox:
    postponed: dict[str, int] = field(default_factory=dict)
    dead_letters: list[tuple[str, str]] = field(default_factory=list)
    requeued: list[tuple[str, int]] = field(default_factory=list)

    def postpone(self, receipt: str, seconds: int) -> None:
        self.postponed[receipt] = seconds

    def dead_letter(self, message: str, reason: str) -> None:
        self.dead_letters.append((message, reason))

    def requeue(self, messages: Sequence[tuple[str, int]]) -> None:
        self.requeued += messages


@dataclass
class AnsweringDownstream:
    """A downstream is a function from a command to its answer, which may raise a failure."""

    answer: Callable[[Command], Outcome | Later]
    asked: list[Command] = field(default_factory=list)
    #: What it says when it is asked for what it has taken, at which place.
    decides: Callable[[str | None], Outcome | Later | None] = lambda _: None
    asked_at: list[str | None] = field(default_factory=list)
    needed: Needs = field(default_factory=lambda: Needs(goods=True))

    def needs(self, _step: Step) -> Needs:
        return self.needed

    def perform(self, command: Command) -> Outcome | Later:
        self.asked.append(command)
        return self.answer(command)

    def ask(self, command: Command, at: str | None) -> Outcome | Later | None:
        self.asked_at.append(at)
        return self.decides(at)


@dataclass
class MemoryLog:
    lines: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, step: str, outcome: str, **fields: object) -> None:
        self.lines.append({"step": step, "outcome": outcome, **fields})
