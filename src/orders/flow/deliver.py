"""deliver: bring one command to its downstream and record what became of it.

Promise: `one_effect_per_step`. The downstream sees the same key however often the command comes,
and the outcome is written once. A timeout is an unknown outcome, not a failed one: the command
comes again later under the same key (orders.flow.desk).

One piece of code, deployed once per downstream, so that one that is slow or down delays only its
own step (`failure_stays_local`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orders.domain.saga import REFUSABLE, Outcome
from orders.failures import PermanentFailure, TransientFailure
from orders.ports import NEEDS_ORDER, Command, DownstreamService, Orders


@dataclass(frozen=True, slots=True)
class Deliver:
    orders: Orders
    downstream: DownstreamService

    def deliver(self, command: Command) -> Outcome:
        """Have a step done, and its outcome on record before this returns.

        Raises TransientFailure while the outcome is unknown, PermanentFailure when a contract is
        broken.
        """
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
