"""What the live path makes of figures and alarms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.domain.promises import Promise
from spillway.operate.console.path import SPARK_WIDTH, Tone, path_view
from spillway.operate.status.parts import Part
from spillway.operate.status.state import Status
from tests.spillway.operate.console.builders import AT, alarm, part, parts, status


@pytest.mark.parametrize(
    ("given", "tone"),
    [
        (part("deliver-inventory"), "calm"),
        (part("deliver-inventory", runs=3), "busy"),
        (part("deliver-inventory", visible=2, oldest_seconds=3), "busy"),
        (part("deliver-inventory", visible=2, oldest_seconds=60), "warn"),
        (part("deliver-inventory", dead_letters=1), "bad"),
        (part("relay", oldest_seconds=60), "warn"),
        (part("relay", errors=1), "bad"),
        (part("watchdog", in_flight=2, oldest_seconds=600), "busy"),
    ],
    ids=["at rest", "runs", "holds", "behind", "dead letter", "relay behind", "errors", "watchdog"],
)
def test_a_part_s_tone_is_what_an_operator_would_worry_about(given: Part, tone: Tone) -> None:
    assert path_view(status(given), ()).boxes[given.name].tone == tone


def test_every_promise_has_a_row_and_a_meaning() -> None:
    rows = path_view(status(), ()).promises
    assert [row.promise for row in rows] == list(Promise)
    assert all(row.state == "kept" and row.meaning for row in rows)


def test_a_promise_without_a_word_from_its_alarm_is_not_called_kept() -> None:
    unheard = alarm("failure-stays-local", "INSUFFICIENT_DATA")
    view = path_view(status(ringing=[unheard]), ())
    row = next(row for row in view.promises if row.promise is Promise.FAILURE_STAYS_LOCAL)
    assert row.state == "not known"
    assert view.headline == "Every promise is kept."


def test_the_headline_says_what_matters_and_no_figure_that_would_make_it_chatter() -> None:
    ringing = alarm("never-half-done", "ALARM", "600 s")
    dead = part("deliver-accounting", dead_letters=7)
    view = path_view(status(dead, ringing=[ringing]), ())
    assert view.headline == "In danger: never_half_done. There are dead letters."
    assert view.tone == "bad"


def test_an_alarm_without_a_promise_is_shown_too() -> None:
    ringing = status(ringing=[alarm("bugs", "ALARM")])
    assert path_view(ringing, ()).headline == "Every promise is kept. Ringing: bugs."
    assert [one.name for one in ringing.other_alarms] == ["bugs"]


def test_a_stage_without_alarms_promises_nothing() -> None:
    bare = status()
    view = path_view(replace(bare, alarms=[]), ())
    assert view.headline == "No promise has been measured yet."


def test_a_spark_ends_at_the_right_and_shows_only_what_ever_waited() -> None:
    samples = [
        Status(AT + n, parts(part("deliver-inventory", visible=n % 3)), []) for n in range(1, 90)
    ]
    boxes = path_view(status(), samples).boxes
    last = boxes["deliver-inventory"].spark.split()[-1]
    assert last.startswith(f"{SPARK_WIDTH:.1f},")
    assert boxes["deliver-accounting"].spark == ""
