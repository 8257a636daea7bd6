"""Where queue messages are attended to, one by one, for deliver, drain and watchdog alike.

A message that fails never takes its neighbours with it: it comes again, ever less often, with the
queue doing the waiting; or, where asking again cannot help, it lies where a person sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orders.domain.backoff import Backoff
from orders.domain.order import OrderKey
from orders.failures import Contradiction, PermanentFailure, TransientFailure, place_of
from orders.ports import Clock, Inbox, Jitter, Log


@dataclass(slots=True)
class Message:
    """One message as it came, and what its line in the log will say.

    `attempt` is 1 the first time.
    """

    body: str
    receipt: str
    attempt: int
    log: dict[str, object] = field(default_factory=dict)

    def is_about(self, key: OrderKey) -> None:
        self.log |= key.in_logs


#: Does what a message asks for, and says in a word what became of it, for the log; None where that
#: is not worth a line. Raises TransientFailure or NotYet to see it again, PermanentFailure to have
#: a person see it.
Attend = Callable[[Message], str | None]


class NotYet(Exception):
    """Nothing failed, and the message is to come again all the same. `outcome` is for the log."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Desk:
    step: str
    inbox: Inbox
    clock: Clock
    jitter: Jitter
    log: Log
    backoff: Backoff

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
            message.log["error"] = place_of(bug)
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

    def _attended(self, message: Message, attend: Attend) -> tuple[str | None, bool]:
        try:
            return attend(message), True
        except NotYet as later:
            self._postpone(message)
            return later.outcome, False
        except TransientFailure as failure:
            message.log["detail"] = str(failure)
            self._postpone(message)
            return "postponed", False
        except PermanentFailure as failure:
            message.log["detail"] = str(failure)
            self.inbox.set_aside(message.body, str(failure))
            contradicted = isinstance(failure, Contradiction)
            return "contradicted" if contradicted else "set_aside", True

    def _postpone(self, message: Message) -> None:
        wait = self.backoff.delay_seconds(message.attempt, self.jitter())
        self.inbox.postpone(message.receipt, wait)
