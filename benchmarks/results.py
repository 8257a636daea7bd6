"""All that a run of the benchmarks found, as it is kept and shown."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from benchmarks.bundled import Bundled
from benchmarks.cold_start import ColdStart
from benchmarks.scaling import Scaling
from benchmarks.warm import Counted, Growth, Warm

#: The run that docs/performance.md tells of.
RECORDED = Path(__file__).parents[1] / "docs" / "measured" / "benchmarks.json"


class Bounded(Protocol):
    @property
    def met(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Results:
    """`largest`: by step, what the largest batch allocates, in bytes. `counted` is empty where
    instructions were not asked for."""

    measured: str
    machine: str
    cold_starts: Sequence[ColdStart]
    warm: Sequence[Warm]
    growth: Sequence[Growth]
    counted: Sequence[Counted]
    largest: Mapping[str, int]
    scaling: Sequence[Scaling]
    bundle: Bundled

    @property
    def met(self) -> bool:
        bounded: Sequence[Bounded] = (
            *self.cold_starts,
            *self.growth,
            *self.counted,
            *self.scaling,
            self.bundle,
        )
        return all(one.met for one in bounded)


def machine() -> str:
    """What measured, in a few words."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} processors ({platform.machine()}), {python}"


def today() -> str:
    return time.strftime("%Y-%m-%d")


def write(results: Results, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def recorded() -> Results:
    return msgspec.json.decode(RECORDED.read_bytes(), type=Results)
