"""How long to wait before something is tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `first_seconds` up to `max_seconds`."""

    first_seconds: int
    max_seconds: int

    def delay_seconds(self, attempt: int, jitter: float) -> int:
        """Seconds until the next try, after the `attempt`-th one (1 for the first).

        `jitter` in [0, 1) spreads the tries over the upper half, so that the messages of one
        outage do not come back all at once; the lower half is kept, so that a wait is never next
        to nothing.
        """
        # After sixteen any cap here has long been reached: keep the number small.
        doublings = min(attempt - 1, 16)
        ceiling = min(self.max_seconds, self.first_seconds << doublings)
        return max(1, round(ceiling * (0.5 + 0.5 * jitter)))


#: A downstream: an outage of 24 h passes in about a hundred tries.
DELIVER = Backoff(first_seconds=2, max_seconds=900)
#: A downstream that sends the outcomes of what it has taken: one that does not come is asked for.
TOLD = Backoff(first_seconds=60, max_seconds=900)
#: A table that throttles recovers within minutes, and a customer waits for the order.
DRAIN = Backoff(first_seconds=2, max_seconds=180)
#: The longest between two looks at an order that does not settle, which began with the queue's
#: own delay. A message stays in its queue meanwhile, which SQS allows for 12 h.
WATCH_MAX_SECONDS = 4 * 60 * 60
