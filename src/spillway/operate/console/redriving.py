"""Looks at dead letters, and moves them back in a thread while the page shows the progress.

`spillway.operate.redrive` does the work: safe to interrupt, to repeat, and while orders come in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spillway.errors import SpillwayError
from spillway.operate.redrive.found import Found
from spillway.operate.redrive.moving import Redrive, redrive_of
from spillway.operate.redrive.setting_aside import SetAside, set_aside, set_aside_before
from spillway.target.options import explain_unreachable
from spillway.target.service import Service


@dataclass(slots=True)
class Job:
    """Moving the dead letters of `names`. When it is `over`, either `redrive` or `failure` says
    what came of it."""

    names: Sequence[str]
    redrive: Redrive
    failure: str | None = None
    over: bool = False


@dataclass(slots=True)
class Redriving:
    """One look or move at a time, because a look receives the dead letters too."""

    service: Service
    job: Job | None = None
    looked_at: float | None = None
    found: Mapping[str, Found] = field(default_factory=dict)
    _busy: threading.Lock = field(default_factory=threading.Lock)

    @property
    def aside(self) -> list[SetAside]:
        """What was set aside on this machine, the latest first."""
        return set_aside_before(self.service)

    def look(self, holding: Sequence[str]) -> None:
        """Look at the dead letters of the parts in `holding`, unless some are being moved."""
        if self._busy.acquire(blocking=False):
            try:
                self._look(holding)
            finally:
                self._busy.release()

    def begin(self, names: Sequence[str]) -> None:
        if self._busy.acquire(blocking=False):
            self.job = Job(names, redrive_of(self.service, names, dry_run=False))
            threading.Thread(target=self._run, args=(self.job,), daemon=True).start()

    def set_aside(self, name: str, message_id: str, reason: str) -> None:
        if not self._busy.acquire(blocking=False):
            raise SpillwayError("Dead letters are being moved or looked at: try again.")
        try:
            set_aside(self.service, name, message_id, reason)
        finally:
            self._busy.release()

    def _look(self, holding: Sequence[str]) -> None:
        self.found = {}
        if holding:
            looking = redrive_of(self.service, holding, dry_run=True)
            looking.run()
            self.found = looking.found
        self.looked_at = time.time()

    def _run(self, job: Job) -> None:
        try:
            with explain_unreachable():
                job.redrive.run()
                self._look(job.names)
        except SpillwayError as error:
            job.failure = str(error)
        finally:
            job.over = True
            self._busy.release()
