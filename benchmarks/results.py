"""All that a run of the benchmarks found, as it is kept and shown."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """Empty where it was not measured. `largest`: by step, what the largest batch allocates, in
    bytes."""

    measured: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))
    machine: str = field(default_factory=lambda: _machine())
    cold_starts: Sequence[ColdStart] = ()
    warm: Sequence[Warm] = ()
    growth: Sequence[Growth] = ()
    counted: Sequence[Counted] = ()
    largest: Mapping[str, int] = field(default_factory=dict)
    scaling: Sequence[Scaling] = ()
    bundle: Bundled | None = None

    @property
    def met(self) -> bool:
        bounded: Sequence[Bounded] = (
            *self.cold_starts,
            *self.growth,
            *self.counted,
            *self.scaling,
            *([self.bundle] if self.bundle else ()),
        )
        return all(one.met for one in bounded)


def _machine() -> str:
    """What measured, in a few words."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} processors ({platform.machine()}), {python}"


def write(results: Results, path: Path) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def record(results: Results) -> None:
    """Keep these; instructions and all the rest are measured apart, and kept from their own run."""
    if RECORDED.exists():
        before = recorded()
        if results.counted:
            results = replace(before, counted=results.counted)
        else:
            results = replace(results, counted=before.counted)
    write(results, RECORDED)


def recorded() -> Results:
    return msgspec.json.decode(RECORDED.read_bytes(), type=Results)
