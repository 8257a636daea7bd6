"""How long to wait before something is tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits from `first_seconds` up to `max_seconds`, each `growth` times the one before."""

    first_seconds: int
    max_seconds: int
    growth: float = 2.0

    def delay_seconds(self, attempt: int, jitter: float) -> int:
        """Seconds until the next try, after the `attempt`-th one (1 for the first).

        `jitter` in [0, 1) spreads the tries over the upper half, so that the messages of one
        outage do not come back all at once; the lower half is kept, so that a wait is never next
        to nothing.
        """
        # After so many any cap here has long been reached: keep the number small.
        grown = self.growth ** min(attempt - 1, 64)
        ceiling = min(self.max_seconds, self.first_seconds * grown)
        return max(1, round(ceiling * (0.5 + 0.5 * jitter)))


#: A downstream. After an outage a step waits a third of the outage at most, half of it with the
#: worst luck, and never above 3 min: with shorter waits an outage of a day would use up what SQS
#: counts of receives (infra/event_sources.py). Decision 0064 has what the tries cost.
DELIVER = Backoff(first_seconds=2, max_seconds=180, growth=1.25)
#: A downstream that has taken a command and is asked for its outcome, which may take it days.
ASK = Backoff(first_seconds=2, max_seconds=900)
#: A downstream that sends the outcomes of what it has taken: one that does not come is asked for.
TOLD = Backoff(first_seconds=60, max_seconds=900)
#: A table that throttles recovers within minutes, and a customer waits for the order.
DRAIN = Backoff(first_seconds=2, max_seconds=180)
#: The longest between two looks at an order that does not settle, which began with the queue's
#: own delay. A message stays in its queue meanwhile, which SQS allows for 12 h.
WATCH_MAX_SECONDS = 4 * 60 * 60
