"""What an order costs once everything is warm."""

from __future__ import annotations

import time
from timeit import repeat
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Figures
from benchmarks.handlers import RETAIL_LINES, STEPS, WHOLESALE_LINES, largest_batch, work_of

TITLE = "One warm order, our code alone"
#: A line of the larger order may cost so many times what a line of the smaller one costs.
GROWTH_LINES = (500, 2_000)
GROWTH_MAX = 1.3


@pytest.mark.benchmark(group=TITLE, timer=time.process_time)
@pytest.mark.parametrize("lines", [RETAIL_LINES, WHOLESALE_LINES])
@pytest.mark.parametrize("step", STEPS)
def test_a_warm_order(benchmark: BenchmarkFixture, figures: Figures, step: str, lines: int) -> None:
    benchmark(work_of(step, lines))
    measured: Any = benchmark.stats
    # Noise only ever adds.
    figures[TITLE][step][f"{lines:,} lines, µs"] = round(measured.stats.min * 1e6, 1)


@pytest.mark.parametrize("step", STEPS)
def test_the_lines_of_a_large_order_cost_no_more(figures: Figures, step: str) -> None:
    few, many = (_seconds(step, lines) / lines for lines in GROWTH_LINES)
    row = figures[TITLE][step]
    row["a line of 2,000, of 500"], row["at most"] = round(many / few, 3), GROWTH_MAX
    assert many / few <= GROWTH_MAX


@pytest.mark.parametrize("step", STEPS)
def test_the_largest_batch(figures: Figures, step: str) -> None:
    figures[TITLE][step]["largest batch, MB"] = round(largest_batch(step) / 1e6, 1)


def _seconds(step: str, lines: int) -> float:
    """Processor time of one order: the least of five repeats."""
    times = 20
    return min(repeat(work_of(step, lines), timer=time.process_time, number=times)) / times
