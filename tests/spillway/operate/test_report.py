"""What an operator sees of the path, of the promises and of a stuck order."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from orders.domain.order import OrderKey
from orders.domain.saga import Facts, Outcome, Step
from spillway.operate.alarms import Alarm
from spillway.operate.logs import Line, Read
from spillway.operate.orders import Life
from spillway.operate.parts import Part
from spillway.operate.report import life_view, status_view
from spillway.target.records import Depth, Record, Size
from spillway.ui.formatting import age
from tests.builders import CUSTOMER, NOW, order_id


def shown(view: Any) -> str:
    terminal = StringIO()
    Console(width=80, file=terminal).print(view)
    return terminal.getvalue()


def part(errors: int | None, dead_letters: int = 0) -> Part:
    return Part("deliver-accounting", Depth("accounting", 3, 1, 0), 75, dead_letters, 12, errors)


def test_errors_are_shown_where_somebody_counts_them() -> None:
    assert "errors" not in shown(status_view("local", [part(None)], [], ""))
    assert "errors" in shown(status_view("dev", [part(2)], [], ""))


def test_an_alarm_that_rings_leads_to_its_page() -> None:
    ringing = Alarm("accounting-dead-letters", "ALARM", None, "", "", None)
    told = shown(status_view("dev", [part(0, dead_letters=1)], [ringing], ""))
    assert "docs/runbook/dead-letters.md" in told
    quiet = shown(status_view("dev", [part(0, dead_letters=1)], [], " --stage dev"))
    assert "spillway redrive --dry-run --stage dev" in quiet


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("postponed", "tried again by itself"),
        ("set_aside", "spillway redrive accounting --port 9000"),
    ],
)
def test_a_stuck_order_says_what_happens_next(outcome: str, told: str) -> None:
    key = OrderKey(CUSTOMER, order_id())
    facts = Facts({Step.RESERVE: Outcome(NOW), Step.SHIP: Outcome(NOW)})
    said = {"outcome": outcome, "command": "post", "detail": "POST /postings: answered 401"}
    lines = [Line(NOW, "deliver-accounting", {"step": "deliver", **said})]
    record = Record(key, NOW, Size(1, 905, "GBP"), facts)
    life = Life(
        record, Read(lines, complete=True), {"inventory": [], "fulfilment": [], "accounting": None}
    )
    text = " ".join(
        shown(life_view(life, NOW / 1000 + 90, " --port 9000")).replace("│", " ").split()
    )
    assert "not settled yet" in text
    assert "POST /postings: answered 401" in text
    assert told in text
    assert "not ours to read" in text


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (75, "1 min 15 s"), (3_600, "1 h"), (12_001, "3 h 20 min"), (90_000, "1 d 1 h")],
)
def test_ages_are_told_in_their_two_largest_units(seconds: float, told: str) -> None:
    assert age(seconds) == told
