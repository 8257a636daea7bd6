"""The meter: what a local stack uses from one moment to another.

It reads the proxy (every call of every function, its size and units), the functions' log groups
(Lambda's REPORT lines and the functions' own lines) and their processes (processor time).

The emulator polls queues and deletes handled messages without passing the proxy. AWS bills these
requests too: `spillway.plan.cost.usage` derives them.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from spillway.plan.cost.measurement import FunctionUse
from spillway.run.proxy import Counts
from spillway.run.stack import Stack

#: A function's name in its own environment, as infra.constructs.function has it.
_NAME = "AWS_SDK_UA_APP_ID="
_LOG_GROUPS = "/aws/lambda/"
_QUANTITIES = ("requests", "entries", "write_units", "read_units", "chunks")
#: What CloudWatch Logs adds to the bytes of each event's text.
LOG_EVENT_BYTES = 26


class Meter:
    """Counts from the moment at which it is made. No fault may be in force."""

    def __init__(self, stack: Stack) -> None:
        stack.proxy.reset()
        stack.proxy.ask_consumed()
        self._stack = stack
        self._began = time.time_ns() // 1_000_000
        self._cpu_seconds = _cpu_seconds(stack)

    def read(self) -> tuple[dict[str, FunctionUse], float]:
        """What each function did, and the write units that DynamoDB reported as consumed; see
        `Proxy.ask_consumed`. Records and messages are not known here."""
        functions: defaultdict[str, FunctionUse] = defaultdict(FunctionUse)
        counts = self._stack.proxy.counts()
        _count_calls(functions, counts)
        self._count_lines(functions)
        for name, seconds in _cpu_seconds(self._stack).items():
            functions[name].cpu_seconds = seconds - self._cpu_seconds.get(name, 0.0)
        self._stack.proxy.reset()
        consumed = sum(series.consumed_units for series in counts.series)
        return {name: functions[name] for name in sorted(functions)}, consumed

    def _count_lines(self, functions: Mapping[str, FunctionUse]) -> None:
        logs = self._stack.client("logs")
        groups = logs.get_paginator("describe_log_groups")
        events = logs.get_paginator("filter_log_events")
        for page in groups.paginate(logGroupNamePrefix=f"{_LOG_GROUPS}spillway-local-"):
            for group in page["logGroups"]:
                name = group["logGroupName"]
                use = functions[_short(name.removeprefix(_LOG_GROUPS))]
                for answer in events.paginate(logGroupName=name, startTime=self._began):
                    for event in answer["events"]:
                        _count_line(use, event["message"])


def _count_line(use: FunctionUse, text: str) -> None:
    if text.startswith("REPORT "):
        use.invocations += 1
    elif text.startswith("{"):
        use.count_line(text)


def _count_calls(functions: Mapping[str, FunctionUse], counts: Counts) -> None:
    for series in counts.series:
        kind = series.kind
        use = functions[kind.function or ""]
        calls = use.calls_of(kind.service, kind.operation, _short(kind.resource))
        for name in _QUANTITIES:
            setattr(calls, name, getattr(calls, name) + getattr(series, name))
    for use in functions.values():
        # So that two measurements can be compared line by line.
        use.calls.sort(key=lambda one: (one.service, one.operation, one.resource))


def _short(resource: str | None) -> str:
    """A table's, queue's or topic's name without the stage's prefix."""
    return (resource or "").removeprefix("spillway-local-").removeprefix("/spillway/local/")


def _cpu_seconds(stack: Stack) -> Mapping[str, float]:
    """Processor time of the functions' processes so far; empty where there is no /proc."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for pid in stack.worker_pids():
        entry = Path(f"/proc/{pid}")
        try:
            environment = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended while we looked
        name = next((line[len(_NAME) :] for line in environment if line.startswith(_NAME)), None)
        if name is not None:
            # Of all fields of proc(5) two are before the parenthesis: utime is the 14th.
            seconds[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds
