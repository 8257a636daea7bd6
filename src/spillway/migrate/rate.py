"""How fast may be written: never above the budget, and slower while the table throttles.

Additive increase, multiplicative decrease, as TCP does it: it finds what a table takes without
being told, and gives way to the shop's own orders.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: After a throttle the rate falls to this share, at most once in so many seconds: the answers that
#: are under way then speak of the old rate.
FALL = 0.7
FALL_PAUSE_SECONDS = 0.5
#: What comes back each second, as a share of the budget: from a tenth to all in half a minute.
RISE_PER_SECOND = 0.03
RATE_MIN = 25.0
#: What may be written at once after a pause, in seconds' worth.
BURST_SECONDS = 0.25


@dataclass(slots=True)
class Rate:
    """Write units per second, for several threads together."""

    budget: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    rate: float = field(init=False)
    _credit: float = 0.0
    _at: float = field(init=False)
    _fell: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.rate = self.budget
        self._at = self.clock()

    def take(self, units: float) -> None:
        """Wait until so many units may be written."""
        with self._lock:
            self._refill()
            self._credit -= units
            wait = -self._credit / self.rate
        if wait > 0:
            self.sleep(wait)

    def throttled(self) -> None:
        """The table did not take all of it."""
        with self._lock:
            self._refill()
            if self._at - self._fell >= FALL_PAUSE_SECONDS:
                self.rate = max(RATE_MIN, self.rate * FALL)
                self._fell = self._at

    def _refill(self) -> None:
        now = self.clock()
        passed, self._at = now - self._at, now
        self.rate = min(self.budget, self.rate + self.budget * RISE_PER_SECOND * passed)
        self._credit = min(self._credit + passed * self.rate, self.rate * BURST_SECONDS)
