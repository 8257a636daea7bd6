"""What an operator sees of the path and of the promises."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from spillway.operate.status.alarms import Alarm
from spillway.operate.status.parts import Part
from spillway.operate.status.state import Status
from spillway.operate.status.view import view
from spillway.target.records import Depth
from tests.spillway.operate.fakes import service


def shown(*parts: Part, alarms: tuple[Alarm, ...] = (), options: str = "") -> str:
    terminal = StringIO()
    now = Status(0.0, parts, alarms)
    Console(width=80, file=terminal).print(view(now, replace(service(), options=options)))
    return terminal.getvalue()


def part(errors: int | None, dead_letters: int = 0) -> Part:
    return Part("deliver-accounting", Depth("accounting", 3, 1, 0), 75, dead_letters, 12, errors)


def test_errors_are_shown_where_they_are_counted() -> None:
    assert "errors" not in shown(part(None))
    assert "errors" in shown(part(2))


def test_an_alarm_that_rings_leads_to_its_page() -> None:
    ringing = Alarm("accounting-dead-letters", "ALARM", None, "", None)
    assert "docs/runbook/dead-letters.md" in shown(part(0, dead_letters=1), alarms=(ringing,))


def test_a_function_that_nothing_runs_is_named_and_leads_to_its_page() -> None:
    text = " ".join(shown(replace(part(0), trigger="Disabled")).split())
    assert "deliver-accounting does not run: its trigger is Disabled." in text
    assert "docs/runbook/alarms.md#relay-stopped" in text
    assert "No alarm rings" not in text
    assert "does not run" not in shown(replace(part(0), trigger="Enabled"))


def test_dead_letters_lead_to_redrive() -> None:
    text = shown(part(0, dead_letters=1), options=" --stage dev")
    assert "spillway redrive --dry-run --stage dev" in text
