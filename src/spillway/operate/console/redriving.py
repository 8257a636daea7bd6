"""Looks at dead letters, and moves them back in a thread while the page shows the progress.

`spillway.operate.redrive` does the work: safe to interrupt, to repeat, and while orders come in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from spillway.errors import SpillwayError
from spillway.operate.redrive.found import Found
from spillway.operate.redrive.looking import look, work
from spillway.target.options import explain_unreachable
from spillway.target.service import Service


@dataclass(slots=True)
class Job:
    """Moving the dead letters of `names`: `dealt_with` of `total` so far. When it is `over`, either
    `found` or `failure` says what came of it."""

    names: Sequence[str]
    total: int = 0
    dealt_with: int = 0
    found: Sequence[Found] = ()
    failure: str | None = None
    over: bool = False

    @property
    def moved(self) -> int:
        return sum(one.moved for one in self.found)


@dataclass(slots=True)
class Redriving:
    """One look or move at a time, because a look receives the dead letters too."""

    service: Service
    job: Job | None = None
    looked_at: float | None = None
    found: Sequence[Found] = ()
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def look(self, holding: Sequence[str]) -> None:
        """Look at the dead letters of the parts in `holding`, unless some are being moved."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._look(holding)
        finally:
            self._busy.release()

    def begin(self, names: Sequence[str]) -> bool:
        """Move dead letters back; false while a look or a move is under way."""
        if not self._busy.acquire(blocking=False):
            return False
        self.job = Job(names)
        threading.Thread(target=self._run, args=(self.job,), daemon=True).start()
        return True

    def _look(self, holding: Sequence[str]) -> None:
        self.found = look(self.service, holding) if holding else ()
        self.looked_at = time.time()

    def _run(self, job: Job) -> None:
        try:
            with explain_unreachable():
                redrive = work(self.service, job.names, dry_run=False)
                job.total = redrive.count()

                def advance(dead_letters: int) -> None:
                    job.dealt_with += dead_letters

                redrive.run(advance)
                job.found = list(redrive.found.values())
                self._look(job.names)
        except SpillwayError as error:
            job.failure = str(error)
        finally:
            job.over = True
            self._busy.release()
