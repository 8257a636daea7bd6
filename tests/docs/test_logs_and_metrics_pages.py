"""docs/logs.md and docs/metrics.md say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from infra.alarms import alarms
from infra.metrics import LOG_METRICS, MEASURED_BY_AWS
from infra.stage import load
from orders.telemetry import FIELDS
from spillway.plan import docs

DOCS = Path(__file__).parents[2] / "docs"
SOURCE = Path(__file__).parents[2] / "src" / "orders"
LOGS, METRICS = (DOCS / "logs.md").read_text(), (DOCS / "metrics.md").read_text()


def section(page: str, title: str) -> str:
    return page.split(f"## {title}\n")[1].split("\n## ")[0]


def test_each_table_is_as_the_code_has_it() -> None:
    """When it is not: `make docs`."""
    assert docs.logs_page() == LOGS
    assert docs.metrics_page() == METRICS


def test_each_field_metric_and_alarm_is_in_a_table() -> None:
    for field in FIELDS:
        assert f"| `{field}` |" in LOGS
    for metric in (*MEASURED_BY_AWS, *LOG_METRICS):
        assert f"| `{metric.name}` |" in METRICS
    for alarm in alarms(load("prod")):
        assert f"| [{alarm.name}](runbook/" in METRICS


def test_each_outcome_that_is_logged_has_its_row() -> None:
    explained = {
        outcome
        for row in re.findall(r"^\| [\w, ]+ \| (`.+?) \| .+ \|$", section(LOGS, "Outcomes"), re.M)
        for outcome in re.findall(r"`(\w+)`", row)
    }
    written = set()
    for file in (*SOURCE.glob("flow/*.py"), *SOURCE.glob("handlers/*.py")):
        text = file.read_text()
        written |= set(re.findall(r'(?:return |Checked\(|Result\(|_retry\(\w+, )"(\w+)"', text))
        written |= set(re.findall(r'(?:parts\.log\(\s*"\w+", |outcome, \w+ = )"(\w+)"', text))
        written |= set(re.findall(r'\(2\d\d, "(\w+)"[,)]', text))
    assert {"accepted", "buffered", "postponed", "stuck", "bug", "unavailable"} <= written
    # What has settled by the time of its check is not logged.
    assert written - {"settled"} <= explained
