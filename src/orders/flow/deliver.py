"""deliver: bring one command to its downstream and record what became of it.

Promise: `one_effect_per_step`. The downstream sees the same key however often the command comes,
and the outcome is written once. A timeout is an unknown outcome, not a failed one: the command
comes again later under the same key, and the queue does the waiting.

One piece of code, deployed once per downstream, so that one that is slow or down delays only its
own step (`failure_stays_local`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from orders.domain.backoff import delay_seconds
from orders.domain.saga import REFUSABLE, Outcome
from orders.failures import PermanentFailure, TransientFailure
from orders.ports import NEEDS_ORDER, Command, DownstreamService, Inbox, Jitter, Orders


@dataclass(frozen=True, slots=True)
class Delivery:
    """A command as it came: `attempt` is 1 the first time, `message` the text it came in."""

    command: Command
    attempt: int
    receipt: str
    message: str


@dataclass(frozen=True, slots=True)
class Attended:
    """What became of one delivery.

    done, refused  the outcome is on record; the message can go
    postponed      unknown: the message stays and comes again
    set_aside      for a person: the message lies in the dead-letter queue, its copy here can go
    """

    result: Literal["done", "refused", "postponed", "set_aside"]
    detail: str | None = None

    @property
    def finished(self) -> bool:
        return self.result != "postponed"


@dataclass(frozen=True, slots=True)
class Deliver:
    orders: Orders
    downstream: DownstreamService
    inbox: Inbox
    jitter: Jitter

    def attend(self, delivery: Delivery) -> Attended:
        """Deliver one command; see that it comes again, or that a person sees it, where it fails.

        Raises TransientFailure only when even that could not be arranged: the queue then brings
        the message again by itself.
        """
        try:
            outcome = self._deliver(delivery.command)
        except TransientFailure as failure:
            self.inbox.postpone(delivery.receipt, delay_seconds(delivery.attempt, self.jitter()))
            return Attended("postponed", str(failure))
        except PermanentFailure as failure:
            self.inbox.set_aside(delivery.message, str(failure))
            return Attended("set_aside", str(failure))
        return Attended("done" if outcome.done else "refused", outcome.refusal)

    def _deliver(self, command: Command) -> Outcome:
        outcome = self.downstream.perform(self._with_order(command))
        if not outcome.done and command.step not in REFUSABLE:
            raise PermanentFailure(
                f"{command.step} was refused ({outcome.refusal}), which its contract rules out"
            )
        there = self.orders.record(command.key, command.step, outcome)
        if there is not None and there.refusal != outcome.refusal:
            raise PermanentFailure(
                f"{command.step} is on record as {there.refusal or 'done'}, and the downstream now"
                f" answers {outcome.refusal or 'done'} under the same key"
            )
        return outcome

    def _with_order(self, command: Command) -> Command:
        if command.order is not None or command.step not in NEEDS_ORDER:
            return command
        accepted = self.orders.find(command.key)
        if accepted is None:
            # The command came from the table's own stream, so the order was written: a reading
            # that lags behind, or a restore under way.
            raise TransientFailure("the order is not readable yet")
        return replace(command, order=accepted.order)
