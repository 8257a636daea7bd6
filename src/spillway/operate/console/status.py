"""How the service is now: read once for all open pages, and only while one is open.

An open console makes at most so many requests to AWS in an hour (its test_status.py counts them):

- the queues' depths every 15 s: 11 requests to SQS, 2,640 an hour, 0.0011 dollars
- rates, ages and alarms every minute, because CloudWatch has nothing newer: at most 29 requests,
  1,740 an hour; a million a month are free, beyond that they cost 0.0174 dollars

On this machine all of it is read every two seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from orders.domain.saga import DOWNSTREAMS
from spillway.operate.console.asking import ask
from spillway.operate.status.alarms import Alarm, read_alarms
from spillway.operate.status.history import Sample
from spillway.operate.status.parts import Measured, Part, parts_of, read_measured
from spillway.target.reading import read_depths
from spillway.target.service import Service

if TYPE_CHECKING:
    from spillway.run.stack import Stack

PAUSE_SECONDS = 2.0
PAUSE_AWS_SECONDS = 15.0
MEASURED_AWS_SECONDS = 60.0
#: An hour of samples on this machine.
SAMPLES_MAX = 1_800

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Status:
    """`at` is Unix seconds. `faults`: for each downstream the fault settings of its fake that are
    on; None on AWS, which has no fakes."""

    at: float
    parts: Sequence[Part]
    alarms: Sequence[Alarm]
    faults: Mapping[str, Mapping[str, Any]] | None


@dataclass(slots=True)
class StatusReader:
    """Called by one thread at a time, with a pause between. `samples` are the latest readings."""

    service: Service
    stack: Stack | None
    pause_seconds: float
    now: Callable[[], float] = time.time
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))
    _measured: tuple[float, Measured, Sequence[Alarm]] | None = None

    def read(self) -> Status:
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
    """The fault settings that are on."""
    from simulation.downstreams.fault_settings import FaultSettings

    at_rest = FaultSettings().document()
    return {
        name: value
        for name, value in fault_settings.items()
        if value != at_rest[name] and not (value == [] and at_rest[name] == ())
    }


@dataclass(slots=True)
class Shared(Generic[T]):
    """One reading for all pages that ask at about the same time."""

    read: Callable[[], T]
    fresh_seconds: float
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _last: tuple[float, T] | None = None

    async def get(self) -> T:
        async with self._lock:
            if self._last is None or time.monotonic() - self._last[0] >= self.fresh_seconds:
                self._last = (time.monotonic(), await ask(self.read))
            return self._last[1]
