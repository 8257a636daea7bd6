"""What must not grow with the rest, each at several sizes in one run: processor time and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from benchmarks.conftest import Figures
from benchmarks.scaling import Point, audited, coupons_audited, history_page, relayed, whole_history

TITLE = "Growth"
#: A unit at the largest size may cost so many times what it costs at the smallest.
RATIO_MAX = 1.3
#: So much more memory is the interpreter's own pools. What is kept of ten thousand orders or
#: records would be megabytes.
POOLS_BYTES_MAX = 100_000


@pytest.mark.parametrize(
    ("what", "unit", "sizes", "measure"),
    [
        ("a history's first page", "a page", (100, 1_000, 10_000), history_page),
        ("a history's every page", "an order", (1_000, 10_000), whole_history),
        ("relay", "a record", (1_000, 10_000), relayed),
        ("audit", "an order", (30_000, 100_000), audited),
        ("audit of coupons", "an order", (100_000, 300_000), coupons_audited),
    ],
)
def test_growth(
    figures: Figures, what: str, unit: str, sizes: Sequence[int], measure: Callable[[int], Point]
) -> None:
    points = [measure(size) for size in sizes]
    for point in points:
        row = figures[TITLE][f"{what}, {point.size:,}: {unit}"]
        row["CPU, µs"] = round(point.seconds * 1e6, 1)
        if point.items is not None:
            row["items read"] = round(point.items, 2)
        row["memory, MB"] = round(point.memory / 1e6, 2)
    first, last = points[0], points[-1]
    row |= {
        "time": round(last.seconds / first.seconds, 3),
        "memory": round(last.memory / first.memory, 3),
        "at most": RATIO_MAX,
    }
    assert last.seconds / first.seconds <= RATIO_MAX
    assert last.memory <= max(first.memory * RATIO_MAX, first.memory + POOLS_BYTES_MAX)
