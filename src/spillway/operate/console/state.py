"""What all pages of the console share: the service, one reading of it, and work under way.

The service is read once for all open pages, and only while one is open. An open console makes at
most so many requests to AWS in an hour (test_state.py counts them):

- the queues' depths every 15 s: 11 requests to SQS, 2,640 an hour, 0.0011 dollars
- rates, ages and alarms every minute, because CloudWatch has nothing newer: at most 29 requests,
  1,740 an hour; a million a month are free, beyond that they cost 0.0174 dollars
- with them the triggers' states: 60 requests to Lambda an hour, which are free
- with them, for each downstream that messages are held for, what its deliveries logged: at most 720
  requests to CloudWatch Logs an hour, which are free

- where downstreams tell what they decide later: for each two requests more to SQS every 15 s, and
  one to CloudWatch every minute; for all of them two more

What is read of coupons, `campaigns` says. On this machine all of it is read every two seconds.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orders.domain.saga import DOWNSTREAMS
from spillway.operate.console import campaigns
from spillway.operate.console.campaigns import CampaignReader
from spillway.operate.console.faults import fault_labels
from spillway.operate.console.redriving import Redriving
from spillway.operate.console.searches import Searches
from spillway.operate.console.traffic import Traffic
from spillway.operate.status.alarms import read_alarms
from spillway.operate.status.parts import Measured, parts_of, read_measured
from spillway.operate.status.state import Status, status_of
from spillway.target.reading import read_depths
from spillway.target.service import Service

if TYPE_CHECKING:
    from spillway.run.stack import Stack

PAUSE_SECONDS = 2.0
PAUSE_AWS_SECONDS = 15.0
MEASURED_AWS_SECONDS = 60.0
#: An hour of samples on this machine.
SAMPLES_MAX = 1_800


@dataclass(slots=True)
class StatusReader:
    """One reading for all pages that ask at about the same time.

    An open page asks again after `pause_seconds`. `samples` are the latest readings.
    """

    service: Service
    stack: Stack | None
    pause_seconds: float
    now: Callable[[], float] = time.time
    samples: deque[Status] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))
    #: What changes only once a minute on AWS: the figures, and the status that they were first in.
    _measured: tuple[Measured, Status] | None = None
    _last: tuple[float, Status] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def latest(self) -> Status:
        # Slightly shorter than the pause, or a page would get every reading twice.
        fresh_seconds = self.pause_seconds * 0.9
        with self._lock:
            if self._last is None or time.monotonic() - self._last[0] >= fresh_seconds:
                self._last = (time.monotonic(), self.read())
            return self._last[1]

    def expire(self) -> None:
        """The next page gets a new reading: somebody asked what is there now."""
        with self._lock:
            self._last = None

    def read(self) -> Status:
        """Called by one thread at a time."""
        at = self.now()
        depths = read_depths(self.service.sqs, self.service.queues)
        measured_for = 0.0 if self.service.emulator is not None else MEASURED_AWS_SECONDS
        if self._measured is None or at - self._measured[1].at >= measured_for:
            measured = read_measured(self.service, depths, at)
            parts, alarms = parts_of(depths, measured), read_alarms(self.service)
            before = None if self._measured is None else self._measured[1]
            self._measured = (measured, status_of(self.service, at, parts, alarms, before))
        measured, status = self._measured
        faults: dict[str, list[str]] | None = None
        if self.stack is not None:
            faults = {name: fault_labels(self.stack.fault_settings(name)) for name in DOWNSTREAMS}
        now = replace(status, at=at, parts=parts_of(depths, measured), faults=faults)
        self.samples.append(now)
        return now


@dataclass(slots=True)
class AppState:
    """`stack` and `traffic` are None on AWS. Every form carries `token`."""

    service: Service
    stack: Stack | None
    reader: StatusReader
    redriving: Redriving
    traffic: Traffic | None
    campaigns: CampaignReader
    searches: Searches
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def is_local(self) -> bool:
        return self.stack is not None


def state_of(service: Service, stack: Stack | None, pause_seconds: float | None = None) -> AppState:
    """An open page reads again after `pause_seconds`, which depends on the service by default."""
    pause = pause_seconds or (PAUSE_AWS_SECONDS if service.emulator is None else PAUSE_SECONDS)
    traffic = None if stack is None else Traffic(stack)
    reader = StatusReader(service, stack, pause)
    rest = max(pause, campaigns.PAUSE_AWS_SECONDS) if service.emulator is None else pause
    return AppState(
        service,
        stack,
        reader,
        Redriving(service),
        traffic,
        CampaignReader(service, rest),
        Searches(service, pause),
    )
