"""How long to wait before something is tried again."""

from __future__ import annotations

DELAY_FIRST_SECONDS = 2
DELAY_MAX_SECONDS = 900
# A table that throttles recovers within minutes, and a customer waits for the order.
DRAIN_DELAY_MAX_SECONDS = 180


def delay_seconds(
    receive_count: int, jitter: float, delay_max_seconds: int = DELAY_MAX_SECONDS
) -> int:
    """Seconds until the next try, after the `receive_count`-th one failed (1 for the first).

    Doubles each time up to 15 min, which lets an outage of 24 h pass in about a hundred tries.
    `jitter` in [0, 1) spreads the tries over the upper half, so that the messages of one outage
    do not come back all at once; the lower half is kept, so that a wait is never next to nothing.
    """
    # After ten the cap has long been reached: keep the number small.
    doublings = min(receive_count - 1, 10)
    ceiling = min(delay_max_seconds, DELAY_FIRST_SECONDS << doublings)
    return max(1, round(ceiling * (0.5 + 0.5 * jitter)))
