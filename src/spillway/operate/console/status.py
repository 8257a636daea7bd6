"""How the service is now, read for all open pages together, and only while one is open.

What an open console asks of AWS in an hour, at most (its test_status.py counts):

- the queues' depths every 15 s: 11 requests to SQS, 2,640 an hour, 0.0011 dollars
- rates, ages and alarms every minute, as CloudWatch has nothing newer: at most 29 requests, 1,740
  an hour, of which a million a month are free, and else 0.0174 dollars

On this machine all of it is read every two seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from orders.domain.saga import DOWNSTREAMS
from spillway.operate.alarms import Alarm, read_alarms
from spillway.operate.history import Sample
from spillway.operate.parts import Measured, Part, parts_of, read_measured
from spillway.target.options import told_if_silent
from spillway.target.reading import read_depths
from spillway.target.service import Service

if TYPE_CHECKING:
    from spillway.run.stack import Stack

PAUSE_SECONDS = 2.0
PAUSE_AWS_SECONDS = 15.0
MEASURED_AWS_SECONDS = 60.0
#: An hour's, on this machine.
SAMPLES_MAX = 1_800

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Status:
    """`at` is Unix seconds. `faults`: by downstream, the fault settings of its fake that are not at
    rest; None on AWS, where there are none."""

    at: float
    parts: Sequence[Part]
    alarms: Sequence[Alarm]
    faults: Mapping[str, Mapping[str, Any]] | None


@dataclass(slots=True)
class StatusReader:
    """Called by one thread at a time, each time after such a pause. `samples` are what was read so
    far, of the last while."""

    service: Service
    stack: Stack | None
    pause_seconds: float
    now: Callable[[], float] = time.time
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))
    _measured: tuple[float, Measured, Sequence[Alarm]] | None = None

    def read(self) -> Status:
        """Raises SpillwayError where the service does not answer."""
        with told_if_silent():
            at = self.now()
            depths = read_depths(self.service.sqs, self.service.queues)
            if self._measured is None or at - self._measured[0] >= self._measured_for:
                measured = read_measured(self.service, depths, now=at)
                self._measured = (at, measured, read_alarms(self.service))
            _, measured, alarms = self._measured
            parts = parts_of(depths, measured)
            self.samples.append(Sample(at, parts))
            return Status(at, parts, alarms, self._faults())

    @property
    def _measured_for(self) -> float:
        return 0.0 if self.service.emulator is not None else MEASURED_AWS_SECONDS

    def _faults(self) -> Mapping[str, Mapping[str, Any]] | None:
        if self.stack is None:
            return None
        return {name: active(self.stack.fault_settings(name)) for name in DOWNSTREAMS}


def active(fault_settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fault settings that are not at rest."""
    from simulation.downstreams.fault_settings import FaultSettings

    at_rest = FaultSettings().document()
    return {
        name: value
        for name, value in fault_settings.items()
        if value != at_rest[name] and not (value == [] and at_rest[name] == ())
    }


@dataclass(slots=True)
class Shared(Generic[T]):
    """One reading for all who ask at about the same time."""

    read: Callable[[], T]
    fresh_seconds: float
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _last: tuple[float, T] | None = None

    async def get(self) -> T:
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] >= self.fresh_seconds:
                self._last = (time.monotonic(), await run_in_threadpool(self.read))
            return self._last[1]
