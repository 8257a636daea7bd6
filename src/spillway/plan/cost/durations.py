"""How long Lambda would bill a batch: the processor time that was measured, and the calls it waits
for.

An emulated duration is not AWS's: here everything shares one machine without a network. The
processor time of the functions' own processes (the real SDK and handlers) and the number of calls
carry over. `calibration.toml` has the rest, with sources: how long AWS's services take to answer
and how its processors compare with this one. Estimates are marked as such.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from orders.wiring import CONCURRENT_MAX
from spillway.plan.cost.measurement import FunctionUse, Measurement
from spillway.plan.work import Work

_FILE = Path(__file__).parent / "calibration.toml"
#: Works on the records of a batch side by side.
_CONCURRENT = "deliver-"


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    value: float
    source: str
    confirmed: bool = True


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    full_processor_mb: Figure
    processor_ratio: Figure
    dynamodb_seconds: Figure
    sqs_seconds: Figure
    sns_seconds: Figure
    downstream_seconds: Figure
    init_seconds: Figure
    parameter_fresh_seconds: Figure

    def wait_seconds(self, service: str) -> float:
        """How long a call of an AWS service takes; of parameters 0, which are read rarely."""
        figure = getattr(self, f"{service}_seconds", None)
        return figure.value if isinstance(figure, Figure) else 0.0


@cache
def calibration() -> Calibration:
    return msgspec.convert(tomllib.loads(_FILE.read_text()), Calibration)


@dataclass(frozen=True, slots=True)
class Processor:
    """Processor seconds of a function: for a batch, and for each of its records."""

    fixed: float
    per_record: float


def processor_times(one_by_one: Measurement, crowd: Measurement) -> Mapping[str, Processor]:
    """Derived from two measured loads with batches of different sizes.

    A process's clock ticks only a hundred times a second, so short runs are inexact: a part that
    comes out negative counts as zero.
    """
    times = {}
    for name, full in crowd.functions.items():
        single = one_by_one.functions[name]
        if not full.invocations or not full.cpu_seconds:
            continue
        per_batch = full.cpu_seconds / full.invocations
        records = full.records / full.invocations
        per_record = per_batch / records
        fixed = 0.0
        if single.invocations and single.cpu_seconds and records > 1.5:
            alone = single.cpu_seconds / single.invocations
            alone_records = single.records / single.invocations
            slope = (per_batch - alone) / (records - alone_records)
            per_record = min(max(slope, 0.0), per_record)
            fixed = per_batch - per_record * records
        times[name] = Processor(fixed, per_record)
    return times


def work(
    name: str,
    use: FunctionUse,
    processor: Processor,
    memory_mb: float,
    figures: Calibration,
) -> Work:
    """How long a function takes for a batch at this much memory. Exact for batches as full as those
    of `use`: it waits for their calls.

    With less memory than a whole processor comes with, the same instructions take longer.
    """
    slower = figures.processor_ratio.value * max(1.0, figures.full_processor_mb.value / memory_mb)
    fixed, per_record = processor.fixed * slower, processor.per_record * slower
    waits = waited_seconds(use, figures)
    if name.startswith(_CONCURRENT):
        # Each delivery waits for its downstream and its own calls, some deliveries at a time.
        wait = figures.downstream_seconds.value + waits / use.records
        return Work(fixed, per_record, wait, CONCURRENT_MAX)
    batches = use.records / use.invocations
    return Work(fixed, per_record + waits / use.invocations / batches)


def waited_seconds(use: FunctionUse, figures: Calibration) -> float:
    """How long all of a function's calls take, one after the other."""
    return sum(calls.requests * figures.wait_seconds(calls.service) for calls in use.calls)
