"""Waiting for an event, which a slow machine may take long for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

#: Never reached when all is well: a message whose worker was killed is hidden for less than a
#: minute.
PATIENCE_SECONDS = 300

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], enough: Callable[[Seen], Any] = bool) -> Seen:
    """What `look` finds, as soon as it is `enough`.

    Where a promise has a time, the service's own clock says whether it was kept.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not enough(seen := look()):
        assert time.monotonic() < deadline, f"still not so far: {seen}"
        time.sleep(0.05)
    return seen
