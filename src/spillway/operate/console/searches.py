"""Readings of the orders table for the console's lists, each in a thread, with its progress.

On this machine a list is read again while its page is open. On AWS, where a reading costs money, it
is read when the operator asks for it, and kept until the console ends or eight others were asked
for.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from spillway.errors import SpillwayError
from spillway.operate.orders.finding import Found, Known, Sought, find
from spillway.target.options import explain_unreachable
from spillway.target.service import Service

#: How many lists are kept.
SEARCHES_MAX = 8
#: A page waits so long for its list: always the first time, later where it is quick to read.
WAIT_SECONDS = 5.0
QUICK_SECONDS = 1.0
#: On this machine: a slow reading is not repeated all the time.
REST_FACTOR = 3.0


@dataclass(slots=True)
class Search:
    """`items` were read by the reading that `runs`. `found` is of the last one that ended, at
    `read_at` (Unix seconds)."""

    sought: Sought
    unsettled_only: bool
    found: Found | None = None
    read_at: float = 0.0
    items: int = 0
    failure: str = ""
    lasted: float = 0.0
    _known: Known = field(default_factory=dict)
    _thread: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(self, service: Service) -> None:
        """Read the table, unless it is being read."""
        if not self.runs:
            self._thread = threading.Thread(target=self.read, args=(service,), daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def read(self, service: Service) -> None:
        began, self.items = time.monotonic(), 0
        try:
            with explain_unreachable():
                self.found = find(
                    service,
                    self.sought,
                    unsettled_only=self.unsettled_only,
                    on_items=self._count,
                    # What was read of the emulator is read again and again.
                    known=self._known if service.emulator is not None else None,
                )
            self.failure, self.read_at = "", time.time()
        except SpillwayError as error:
            self.failure = str(error)
        except Exception as error:
            # Its page must not look as if there were no orders.
            self.failure = f"The table could not be read: {type(error).__name__}."
            raise
        finally:
            self.lasted = time.monotonic() - began

    def _count(self, items: int) -> None:
        self.items += items


@dataclass(slots=True)
class Searches:
    """The latest lists. `texts` are those that must not be in an address, by what stands there."""

    service: Service
    pause_seconds: float
    now: Callable[[], float] = time.time
    texts: dict[str, str] = field(default_factory=dict)
    _latest: OrderedDict[tuple[str, bool], Search] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, text: str, *, unsettled_only: bool) -> Search:
        with self._lock:
            key = (text, unsettled_only)
            search = self._latest.pop(key, None) or Search(Sought(text), unsettled_only)
            self._latest[key] = search
            while len(self._latest) > SEARCHES_MAX:
                self._latest.popitem(last=False)
            return search

    def fresh(self, search: Search) -> Search:
        """On this machine: reads the table again where that was long enough ago."""
        rest = max(self.pause_seconds, REST_FACTOR * search.lasted)
        if self.now() - search.read_at >= rest:
            search.begin(self.service)
            if search.found is None or search.lasted < QUICK_SECONDS:
                search.wait(WAIT_SECONDS)
        return search

    def keep(self, text: str) -> str:
        """What stands for a text, such as an e-mail address, in addresses and so in the browser's
        history. It means nothing to another run of the console."""
        name = next((name for name, kept in self.texts.items() if kept == text), "")
        if not name:
            name = secrets.token_urlsafe(6)
            self.texts[name] = text
        return name
