"""When to stop waiting: after nothing has changed for a while, however long the whole takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: Longer than the longest pause in which all is well: after a long outage a command waits for up to
#: 3 min (orders.domain.backoff.DELIVER), and a message whose function was killed for less than one.
STALL_SECONDS = 300.0


@dataclass(slots=True)
class Patience:
    """Ends a wait that will never succeed. A slow machine is not cut off: it makes progress."""

    seconds: float = STALL_SECONDS
    now: Callable[[], float] = time.monotonic
    _last: object = None
    _changed_at: float | None = None

    def is_over(self, state: object) -> bool:
        """True once `state` has been the same for more than `seconds`."""
        if self._changed_at is None or state != self._last:
            self._last, self._changed_at = state, self.now()
        return self.now() - self._changed_at > self.seconds
