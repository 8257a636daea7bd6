"""Whether a downstream is worth a call that nobody has to wait for, by what its last ones answered.

A breaker belongs to one environment and is in no table: what an environment does not know it learns
by a few calls, each within its time. Threads share one; a count that two of them miss does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass

from orders.domain.backoff import Backoff
from orders.domain.units import Millis

#: So many calls in a row without an answer in time open it.
FAILURES_MAX = 3
#: While it is open one call is let through after these waits, to find out whether all is well.
PROBES = Backoff(first_seconds=5, max_seconds=300)


@dataclass(slots=True)
class Breaker:
    _failures: int = 0
    _probes: int = 0
    _next_probe_at: int = 0

    def lets_through(self, now: Millis) -> bool:
        if self._failures < FAILURES_MAX:
            return True
        # Further ahead than any wait is only what an earlier clock has said: it was set back since.
        if now < self._next_probe_at <= now + 1000 * PROBES.max_seconds:
            return False
        self._wait_for_next_probe(now)
        return True

    def answered(self) -> None:
        """The downstream has answered in time, whatever it said."""
        self._failures = self._probes = 0

    def unanswered(self, now: Millis) -> None:
        self._failures += 1
        if self._failures == FAILURES_MAX:
            self._wait_for_next_probe(now)

    def _wait_for_next_probe(self, now: Millis) -> None:
        self._probes += 1
        self._next_probe_at = now + 1000 * PROBES.delay_seconds(self._probes, jitter=1.0)
