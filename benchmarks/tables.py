"""Results as rows of text, for the terminal and for docs/performance.md alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from benchmarks import cold_start, warm
from benchmarks.bundled import ZIPPED_MAX, Bundled
from benchmarks.cold_start import ColdStart
from benchmarks.results import Results
from benchmarks.scaling import RATIO_MAX, Scaling
from benchmarks.warm import Counted, Warm
from orders.domain.refusals import LINES_MAX

#: The head first.
Rows = Sequence[Sequence[str]]

COLD = f"Cold start, against {cold_start.FLOOR}"
WARM = "One warm order, our code alone"
PARTS = "Where a warm order's time goes"
COUNTED = "Instructions of one warm order, our code alone"
SCALING = "What must not grow with the rest"
BUNDLE = "The bundle"


def tables(results: Results) -> Iterator[tuple[str, Rows]]:
    """Each with its title."""
    if results.cold_starts:
        yield COLD, cold_starts(results.cold_starts)
        yield WARM, warm_orders(results)
        yield PARTS, parts(results.warm)
    if results.counted:
        yield COUNTED, instructions(results.counted)
    if results.scaling:
        yield SCALING, scalings(results.scaling)
    if results.bundle is not None:
        yield BUNDLE, bundle(results.bundle)


def cold_starts(found: Sequence[ColdStart]) -> Rows:
    head = ("process", "CPU, ms", "ratio", "by the clock", "at most", "memory, MB")
    return [
        head,
        *(
            (
                cold.name,
                f"{cold.cpu * 1000:.0f}",
                f"{cold.ratio:.2f}",
                f"{cold.wall_ratio:.2f}",
                "" if cold.bound is None else f"{cold.bound:.1f}",
                _mb(cold.memory),
            )
            for cold in found
        ),
    ]


def warm_orders(results: Results) -> Rows:
    """An order of each size, how a line's cost grows, and what the largest batch needs."""
    few, many = warm.GROWTH_LINES
    head = (
        "step",
        *(f"{lines:,} lines, µs" for lines in warm.LINES),
        f"a line of {many:,}, of {few:,}",
        "at most",
        f"largest batch of {LINES_MAX:,} lines, MB",
    )
    return [
        head,
        *(
            (
                growth.step,
                *(f"{one.microseconds:,.0f}" for one in results.warm if one.step == growth.step),
                f"{growth.ratio:.2f}",
                f"{warm.GROWTH_MAX}",
                _mb(results.largest[growth.step]),
            )
            for growth in results.growth
        ),
    ]


def parts(found: Sequence[Warm]) -> Rows:
    head = ("step", "lines", "dearest", "second", "third")
    return [
        head,
        *(
            (one.step, f"{one.lines:,}", *(f"{name} {share:.0%}" for name, share in one.parts))
            for one in found
        ),
    ]


def instructions(found: Sequence[Counted]) -> Rows:
    sizes = [f"{lines:,}" for lines in warm.COUNTED_LINES]
    head = (
        "step",
        *(f"{size} lines" for size in sizes),
        *(f"a line, {few} to {many}" for few, many in pairwise(sizes)),
        "ratio",
        "at most",
    )
    return [
        head,
        *(
            (
                counted.step,
                *(f"{count:,}" for count in counted.instructions),
                *(f"{count:,.0f}" for count in counted.per_line),
                f"{counted.ratio:.2f}",
                f"{warm.GROWTH_MAX}",
            )
            for counted in found
        ),
    ]


def scalings(found: Sequence[Scaling]) -> Rows:
    head = ("what", "size", "CPU, µs", "items read", "peak memory, MB", "time", "memory", "at most")
    return [head, *(row for scaling in found for row in _scaling(scaling))]


def _scaling(found: Scaling) -> Iterator[Sequence[str]]:
    """A row for each size, the ratios in the last."""
    for point in found.points:
        ratios: tuple[str, ...] = ("", "", "")
        if point is found.points[-1]:
            ratios = (f"{found.time_ratio:.2f}", f"{found.memory_ratio:.2f}", f"{RATIO_MAX}")
        yield (
            f"{found.what}, {found.unit}" if point is found.points[0] else "",
            f"{point.size:,}",
            f"{point.seconds * 1e6:,.0f}",
            "" if point.items is None else f"{point.items:.2f}",
            _mb(point.memory),
            *ratios,
        )


def bundle(found: Bundled) -> Rows:
    return [
        ("what", "zipped, KB"),
        *((name, f"{size / 1000:,.0f}") for name, size in found.parts if size >= 10_000),
        (f"all of it (at most {ZIPPED_MAX / 1000:,.0f})", f"{found.zipped / 1000:,.0f}"),
    ]


def _mb(count: float) -> str:
    return f"{count / 1e6:,.1f}"
