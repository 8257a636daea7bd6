"""docs/logs.md and docs/metrics.md say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from infra.alarms import alarms
from infra.metrics import EVERY_FUNCTION, MEASURED_BY_AWS, TOLD_BY_LOGS
from infra.stage import load
from orders.telemetry import FIELDS

DOCS = Path(__file__).parents[2] / "docs"
SOURCE = Path(__file__).parents[2] / "src" / "orders"
LOGS, METRICS = (DOCS / "logs.md").read_text(), (DOCS / "metrics.md").read_text()


def section(page: str, title: str) -> str:
    return page.split(f"## {title}\n")[1].split("\n## ")[0]


def test_each_field_has_its_row_in_the_code_s_order_and_words() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section(LOGS, "Fields"), re.MULTILINE)
    assert dict(rows) == dict(FIELDS)
    assert [name for name, _ in rows] == list(FIELDS)


def test_each_outcome_that_is_logged_has_its_row() -> None:
    explained = {
        outcome
        for row in re.findall(r"^\| [\w, ]+ \| (`.+?) \| .+ \|$", section(LOGS, "Outcomes"), re.M)
        for outcome in re.findall(r"`(\w+)`", row)
    }
    written = set()
    for file in ("flow/desk.py", *(f"handlers/{step}.py" for step in ("intake", "drain", "relay"))):
        text = (SOURCE / file).read_text()
        written |= set(re.findall(r'(?:outcome = |return |parts\.log\(\s*"\w+", )"(\w+)"', text))
        written |= set(re.findall(r'\(2\d\d, "(\w+)"\)', text))
    assert {"accepted", "buffered", "postponed", "bug", "unavailable"} <= written
    assert written - {"drain", "relay", "placed", "there"} <= explained


def test_each_metric_has_its_row() -> None:
    by_aws = re.findall(
        r"^\| `([\w/]+)` \| `(\w+)` \| (\w+) \| (.+) \|$",
        section(METRICS, "Measured by AWS, for nothing"),
        re.MULTILINE,
    )
    assert by_aws == [(m.namespace, m.name, m.statistic, m.meaning) for m in MEASURED_BY_AWS]
    own = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([\w, -]+) \| (.+) \|$",
        section(METRICS, "Told by the logs"),
        re.MULTILINE,
    )
    assert own == [
        (
            metric.name,
            metric.statistic,
            "all" if metric.functions == EVERY_FUNCTION else ", ".join(metric.functions),
            metric.meaning,
        )
        for metric in TOLD_BY_LOGS
    ]


def test_each_alarm_has_its_row_with_its_metric_and_reason() -> None:
    rows = re.findall(
        r"^\| \[([\w-]+)\]\(runbook/[\w-]+\.md\) \| `(\w+)` \| (.+) \|$", METRICS, re.MULTILINE
    )
    assert rows == [(a.name, a.metric.name, a.reason) for a in alarms(load("dev"))]
