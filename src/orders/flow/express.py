"""The express path: once an order's stock is reserved, its shipment and its posting are commanded
side by side, and everything that is known after a short time is recorded with one write.

    deliver-inventory: reserve ─ done ─▶ ship ∥ post ─▶ one write: reserve, ship, post

Anything but an answer in time is left out of that write. The saga then owes it, and relay sends it
to its downstream's own queue, where it is retried for a day: nobody waits here for a downstream
that is slow or down (`failure_stays_local`), and nothing is lost with this run.

It is safe because for such an order the saga commands `ship` and `post` as soon as `reserve` is
done, whatever its customer wishes meanwhile (decision 0052): all that is different here is that the
reservation is not on record yet. A step that is commanded here and by relay has the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from orders.domain.breaker import Breaker
from orders.domain.saga import DOWNSTREAM_OF, ONCE_RESERVED, Downstream, Outcome, Step
from orders.domain.units import Millis
from orders.ports import Clock, Command, DownstreamService, Later, SideBySide


@dataclass(frozen=True, slots=True)
class Express:
    """`downstreams` are those of `ONCE_RESERVED` that have idempotency keys: of the others it could
    not be found out whether a call that was not waited for has done its step. `budget_ms`: from the
    begin of the order's delivery to the last answer that is waited for. A reservation that took
    more than half of it is not gone on from, so the other calls have half of it at least."""

    downstreams: Mapping[Downstream, DownstreamService]
    breakers: Mapping[Downstream, Breaker]
    side_by_side: SideBySide
    clock: Clock
    budget_ms: int

    def go_on(self, command: Command, began: Millis) -> Mapping[Step, Outcome]:
        """Have done what follows the reservation of an order. Returns the outcomes that are known
        in time."""
        now = self.clock.now()
        if now - began > self.budget_ms / 2:
            return {}
        until = Millis(began + self.budget_ms)
        step_of = {
            DOWNSTREAM_OF[step]: step
            for step in ONCE_RESERVED
            if DOWNSTREAM_OF[step] in self.downstreams
        }
        calls: dict[Downstream, Callable[[], Outcome | Later | None]] = {
            name: partial(self._outcome, name, command.then(step, until))
            for name, step in step_of.items()
            if self.breakers[name].lets_through(now)
        }
        results = self.side_by_side(calls, (until - now) / 1000)
        outcomes: dict[Step, Outcome] = {}
        # In the order of the steps, not of the answers: log lines are grouped by it.
        for name in calls:
            outcome = results.get(name)
            if outcome is None:
                # Also where no thread was free in time: who answers, or lets calls time out, gives
                # them back before that. A header that comes a byte at a time keeps its thread.
                self.breakers[name].unanswered(self.clock.now())
                continue
            self.breakers[name].answered()
            # One that decides later has answered, and has no outcome: the saga goes on owing it.
            if isinstance(outcome, Outcome):
                outcomes[step_of[name]] = outcome
        return outcomes

    def _outcome(self, name: Downstream, command: Command) -> Outcome | Later | None:
        try:
            return self.downstreams[name].perform(command)
        except Exception:  # noqa: BLE001 - even a bug here must not hold up a reservation: the
            # downstream's own delivery meets it too, and tells of it.
            return None
