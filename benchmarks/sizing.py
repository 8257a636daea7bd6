"""What each function costs at each size of memory, and how long it then takes.

Lambda gives a function a share of a processor in proportion to its memory, a whole one at 1,769 MB:
with more memory it computes faster, and waits at a higher price. How long it computes is measured
(`spillway cost`, the real SDK on the emulator). How long AWS takes to answer is an estimate, with
its source in src/spillway/plan/cost/calibration.toml.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spillway.plan.cost.durations import work
from spillway.plan.cost.loads import CROWD, TRICKLE, Fills
from spillway.plan.cost.measurement import FunctionUse
from spillway.plan.cost.reckoning import MILLION, Reckoning
from spillway.plan.cost.usage import billed, rebatched
from spillway.plan.prices import Usage, Use, priced

MEMORIES_MB = (128, 256, 512, 1024, 1769)


@dataclass(frozen=True, slots=True)
class Size:
    """A function with so much memory: `seconds` that a full batch takes, and the dollars of its
    time for a million orders (looks at an order, for reads), in a crowd and one by one."""

    memory_mb: float
    seconds: float
    crowd: float
    one_by_one: float


@dataclass(frozen=True, slots=True)
class Sized:
    """A full batch of `records` takes `processor` seconds of a whole processor, and waits for
    `waits` seconds. `sizes` has one for each of `MEMORIES_MB`."""

    function: str
    records: float
    processor: float
    waits: float
    chosen_mb: float
    sizes: Sequence[Size]


def sized(ours: Reckoning) -> list[Sized]:
    """Every function that was measured."""
    return [_sized(ours, name) for name in ours.measurement.functions if name in ours.processor]


def _sized(ours: Reckoning, name: str) -> Sized:
    full = _use(ours, name, CROWD)
    records = full.records / full.invocations
    took = ours.processor[name]
    processor = (took.fixed + took.per_record * records) * ours.figures.processor_ratio.value
    whole = _seconds(ours, name, full, ours.figures.full_processor_mb.value)
    return Sized(
        name,
        records,
        processor,
        whole - processor,
        ours.settings.memory_mb[name],
        [
            Size(
                memory,
                _seconds(ours, name, full, memory),
                _dollars(ours, name, CROWD, memory),
                _dollars(ours, name, TRICKLE, memory),
            )
            for memory in MEMORIES_MB
        ],
    )


def _use(ours: Reckoning, name: str, fills: Fills) -> FunctionUse:
    return rebatched(ours.measurement, fills, ours.settings.packing).functions[name]


def _seconds(ours: Reckoning, name: str, use: FunctionUse, memory_mb: float) -> float:
    takes = work(name, use, ours.processor[name], memory_mb, ours.figures)
    return takes.seconds(use.records / use.invocations)


def _dollars(ours: Reckoning, name: str, fills: Fills, memory_mb: float) -> float:
    use = _use(ours, name, fills)
    # Reads were counted by looks, of which there were fewer than orders.
    each = use.records if name == "reads" else ours.measurement.orders
    seconds = billed(_seconds(ours, name, use, memory_mb)) * use.invocations / each * MILLION
    time = Use(name, "lambda.gb_seconds", seconds * memory_mb / 1024)
    return priced(Usage((time,)), ours.book).dollars
