"""`make bench`: pytest-benchmark measures; the figures that tests compare are printed and kept."""

from __future__ import annotations

import json
import os
import platform
import time
from collections import defaultdict

import pytest

from spillway.plan.docs import BENCHMARKS, figures_table

#: By the table's title and the row's name: each column's figure.
Figures = defaultdict[str, defaultdict[str, dict[str, float]]]

_FIGURES: Figures = defaultdict(lambda: defaultdict(dict))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--instructions", action="store_true", help="Only count instructions.")
    parser.addoption("--express", action="store_true", help="Only compare the express path.")
    parser.addoption("--record", action="store_true", help="Keep the figures in docs/measured.")
    parser.addoption("--rounds", type=int, default=11, help="Starts of each process.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Instructions need valgrind, and the express path is measured by the clock: each only when
    asked for, alone."""
    alone = {f"test_{name}": bool(config.getoption(name)) for name in ("instructions", "express")}
    wanted = {stem for stem, asked in alone.items() if asked}
    kept = [
        item
        for item in items
        if item.path.stem in wanted or (not wanted and item.path.stem not in alone)
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture
def figures() -> Figures:
    return _FIGURES


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    from rich.console import Console

    console = Console()
    for title, rows in _FIGURES.items():
        console.print(figures_table(title, rows).panel())
    if config.getoption("--record") and exitstatus == 0:
        kept = json.loads(BENCHMARKS.read_text())["figures"]
        python = f"{platform.python_implementation()} {platform.python_version()}"
        machine = f"{os.cpu_count()} processors ({platform.machine()}), {python}"
        run = {"measured": time.strftime("%Y-%m-%d"), "machine": machine}
        content = json.dumps({**run, "figures": kept | _FIGURES}, indent=2, ensure_ascii=False)
        BENCHMARKS.write_text(content + "\n")
        terminalreporter.write_line("Kept. `make docs` renews docs/performance.md.")
