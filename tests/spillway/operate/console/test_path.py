"""What the live path makes of figures and alarms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.domain.promises import Promise
from spillway.operate.console.path import (
    MEANINGS,
    SPARK_WIDTH,
    Tone,
    figures,
    headline,
    spark,
    tone,
)
from spillway.operate.status.outages import Outage
from spillway.operate.status.parts import Part
from spillway.operate.status.state import Status
from tests.spillway.operate.console.builders import AT, a_state, alarm, browser, part, parts, status


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (part("deliver-inventory"), "calm"),
        (part("deliver-inventory", runs=3), "busy"),
        (part("deliver-inventory", visible=2, oldest_seconds=3), "busy"),
        (part("deliver-inventory", visible=2, oldest_seconds=60), "warn"),
        (part("deliver-inventory", dead_letters=1), "bad"),
        (part("relay", oldest_seconds=60), "warn"),
        (part("relay", errors=1), "bad"),
        (part("relay", trigger="Disabled"), "bad"),
        (part("watchdog", in_flight=2, oldest_seconds=600), "busy"),
    ],
    ids=[
        "at rest",
        "runs",
        "holds",
        "behind",
        "dead letter",
        "relay behind",
        "errors",
        "stopped",
        "watchdog",
    ],
)
def test_a_part_s_tone_is_what_an_operator_would_worry_about(given: Part, expected: Tone) -> None:
    assert tone(given) == expected


def test_every_promise_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Promise)


def test_a_promise_without_a_word_from_its_alarm_is_not_called_kept() -> None:
    unheard = status(ringing=[alarm("failure-stays-local", "INSUFFICIENT_DATA")])
    page = browser(a_state(unheard)).get("/").text
    row = page.partition("promise-failure_stays_local")[2].partition("</tr>")[0]
    assert "not known" in row
    assert "no data yet" in row
    assert headline(unheard) == ("calm", "Every promise is kept.")


def test_the_headline_says_what_matters_and_no_figure_that_would_make_it_chatter() -> None:
    ringing = alarm("never-half-done", "ALARM", "600 s")
    dead = part("deliver-accounting", dead_letters=7)
    sentence = "In danger: never_half_done. 7 failed messages of accounting need your attention."
    assert headline(status(dead, ringing=[ringing])) == ("bad", sentence)


def test_an_outage_is_called_one_and_endangers_no_promise_that_provides_for_it() -> None:
    down = Outage("accounting", at_ms(-300), at_ms(-2), "status 503", 40, exact=True)
    rung = [alarm("always-settles", "ALARM"), alarm("never-half-done", "ALARM")]
    now = replace(status(ringing=rung), outages=[down])
    explained = replace(now, explained={one.name for one in rung})
    sentence = "Accounting has not answered since 09:55:00 UTC (status 503); nothing is lost."
    assert headline(explained) == ("warn", sentence)
    assert figures(explained) == "40 orders wait for accounting and go on when it answers."
    page = browser(a_state(explained)).get("/").text
    assert page.count('class="state delayed"') == 2
    assert 'class="state in-danger"' not in page
    # One of the orders waits for something else: nothing is played down then.
    tone_, sentence_ = headline(replace(now, explained={"never-half-done"}))
    assert (tone_, sentence_.partition(".")[0]) == ("bad", "In danger: always_settles")
    assert sentence in sentence_


def test_an_alarm_of_orders_that_have_settled_since_is_not_alarming() -> None:
    ringing = status(ringing=[alarm("always-settles", "ALARM")])
    over = replace(ringing, explained={"always-settles"})
    assert headline(over) == ("calm", "Every promise is kept.")
    assert "have settled" in browser(a_state(over)).get("/").text


def test_a_function_that_nothing_runs_is_said_first() -> None:
    tone_, sentence = headline(status(part("relay", trigger="Disabled")))
    assert (tone_, sentence) == ("bad", "relay does not run: its trigger is Disabled.")


def test_one_dead_letter_is_one_and_no_promise_is_called_kept_beside_it() -> None:
    dead = status(part("relay", dead_letters=1))
    assert headline(dead) == ("warn", "1 failed message of relay needs your attention.")


def test_failed_messages_are_said_before_an_outage_and_each_queue_is_named() -> None:
    down = Outage("inventory", at_ms(-300), at_ms(-2), "timed out", 60, exact=True)
    dead = [part("deliver-fulfilment", dead_letters=14), part("drain", dead_letters=1)]
    tone_, sentence = headline(replace(status(*dead), outages=[down]))
    assert tone_ == "warn"
    first = "15 failed messages of overflow and fulfilment need your attention. Inventory has not"
    assert sentence.startswith(first)


def test_a_check_that_nobody_can_read_endangers_no_coupon() -> None:
    garbage = status(
        part("watchdog", dead_letters=1), ringing=[alarm("watchdog-dead-letters", "ALARM")]
    )
    assert headline(garbage) == ("warn", "1 failed message of watchdog needs your attention.")


def test_an_alarm_without_a_promise_is_shown_too() -> None:
    ringing = status(ringing=[alarm("needs-a-fix", "ALARM")])
    assert headline(ringing) == ("warn", "Every promise is kept. Ringing: needs-a-fix.")
    assert [one.name for one in ringing.other_alarms] == ["needs-a-fix"]


def test_a_stage_without_alarms_promises_nothing() -> None:
    bare = replace(status(), alarms=[])
    assert headline(bare) == ("calm", "No promise has been measured yet.")
    page = browser(a_state(bare)).get("/").text
    assert page.count('class="state not-known"') == len(Promise)
    paid = Promise.PAID_IS_ORDERED_OR_REFUNDED
    others = [one for one in status().alarms if one.promise is not paid]
    page = browser(a_state(replace(bare, alarms=others))).get("/").text
    row = page.partition(f"promise-{paid.value}")[2].partition("</tr>")[0]
    assert "The stage reconciles no payments" in row


def at_ms(seconds: int) -> int:
    """Unix milliseconds so long after `AT`."""
    return int((AT + seconds) * 1000)


def waits(at: float, count: int) -> Status:
    return Status(at, parts(part("deliver-inventory", visible=count)), [])


def test_a_spark_ends_at_the_right_and_shows_only_what_ever_waited() -> None:
    samples = [waits(AT + 2 * n, n % 3) for n in range(1, 90)]
    drawn = spark("deliver-inventory", samples, pause_seconds=2)
    assert drawn.startswith("M")
    assert drawn.count("M") == 1
    assert drawn.split("L")[-1].startswith(f"{SPARK_WIDTH:.1f},")
    assert spark("deliver-accounting", samples, pause_seconds=2) == ""


def test_a_spark_has_a_gap_where_no_page_was_open() -> None:
    samples = [waits(AT + second, 5) for second in (0, 2, 4, 60, 62)]
    drawn = spark("deliver-inventory", samples, pause_seconds=2)
    assert [line.count("L") for line in drawn.split("M")[1:]] == [2, 1]
