"""The meter: what a local stack used between two readings.

It reads the proxy (every call of every function, its size and units), the functions' log groups
(Lambda's REPORT lines and the functions' own lines) and their processes (processor time).

The emulator polls queues and deletes handled messages without passing the proxy. AWS bills these
requests too: `spillway.plan.cost.usage` derives them.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spillway.plan.cost.measurement import QUANTITIES, Calls, FunctionUse
from spillway.run.proxy import Counts
from spillway.run.stack import Stack

_REPORT = re.compile(r"^REPORT RequestId: \S+\tDuration: ([\d.]+) ms")
#: A function's name in its own environment, as infra.constructs.function has it.
_NAME = "AWS_SDK_UA_APP_ID="
_LOG_GROUPS = "/aws/lambda/"
#: What CloudWatch Logs adds to the bytes of each event's text.
LOG_EVENT_BYTES = 26


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one time."""

    at: int
    counts: Counts
    cpu_seconds: Mapping[str, float] | None


def read(stack: Stack, at: int) -> Reading:
    """`at`: Unix milliseconds, by the clock of the functions' logs."""
    return Reading(at, stack.proxy.counts(), _cpu_seconds(stack))


def used(stack: Stack, before: Reading, after: Reading) -> dict[str, FunctionUse]:
    """What each function did between two readings, without any fault in force."""
    calls = _calls(before.counts, after.counts)
    logs = dict(_logs(stack, before.at))
    functions = {}
    for name in sorted({*calls, *logs}):
        lines = logs.get(name, _Lines())
        functions[name] = FunctionUse(
            invocations=lines.reports,
            records=0.0,
            messages=0.0,
            calls=tuple(calls.get(name, ())),
            log_bytes=lines.bytes,
            log_lines=lines.own,
            cpu_seconds=_between(before.cpu_seconds, after.cpu_seconds, name),
            emulated_seconds=lines.seconds,
        )
    return functions


def _calls(before: Counts, after: Counts) -> dict[str, list[Calls]]:
    """By function, what was counted since. A series only ever grows."""
    known = {series.kind: series for series in before.series}
    merged: defaultdict[tuple[str, str, str, str], list[float]] = defaultdict(
        lambda: [0.0] * len(QUANTITIES)
    )
    for series in after.series:
        kind, then = series.kind, known.get(series.kind)
        sums = merged[kind.function or "", kind.service, kind.operation, _short(kind.resource)]
        for column, quantity in enumerate(QUANTITIES):
            sums[column] += getattr(series, quantity) - (getattr(then, quantity) if then else 0)
    calls = defaultdict(list)
    for (function, service, operation, resource), sums in sorted(merged.items()):
        if sums[0]:
            calls[function].append(Calls.of(service, operation, resource, sums))
    return calls


def consumed_units(before: Counts, after: Counts) -> float:
    """The write units that DynamoDB reported as consumed; see `Proxy.ask_consumed`."""
    then, now = (sum(one.consumed_units for one in counts.series) for counts in (before, after))
    return now - then


def _short(resource: str | None) -> str:
    """A table's, queue's or topic's name without the stage's prefix."""
    return (resource or "").removeprefix("spillway-local-").removeprefix("/spillway/local/")


@dataclass(slots=True)
class _Lines:
    """A function's log: REPORT lines of Lambda and what they sum up to, and its own lines."""

    reports: int = 0
    seconds: float = 0.0
    own: int = 0
    bytes: int = 0

    def add(self, text: str) -> None:
        if report := _REPORT.match(text):
            self.reports += 1
            self.seconds += float(report[1]) / 1000
        elif text.startswith("{"):
            self.own += 1
            self.bytes += len(text.encode())


def _logs(stack: Stack, since: int) -> Iterator[tuple[str, _Lines]]:
    logs = stack.client("logs")
    for page in logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=f"{_LOG_GROUPS}spillway-local-"
    ):
        for group in page["logGroups"]:
            name = group["logGroupName"]
            lines = _Lines()
            for event in _events(logs, name, since):
                lines.add(event["message"])
            yield _short(name.removeprefix(_LOG_GROUPS)), lines


def _events(logs: Any, group: str, since: int) -> Iterator[Mapping[str, Any]]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    for page in pages:
        yield from page["events"]


def _cpu_seconds(stack: Stack) -> dict[str, float] | None:
    """Processor time of the functions' processes so far, or None where there is no /proc."""
    if not Path("/proc/self/stat").exists():
        return None
    seconds: defaultdict[str, float] = defaultdict(float)
    for pid in stack.worker_pids():
        name, used = _process(Path(f"/proc/{pid}"))
        if name is not None:
            seconds[name] += used
    return dict(seconds)


def _process(entry: Path) -> tuple[str | None, float]:
    """Which function a process runs, and its user and system time in seconds."""
    try:
        environment = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None, 0.0  # it ended while we looked
    name = next((line[len(_NAME) :] for line in environment if line.startswith(_NAME)), None)
    # Of all fields of proc(5) the first two are before the parenthesis: utime is the 14th.
    ticks = int(fields[11]) + int(fields[12])
    return name, ticks / os.sysconf("SC_CLK_TCK")


def _between(
    before: Mapping[str, float] | None, after: Mapping[str, float] | None, name: str
) -> float | None:
    if before is None or after is None:
        return None
    return after.get(name, 0.0) - before.get(name, 0.0)
