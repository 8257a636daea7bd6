"""deliver: bring one command to its downstream and record what became of it.

Promise: `one_effect_per_step`. The downstream sees the same key however often the command comes,
and the outcome is written once. A timeout is an unknown outcome, not a failed one: the command
comes again later under the same key (orders.flow.consumer).

One piece of code, deployed once per downstream, so that one that is slow or down delays only its
own step (`failure_stays_local`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orders.domain import saga
from orders.domain.keeping import may_be_archived
from orders.domain.saga import REFUSABLE, Downstream, Facts, Outcome, Step
from orders.domain.status import Status, status
from orders.domain.units import Millis
from orders.failures import Contradiction, PermanentFailure, TransientFailure
from orders.flow.consumer import RetryLater
from orders.flow.express import Express
from orders.ports import NEEDS_ORDER, Clock, Command, DownstreamService, Later, Orders


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outcome of a command. `express`: the further steps whose outcomes were recorded with it,
    None where none were tried. If it settled the order, `settled_as` is the order's status, and
    `settle_ms` the time since the customer's last request (None if the order was not read)."""

    outcome: Outcome
    express: Sequence[Step] | None = None
    settled_as: Status | None = None
    settle_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Deliver:
    """The handler reads two fields: `downstream_name`, for its log line, and `turns_ms`, how long
    after the start of a batch a command may still be begun. `express`: on inventory's delivery,
    where orders may go by it."""

    orders: Orders
    downstream: DownstreamService
    downstream_name: Downstream
    clock: Clock
    turns_ms: int
    express: Express | None = None

    def complete(self, command: Command, now: Millis) -> Command:
        """The command with its order, which is read from the table unless the command carries it.

        If the table has no such order (it was erased), a step that does not need the order is done
        without it. Such a step reads the order only for its trace. Raises Archived for a command
        that comes months late, so that no downstream is called that has forgotten its key.
        """
        if command.order is not None and not may_be_archived(command.key.order_id, now):
            return command
        accepted = self.orders.find(command.key)
        if accepted is not None:
            return replace(
                command,
                order=accepted.order,
                trace=accepted.trace,
                accepted_at=accepted.accepted_at,
                express=accepted.express,
            )
        if command.step in NEEDS_ORDER and command.order is None:
            # The command came from the table's own stream, so the order was written: the read
            # lags behind, or a restore is under way.
            raise TransientFailure("the order is not readable yet")
        return command

    def deliver(self, command: Command) -> Delivered:
        """Have a complete command's step done, its outcome on record before this returns.

        Raises TransientFailure while the outcome is unknown, RetryLater while the downstream has
        taken the step and not decided it, PermanentFailure when a contract is broken, Archived when
        the order has left the table meanwhile.
        """
        began = self.clock.now()
        outcome = self.downstream.perform(command)
        if isinstance(outcome, Later):
            raise RetryLater("taken")
        if not outcome.done and command.step not in REFUSABLE:
            raise PermanentFailure(
                f"{command.step} was refused ({outcome.refusal}), which its contract rules out"
            )
        further = self._further(command, outcome, began)
        outcomes = {command.step: outcome, **(further or {})}
        facts = self.orders.record(command.key, outcomes)
        for step, answered in outcomes.items():
            _check(step, facts.outcomes[step], answered)
        delivered = Delivered(outcome, None if further is None else [*further])
        # An outcome that was on record before was logged then.
        was_there = all(facts.outcomes[step] != outcomes[step] for step in outcomes)
        if was_there or not saga.settled(facts):
            return delivered
        return replace(
            delivered, settled_as=status(facts), settle_ms=_settle_ms(command, facts, outcomes)
        )

    def _further(
        self, command: Command, outcome: Outcome, began: Millis
    ) -> Mapping[Step, Outcome] | None:
        """What the express path has done besides, None where it was not taken."""
        if self.express is None or not command.express or command.step is not Step.RESERVE:
            return None
        if not outcome.done or may_be_archived(command.key.order_id, began):
            return None
        return self.express.go_on(command, began)


def _check(step: Step, there: Outcome, answered: Outcome) -> None:
    """Raises Contradiction."""
    if there.refusal != answered.refusal:
        raise Contradiction(
            f"{step} is on record as {there.refusal or 'done'}, and the downstream now answers"
            f" {answered.refusal or 'done'} under the same key"
        )


def _settle_ms(command: Command, facts: Facts, outcomes: Mapping[Step, Outcome]) -> int | None:
    if command.accepted_at is None:
        return None
    asked_at = command.accepted_at if facts.cancellation is None else facts.cancellation.at
    return max(outcome.at for outcome in outcomes.values()) - asked_at
