"""What an operator sees of an order that has not settled, and of a list."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from orders.domain.order import OrderKey
from orders.domain.parcels import News, What
from orders.domain.saga import DOWNSTREAMS, Approval, Cancellation, Facts, Outcome, Step
from orders.domain.units import Millis
from spillway.operate.logs.reading import Line, Read
from spillway.operate.orders.reading import Life, Listed, Summary
from spillway.operate.orders.view import life_document, listed_document, show_life, show_list
from spillway.operate.orders.waiting import waiting_for
from spillway.target.records import Record, Size
from spillway.ui.formatting import rfc3339
from tests.builders import CUSTOMER, NOW, order_id

KEY = OrderKey(CUSTOMER, order_id())


def console() -> tuple[Console, StringIO]:
    terminal = StringIO()
    return Console(width=80, file=terminal), terminal


def shown(*lines: Line) -> str:
    facts = Facts({Step.RESERVE: Outcome(NOW), Step.SHIP: Outcome(NOW)})
    record = Record(KEY, NOW, Size(1, 905, "GBP"), facts, book="2026-11-23-1")
    effects: dict[str, Any] = {"inventory": [], "fulfilment": [], "accounting": None}
    terminal, written = console()
    life = Life(record, Read(lines, complete=True), effects)
    show_life(life, terminal, now=NOW / 1000 + 90, options=" --port 9000")
    return " ".join(written.getvalue().replace("│", " ").split())


@pytest.mark.parametrize(
    ("outcome", "next_step"),
    [
        ("postponed", "at most 3 minutes apart"),
        ("misconfigured", "see needs-a-fix in docs/runbook/alarms.md. Retries continue"),
        ("dead_lettered", "spillway redrive accounting --port 9000"),
    ],
)
def test_an_order_that_waits_says_why_and_what_happens_next(outcome: str, next_step: str) -> None:
    failure = {"outcome": outcome, "command": "post", "detail": "POST /postings: answered 401"}
    text = shown(Line(NOW, "deliver-accounting", {"step": "deliver", **failure}))

    assert "not settled yet" in text
    assert "price book 2026-11-23-1" in text
    assert "Waiting for accounting to book it (last answer: 401 at" in text
    assert "UTC, 1 try)." in text
    assert next_step in text


@pytest.mark.parametrize(
    ("approval", "text", "verdict"),
    [
        (None, "held  not settled yet", None),
        (None, "awaited until", None),
        (Approval(NOW, "released", CUSTOMER), f"by {CUSTOMER}", "released"),
        (Approval(NOW, "expired"), "expired", "expired"),
    ],
)
def test_a_held_order_says_who_decided_about_it(
    approval: Approval | None, text: str, verdict: str | None
) -> None:
    facts = Facts(held_until=Millis(NOW + 60_000), approval=approval)
    life = Life(
        Record(KEY, NOW, Size(1, 905, "GBP"), facts),
        Read([], complete=True),
        dict.fromkeys(DOWNSTREAMS),
    )
    terminal, written = console()
    show_life(life, terminal, now=NOW / 1000 + 90, options="")
    assert text in written.getvalue()
    assert life_document(life)["approval"]["verdict"] == verdict
    assert life_document(life)["approval"]["held_until"].endswith("Z")


def test_a_held_order_that_was_cancelled_awaits_nobody() -> None:
    cancelled = Cancellation(NOW, before_reservation=True)
    facts = Facts(held_until=Millis(NOW + 60_000), cancellation=cancelled)
    life = Life(Record(KEY, NOW, None, facts), Read([], complete=True), dict.fromkeys(DOWNSTREAMS))
    terminal, written = console()
    show_life(life, terminal, now=NOW / 1000 + 90, options="")
    assert "none: it was cancelled" in written.getvalue()
    assert "awaited" not in written.getvalue()


def test_a_list_names_who_is_waited_for() -> None:
    owed = Summary("1", "hash", "accepted", NOW, [Step.POST], CUSTOMER)
    terminal, written = console()
    show_list(Listed([owed, Summary("2", "hash", "held", NOW, [], CUSTOMER)]), terminal, now=NOW)
    assert "accounting (post)" in written.getvalue()
    assert "an approver" in written.getvalue()


def test_a_returned_order_is_settled_and_says_that_its_refund_is_owed() -> None:
    outcomes = {step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)}
    news = [
        News("P-1", What.SHIPPED, Millis(NOW + 1_000), "DHL", "00340434161094042557", 1),
        News("P-1", What.RETURNED, Millis(NOW + 86_400_000)),
    ]
    facts = Facts(outcomes, news={one.key: one for one in news})
    life = Life(
        Record(KEY, NOW, Size(1, 905, "GBP"), facts),
        Read([], complete=True),
        dict.fromkeys(DOWNSTREAMS),
    )
    terminal, written = console()
    show_life(life, terminal, now=NOW / 1000 + 90_000, options="")
    text = written.getvalue()
    for said in ("its refund is owed", "Why its refund is owed", "P-1", "DHL", "00340434161094"):
        assert said in text
    assert "not settled" not in text
    document = life_document(life)
    assert (document["status"], document["settled"], document["owed"]) == (
        "confirmed",
        True,
        ["refund"],
    )
    assert document["returned_at"] == rfc3339(NOW + 86_400_000)
    assert document["parcels"] == [
        {
            "parcel": "P-1",
            "carrier": "DHL",
            "tracking_number": "00340434161094042557",
            "shipped_at": rfc3339(NOW + 1_000),
            "delivered_at": None,
            "returned_at": rfc3339(NOW + 86_400_000),
        }
    ]


def test_an_order_without_any_attempt_leads_to_resume() -> None:
    assert f"spillway orders resume {KEY.order_id} --port 9000" in shown()


DONE = Outcome(NOW)
THREE = (Step.RESERVE, Step.SHIP, Step.POST)


@pytest.mark.parametrize(
    ("may", "noted", "facts", "way", "says"),
    [
        (True, (), {}, None, None),
        (
            True,
            THREE,
            dict.fromkeys(THREE, DONE),
            "express path",
            "went by the express path: one write for reserve, ship and post",
        ),
        (
            True,
            (Step.RESERVE, Step.SHIP),
            {Step.RESERVE: DONE, Step.SHIP: DONE},
            "express path, then queues",
            (
                "went by the express path as far as reserve and ship, then by the queues: no answer"
                " to post in time, or not tried"
            ),
        ),
        (
            True,
            (Step.RESERVE, Step.POST),
            dict.fromkeys(THREE, DONE) | {Step.SHIP: Outcome(NOW, refusal="no_route")},
            "express path, then queues",
            (
                "went by the express path as far as reserve and post, then by the queues: ship was"
                " refused (no_route)"
            ),
        ),
        (
            True,
            (),
            dict.fromkeys(THREE, DONE),
            "queues",
            (
                "went by the queues: no answer to ship in time, or not tried; no answer to post in"
                " time, or not tried"
            ),
        ),
        (
            True,
            (),
            {Step.RESERVE: Outcome(NOW, refusal="out_of_stock")},
            "queues",
            "went by the queues: reserve was refused (out_of_stock)",
        ),
        (
            False,
            (),
            dict.fromkeys(THREE, DONE),
            "queues",
            "went by the queues: the express path was off when it was accepted",
        ),
    ],
)
def test_an_order_says_which_way_it_went_and_why(
    may: bool,
    noted: tuple[Step, ...],
    facts: dict[Step, Outcome],
    way: str | None,
    says: str | None,
) -> None:
    record = Record(KEY, NOW, None, Facts(facts), may_go_express=may, express=noted)
    life = Life(record, Read([], complete=True), dict.fromkeys(DOWNSTREAMS))
    terminal, written = console()

    show_life(life, terminal, now=NOW / 1000, options="")
    found = life_document(life)

    assert life.way == says
    assert (says or "") in " ".join(written.getvalue().replace("│", " ").split())
    assert (found["way"], found["express"]) == (way, list(map(str, noted)))
    assert json.loads(json.dumps(found)) == found


def test_an_archived_order_does_not_say_which_way_it_went() -> None:
    facts = Facts(dict.fromkeys(THREE, DONE))
    record = Record(KEY, NOW, None, facts, may_go_express=True, archived="2026/11/an-object")

    assert record.way is None


@pytest.mark.parametrize(("complete", "says"), [(True, "settled."), (False, "was read.")])
def test_an_empty_list_says_what_that_means(complete: bool, says: str) -> None:
    terminal, written = console()
    show_list(Listed(complete=complete), terminal, now=NOW / 1000)

    assert written.getvalue().strip().endswith(says)


def test_a_list_counts_those_that_wait_also_what_it_leaves_out() -> None:
    def waiting(minutes: int, *owed: Step, customer: str = CUSTOMER) -> Summary:
        return Summary(str(minutes), "hash", "accepted", NOW - minutes * 60_000, owed, customer)

    found = [waiting(17, Step.POST), waiting(9, Step.POST, Step.SHIP), waiting(2)]
    listed = Listed(found).filtered(found, 2)
    terminal, written = console()
    show_list(listed, terminal, now=NOW / 1000)
    assert "2026-11-23 09:43:00" in written.getvalue()
    assert (
        "3 orders; 2 wait for accounting, 1 wait for fulfilment; the oldest shown for 17 min, of"
        f" customer {CUSTOMER}." in " ".join(written.getvalue().split())
    )
    assert listed_document(listed)["waiting"] == {"accounting": 2, "fulfilment": 1}

    terminal, written = console()
    show_list(Listed([*found, waiting(1, customer="another")]), terminal, now=NOW / 1000)
    assert "customer" not in written.getvalue()


@pytest.mark.parametrize(
    ("detail", "says"),
    [
        ("POST /postings: answered 503", "(last answer: 503 at "),
        ("POST /postings: ReadTimeoutError", "(last try: timed out at "),
        ("GetParameter: AccessDenied", "(last try: GetParameter: AccessDenied at "),
    ],
)
def test_what_an_order_waits_for_can_be_read_out(detail: str, says: str) -> None:
    sentence = waiting_for(Step.POST, Line(NOW, "deliver-accounting", {"detail": detail}), 8)
    assert sentence.startswith(f"Waiting for accounting to book it {says}")
    assert sentence.endswith(" UTC, 8 tries).")
