"""A cold start: a fresh process that imports a function and makes its first clients.

What Lambda adds (the machine, the runtime, fetching the code) is the same for everybody and can't
be measured here. Bytecode is compiled ahead on both sides, as it is when deployed.
"""

from __future__ import annotations

import os
import site
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.surroundings import bundled, environments

FLOOR = "boto3, DynamoDB client"
_FLOOR = """
import sys; sys.path.insert(0, {libraries!r})
import boto3; boto3.client("dynamodb", region_name="eu-west-1")
"""
#: Function to how many times the floor it may take.
BOUNDS = {
    "intake": 1.2,
    "reads": 1.2,
    "drain": 1.3,
    "relay": 1.3,
    "deliver-inventory": 1.3,
    "watchdog": 1.3,
}


@dataclass(frozen=True, slots=True)
class Start:
    """One process. `wall` and `cpu` in seconds."""

    wall: float
    cpu: float


# Not rusage's figure: that begins with the parent's.
_PEAK = """
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM:"))
print(int(peak.split()[1]) * 1024)
"""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Medians, in seconds. `ratio` is to the floor by CPU time, the median over the rounds, which
    a noisy neighbour disturbs least; `wall_ratio` the same by the clock. `memory`: its largest
    resident set, in bytes."""

    name: str
    wall: float
    cpu: float
    ratio: float
    wall_ratio: float
    memory: int
    bound: float | None

    @property
    def met(self) -> bool:
        return self.bound is None or self.ratio <= self.bound


def measure(rounds: int, on_start: Callable[[], None]) -> Sequence[ColdStart]:
    """Every round starts each process once, so that all meet the same noise."""
    programs = _programs()
    starts: dict[str, list[Start]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, (code, environment) in programs.items():
            starts[name].append(_start(code, environment))
            on_start()
    floor = starts[FLOOR]
    return [_result(name, found, floor, _memory(*programs[name])) for name, found in starts.items()]


def processes() -> int:
    """How many a round starts."""
    return len(_programs())


def _result(name: str, found: Sequence[Start], floor: Sequence[Start], memory: int) -> ColdStart:
    return ColdStart(
        name,
        wall=statistics.median(start.wall for start in found),
        cpu=statistics.median(start.cpu for start in found),
        ratio=statistics.median(
            start.cpu / least.cpu for start, least in zip(found, floor, strict=True)
        ),
        wall_ratio=statistics.median(
            start.wall / least.wall for start, least in zip(found, floor, strict=True)
        ),
        memory=memory,
        bound=BOUNDS.get(name),
    )


def _programs() -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Code and environment by name. The functions see their bundle and nothing else."""
    libraries = site.getsitepackages()[0]
    found: dict[str, tuple[str, Mapping[str, str]]] = {
        "Python": ("pass", {}),
        FLOOR: (_FLOOR.format(libraries=libraries), {}),
    }
    for name in BOUNDS:
        step = name.partition("-")[0]
        code = (
            f"import sys; sys.path.insert(0, {str(bundled())!r})\n"
            f"from orders.handlers import {step}\n"
            f"from orders import wiring; wiring.{step}()"
        )
        found[name] = (code, environments()[name])
    return found


#: Nothing of this machine's own libraries or settings.
_PYTHON = (sys.executable, "-I", "-S", "-c")


def _memory(code: str, environment: Mapping[str, str]) -> int:
    done = subprocess.run(  # noqa: S603 - the command is ours
        [*_PYTHON, code + _PEAK], check=True, capture_output=True, text=True, env=environment
    )
    return int(done.stdout)


def _start(code: str, environment: Mapping[str, str]) -> Start:
    began = time.perf_counter()
    pid = os.posix_spawn(sys.executable, [*_PYTHON, code], environment)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise RuntimeError(f"A cold start failed with {os.waitstatus_to_exitcode(status)}.")
    return Start(wall, used.ru_utime + used.ru_stime)
