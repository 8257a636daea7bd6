"""deliver: bring one command to its downstream and record what became of it.

Promise: `one_effect_per_step`. The downstream sees the same key however often the command comes,
and the outcome is written once. A timeout is an unknown outcome, not a failed one: the command
comes again later under the same key (orders.flow.consumer).

A downstream may take a command and decide it later. Then the command waits in its queue, with a
note that it was taken, until its outcome is on record (orders.flow.outcomes) or the downstream
tells it when it is asked. Whatever becomes of the downstream's own message, the order settles.

One piece of code, deployed once per downstream, so that one that is slow or down delays only its
own step (`failure_stays_local`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from orders.domain import backoff, saga
from orders.domain.backoff import Backoff
from orders.domain.keeping import may_be_archived
from orders.domain.order import AcceptedOrder, order_id_time
from orders.domain.saga import Downstream, Facts, Outcome, Step
from orders.domain.units import Millis
from orders.failures import Failure, TransientFailure
from orders.flow.express import Express
from orders.flow.recording import Recorded, raise_if_irrefusable, record
from orders.ports import Clock, Command, DownstreamService, Later, Orders, Taken

#: A downstream that names another place to ask at each time is asked at the last of so many: each
#: is a message that is sent (orders.flow.batches says why that is bounded).
TAKEN_MAX = 8


@dataclass(frozen=True, slots=True)
class Delivered:
    """The outcome of a command. `express`: the further steps whose outcomes were recorded with it,
    None where none were tried."""

    outcome: Outcome
    express: Sequence[Step] | None
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Deliver:
    """The handler reads two fields: `downstream_name`, for its log line, and `turns_ms`, how long
    after the start of a batch a command may still be begun. `express`: on inventory's delivery,
    where orders may go by it. `asks`: how long a command that was taken waits until it is asked
    about."""

    orders: Orders
    downstream: DownstreamService
    downstream_name: Downstream
    clock: Clock
    turns_ms: int
    express: Express | None = None
    asks: Backoff = backoff.ASK

    def is_decided(self, command: Command) -> bool:
        """Whether the outcome of a command that was taken is on record meanwhile."""
        return command.taken is not None and self.orders.facts(command.key).known(command.step)

    def complete(self, command: Command, now: Millis) -> Command:
        """The command with its order, which is read from the table unless the command carries what
        its request needs of it, and with the references that its request needs.

        If the table has no such order (it was erased), a step that does not need the order is done
        without it. Such a step reads the order only for its trace. Raises Archived for a command
        that comes months late, so that no downstream is called that has forgotten its key.
        """
        needs = self.downstream.needs(command.step)
        if needs.references:
            command = replace(command, references=self.orders.facts(command.key).references)
        elif command.order and not needs.order and not may_be_archived(command.key.order_id, now):
            return command
        accepted = self.orders.find(command.key)
        if accepted is not None:
            return replace(
                command,
                order=accepted.order,
                trace=accepted.trace,
                accepted_at=self._begun_at(accepted),
                express=accepted.express,
            )
        if needs.order or (needs.goods and command.order is None):
            # The command came from the table's own stream, so the order was written: the read
            # lags behind, or a restore is under way.
            raise TransientFailure("the order is not readable yet")
        return command

    def _begun_at(self, accepted: AcceptedOrder) -> Millis:
        """Since when an order is under way: one that was held, since its release."""
        if accepted.held_until is None:
            return accepted.accepted_at
        approval = self.orders.facts(accepted.key).approval
        return accepted.accepted_at if approval is None else approval.at

    def waiting_since(self, command: Command) -> Millis:
        """Since when the order of a complete command waits for its end, or for the refund of its
        return. Where the order was not read, by the time in its id, which is the client's."""
        if command.step is Step.REFUND:
            with suppress(Failure):
                since = saga.refund_owed_since(self.orders.facts(command.key))
                if since is not None:
                    return since
        return command.accepted_at or order_id_time(command.key.order_id)

    def deliver(self, command: Command) -> Delivered | Taken:
        """Have a complete command's step done, its outcome on record before this returns; or learn
        that the downstream has taken it.

        Raises TransientFailure while the outcome is unknown, PermanentFailure when a contract is
        broken, Archived when the order has left the table meanwhile.
        """
        began = self.clock.now()
        answer = self._answer(command)
        if isinstance(answer, Taken):
            return answer
        raise_if_irrefusable(command.step, answer)
        further = self._further(command, answer, began)
        outcomes = {command.step: answer, **(further or {})}
        recorded = record(self.orders, command.key, outcomes, command.accepted_at)
        return Delivered(answer, None if further is None else [*further], recorded)

    def _answer(self, command: Command) -> Outcome | Taken:
        taken = command.taken
        if taken is not None:
            asked = self.downstream.ask(command, taken.ask)
            if isinstance(asked, Later):
                return taken
            if asked is not None:
                return asked
        answer = self.downstream.perform(command)
        if isinstance(answer, Outcome):
            return answer
        if taken is None:
            return Taken(self.clock.now(), answer.ask)
        if answer.ask in (None, taken.ask) or taken.times >= TAKEN_MAX:
            return taken
        return replace(taken, ask=answer.ask, times=taken.times + 1)

    def _further(
        self, command: Command, outcome: Outcome, began: Millis
    ) -> Mapping[Step, Outcome] | None:
        """What the express path has done besides, None where it was not taken."""
        if self.express is None or not command.express or command.step is not Step.RESERVE:
            return None
        if not outcome.done or may_be_archived(command.key.order_id, began):
            return None
        known = Facts({command.step: outcome}).references
        return self.express.go_on(replace(command, references=known), began)
