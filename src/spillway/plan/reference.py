"""The tables of docs/logs.md and docs/metrics.md that the code already knows.

`make docs` writes them anew between two markers; a test compares the pages with the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from infra.alarms import alarms
from infra.metrics import EVERY_FUNCTION, LOG_METRICS, MEASURED_BY_AWS, LogMetric
from infra.stage import load
from orders.telemetry import FIELDS
from spillway.paths import PROJECT

DOCS = PROJECT / "docs"
#: The stage whose thresholds the table of alarms shows.
STAGE = "prod"

_TABLE = re.compile(r"(<!-- made by make docs: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """The pages with tables that are made from the code."""
    return [DOCS / "logs.md", DOCS / "metrics.md"]


def renewed(text: str) -> str:
    """A page's text with each table between its markers made anew.

    Raises KeyError when a marker names no table.
    """
    tables = _tables()
    return _TABLE.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n\n{found[3]}", text)


def _tables() -> dict[str, str]:
    return {
        "fields": _table(
            ("field", "meaning"), ((f"`{name}`", meaning) for name, meaning in FIELDS.items())
        ),
        "metrics-of-aws": _table(
            ("namespace", "metric", "statistic", "meaning"),
            ((f"`{m.namespace}`", f"`{m.name}`", m.statistic, m.meaning) for m in MEASURED_BY_AWS),
        ),
        "metrics-of-ours": _table(
            ("metric", "statistic", "logged by", "meaning"),
            ((f"`{m.name}`", m.statistic, _functions(m), m.meaning) for m in LOG_METRICS),
        ),
        "alarms": _table(
            ("alarm", "metric", "rings when"),
            (
                (f"[{a.name}]({Path(a.page).relative_to('docs')})", f"`{a.metric.name}`", a.reason)
                for a in alarms(load(STAGE))
            ),
        ),
    }


def _functions(metric: LogMetric) -> str:
    if metric.functions == EVERY_FUNCTION:
        return "all functions"
    return ", ".join(metric.functions)


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, tuple("---" for _ in heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
