"""Instructions of one warm order, counted by callgrind: the same on however noisy a machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product

import pytest

from benchmarks.conftest import Figures
from benchmarks.handlers import RETAIL_LINES, STEPS, WHOLESALE_LINES
from orders.domain.refusals import LINES_MAX
from spillway.paths import PROJECT
from tests.builders import CHANNELS

TITLE = "Instructions of one warm order, our code alone"
LINES = (RETAIL_LINES, WHOLESALE_LINES, LINES_MAX)
GROWTH_MAX = 1.3


def test_the_last_lines_cost_what_the_first_ones_do(figures: Figures) -> None:
    if shutil.which("valgrind") is None:
        pytest.fail("Instructions are counted by valgrind: install it, as with apt.")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        orders = [*product(STEPS, LINES)]
        counted = dict(zip(orders, pool.map(_instructions, orders), strict=True))
    for step in STEPS:
        counts = [counted[step, lines] for lines in LINES]
        first, last = (
            (more - less) / (many - few)
            for (few, many), (less, more) in zip(pairwise(LINES), pairwise(counts), strict=True)
        )
        figures[TITLE][step] = {
            **{f"{lines:,} lines": count for lines, count in zip(LINES, counts, strict=True)},
            "a line to 1,114": round(first),
            "a line to 2,000": round(last),
            "ratio": round(last / first, 3),
            "at most": GROWTH_MAX,
        }
    assert all(row["ratio"] <= GROWTH_MAX for row in figures[TITLE].values())


PRICING = "Instructions of pricing an order, to those of validating it"
PRICED_LINES = (500, 2_000)
PRICING_MAX = 2.0


def test_pricing_costs_at_most_twice_what_validating_does(figures: Figures) -> None:
    rows = [*product(CHANNELS, ("validate", "price", "price cold"), PRICED_LINES)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        orders = [(f"{part}:{channel}", lines) for channel, part, lines in rows]
        counted = dict(zip(rows, pool.map(_instructions, orders), strict=True))
    few, many = PRICED_LINES
    for channel in CHANNELS:
        validated, warm = (counted[channel, part, many] for part in ("validate", "price"))
        figures[PRICING][channel] = {
            f"validated, {many:,} lines": validated,
            f"priced, {many:,} lines": warm,
            "ratio": round(warm / validated, 3),
            "ratio at most": PRICING_MAX,
            "the first time": round(counted[channel, "price cold", many] / validated, 3),
            f"a line of {many:,}, of {few}": round(
                warm / many / (counted[channel, "price", few] / few), 3
            ),
            "at most": GROWTH_MAX,
        }
    assert all(row["ratio"] <= PRICING_MAX for row in figures[PRICING].values())
    growth = f"a line of {many:,}, of {few}"
    assert all(row[growth] <= GROWTH_MAX for row in figures[PRICING].values())


def _instructions(order: tuple[str, int]) -> int:
    """Of one order: what so many more of them add, so that starting up does not count."""
    step, lines = order
    few = 5
    many = few + max(20, 2_000 // lines)
    less, more = (_collected(step, lines, times) for times in (few, many))
    return (more - less) // (many - few)


def _collected(step: str, lines: int, times: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    done = subprocess.run(  # noqa: S603 -- the command is ours
        [*command, "-m", "benchmarks.handlers", step, str(lines), str(times)],
        check=True,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"},
    )
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"callgrind counted nothing: {done.stderr[-500:]}")
    return int(found[1])
