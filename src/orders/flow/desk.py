"""Where queue messages are attended to, one by one, for deliver, drain and watchdog alike.

A message that fails never takes its neighbours with it: it comes again, ever less often, with the
queue doing the waiting; or, where asking again cannot help, it lies where a person sees it.

Messages may travel as one, in a pack, for a message is what a queue is paid by. A pack must not
make neighbours of what has nothing to do with each other, so it is tried once. What did not come to
an end is then sent on, each as a message by itself that lives as any other, and only after that is
the pack finished with. A crash in between makes duplicates, which everything here bears. A pack
that comes a second time is taken apart untried: whatever ended its first try, one of its messages
perhaps, ends it for the others no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from orders.domain.backoff import Backoff
from orders.domain.order import OrderKey
from orders.failures import Contradiction, PermanentFailure, TransientFailure, error_location
from orders.ports import Clock, Inbox, Jitter, Log


@dataclass(slots=True)
class Message:
    """One message as it came, and what its line in the log will say.

    `attempt` is 1 the first time. `packed`: the bodies of the messages that travel in it, none
    where it is one itself.
    """

    id: str
    body: str
    receipt: str
    attempt: int
    packed: Sequence[str] = ()
    log: dict[str, object] = field(default_factory=dict)

    def is_about(self, key: OrderKey) -> None:
        self.log |= key.in_logs


#: Does what a message asks for, and says in a word what became of it, for the log; None where that
#: is not worth a line. Raises TransientFailure or NotYet to see it again, PermanentFailure to have
#: a person see it.
Attend = Callable[[Message], str | None]


class RetryLater(Exception):
    """Nothing failed, and the message is to come again all the same. `outcome` is for the log."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(slots=True)
class Try:
    """A message at its desk, and whether it can go once it was attended to."""

    desk: Desk
    message: Message
    finished: bool = False

    @property
    def tries(self) -> Sequence[Try]:
        return (self,)

    def attended_to(self, attend: Attend) -> None:
        self.finished = self.desk.is_finished(self.message, attend)

    def is_finished(self) -> bool:
        return self.finished


class ConcurrentMap(Protocol):
    def __call__(self, work: Callable[[Try], None], tries: Iterable[Try], /) -> Iterable[None]:
        """Do `work` on each, some at once; all is done when the answer has been read."""


@dataclass(frozen=True, slots=True)
class Desk:
    step: str
    inbox: Inbox
    clock: Clock
    jitter: Jitter
    log: Log
    backoff: Backoff

    def all_finished(
        self, messages: Sequence[Message], attend: Attend, concurrent_map: ConcurrentMap = map
    ) -> list[bool]:
        """Whether each of these messages can go, packs among them. Never raises."""
        cases = [
            _Pack(self, message) if message.packed else Try(self, message) for message in messages
        ]
        # What came by itself first: the messages of packs take turns.
        in_turn = sorted(cases, key=lambda case: isinstance(case, _Pack))
        tries = [each for case in in_turn for each in case.tries]
        for _ in concurrent_map(lambda each: each.attended_to(attend), tries):
            pass
        return [case.is_finished() for case in cases]

    def is_finished(self, message: Message, attend: Attend) -> bool:
        """Whether this message can go. Never raises: that would bring the whole batch again.

        In the log: the word of `attend`, or
        postponed    its outcome is unknown: it comes again after a while
        set_aside    it lies with the dead letters, with the reason
        contradicted the same, for a downstream that answers otherwise than it did before
        unavailable  even that could not be arranged: the queue brings it again by itself
        bug          the same, for a fault of ours
        """
        started = self.clock.now()
        outcome: str | None
        finished = False
        try:
            outcome, finished = self._attended(message, attend)
        except TransientFailure as failure:
            outcome = "unavailable"
            message.log["detail"] = str(failure)
        except Exception as bug:  # noqa: BLE001 - a bug is one message's, not its neighbours'
            outcome = "bug"
            message.log["error"] = error_location(bug)
        if outcome is not None:
            self.log(
                self.step,
                outcome,
                # Nearly all go well the first time, and a line is paid by the byte.
                attempt=message.attempt if message.attempt > 1 else None,
                duration_ms=self.clock.now() - started,
                **message.log,
            )
        return finished

    def wait_seconds(self, attempt: int) -> int:
        return self.backoff.delay_seconds(attempt, self.jitter())

    def _attended(self, message: Message, attend: Attend) -> tuple[str | None, bool]:
        try:
            return attend(message), True
        except RetryLater as later:
            self._postpone(message)
            return later.outcome, False
        except TransientFailure as failure:
            message.log["detail"] = str(failure)
            self._postpone(message)
            return "postponed", False
        except PermanentFailure as failure:
            message.log["detail"] = str(failure)
            self.inbox.dead_letter(message.body, str(failure))
            contradicted = isinstance(failure, Contradiction)
            return "contradicted" if contradicted else "set_aside", True

    def _postpone(self, message: Message) -> None:
        self.inbox.postpone(message.receipt, self.wait_seconds(message.attempt))


class _Pack:
    """A pack at its desk. To the messages in it, it is the inbox."""

    def __init__(self, desk: Desk, message: Message) -> None:
        self.tries: list[Try] = []
        self._desk = desk
        self._message = message
        self._waits: dict[str, int] = {}
        if message.attempt == 1:
            own = replace(desk, inbox=self)
            self.tries = [
                Try(own, Message(f"{message.id}/{number}", body, str(number), attempt=1))
                for number, body in enumerate(message.packed)
            ]

    def postpone(self, receipt: str, seconds: int) -> None:
        self._waits[receipt] = seconds

    def dead_letter(self, message: str, reason: str) -> None:
        self._desk.inbox.dead_letter(message, reason)

    def requeue(self, messages: Sequence[tuple[str, int]]) -> None:
        self._desk.inbox.requeue(messages)

    def is_finished(self) -> bool:
        """Once its messages were attended to. Where sending on fails, it comes again itself."""
        if self.tries:
            return self._desk.is_finished(self._message, self._send_on_the_rest)
        return self._desk.is_finished(self._message, self._split)

    def _send_on_the_rest(self, _: Message) -> None:
        rest = [each.message for each in self.tries if not each.finished]
        if rest:
            self.requeue([(each.body, self._wait_of(each)) for each in rest])

    def _split(self, pack: Message) -> str:
        pack.log["messages"] = len(pack.packed)
        self.requeue([(body, 0) for body in pack.packed])
        return "taken_apart"

    def _wait_of(self, message: Message) -> int:
        """As long as it was to wait; one that met a bug was not told."""
        told = self._waits.get(message.receipt)
        return self._desk.wait_seconds(message.attempt) if told is None else told
