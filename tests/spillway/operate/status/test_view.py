"""What an operator sees of the path and of the promises."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from orders.domain.promises import Promise
from spillway.operate.status.alarms import Alarm
from spillway.operate.status.outages import Outage
from spillway.operate.status.parts import Part
from spillway.operate.status.state import Status
from spillway.operate.status.view import document, view
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


def test_an_outage_is_said_and_what_it_explains_is_delayed() -> None:
    down = Outage("accounting", 0, 5_000, "status 503", 40, exact=True)
    rung = Alarm("always-settles", "ALARM", 0, "", Promise.ALWAYS_SETTLES, "An order is late.")
    now = Status(0.0, [part(0)], [rung], None, [down], {"always-settles"})
    terminal = StringIO()
    Console(width=100, file=terminal).print(view(now, service()))
    text = " ".join(terminal.getvalue().split())
    assert "Accounting has not answered since 00:00:00 UTC (status 503); nothing is lost." in text
    assert "40 orders wait for accounting and go on when it answers." in text
    assert "delayed since 1970-01-01 00:00:00 UTC" in text
    written = document(now, stage="dev")
    assert written["outages"][0]["orders"] == 40
    assert written["alarms"][0]["explained_by_outages"]
    assert written["alarms"][0]["meaning"] == "An order is late."


def test_why_a_promise_has_no_alarm_is_said() -> None:
    def reasons(*alarms: Alarm) -> str:
        return " ".join(shown(part(0), alarms=alarms).replace("│", " ").split())

    kept = Alarm("always-settles", "OK", None, "", Promise.ALWAYS_SETTLES)
    reconciles_none = "The stage reconciles no payments: its file has no [payments]."
    assert reconciles_none in reasons(kept)
    paid = Promise.PAID_IS_ORDERED_OR_REFUNDED
    assert reconciles_none not in reasons(kept, Alarm(paid.value, "OK", None, "", paid))
    assert "deploy its operations stack" in reasons(kept)
    # Where there is no alarm at all, that is why.
    assert reconciles_none not in reasons()


def test_dead_letters_lead_to_redrive() -> None:
    text = shown(part(0, dead_letters=1), options=" --stage dev")
    assert "spillway redrive --dry-run --stage dev" in text
