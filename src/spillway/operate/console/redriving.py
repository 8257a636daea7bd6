"""Dead letters: looked at, and moved back while the page goes on telling how far it is.

`spillway.operate.redrive` does the work: safe to interrupt, to repeat, and while orders come in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from spillway.errors import SpillwayError
from spillway.operate.dead_letters import look, work
from spillway.operate.redrive.found import Found
from spillway.target.options import told_if_silent
from spillway.target.service import Service


@dataclass(slots=True)
class Job:
    """Letters of `names` on their way back: `dealt_with` of `total` so far. `over`: it has ended,
    with `found`, or with the sentence that says why not."""

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
    """One piece of work at a time: a look, too, takes the letters in hand for a moment."""

    service: Service
    job: Job | None = None
    looked_at: float | None = None
    found: Sequence[Found] = ()
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def look(self, holding: Sequence[str]) -> None:
        """See what lies with the dead letters of the parts in `holding`, unless letters are being
        moved. Raises SpillwayError where the queues do not answer."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._look(holding)
        finally:
            self._busy.release()

    def begin(self, names: Sequence[str]) -> bool:
        """Move what lies there back; false where that is under way."""
        if not self._busy.acquire(blocking=False):
            return False
        self.job = Job(names)
        threading.Thread(target=self._run, args=(self.job,), daemon=True).start()
        return True

    def _look(self, holding: Sequence[str]) -> None:
        with told_if_silent():
            self.found = look(self.service, holding) if holding else ()
            self.looked_at = time.time()

    def _run(self, job: Job) -> None:
        try:
            with told_if_silent():
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
