"""The pages of a stage on AWS, without a browser and without AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import anyio
from starlette.types import ASGIApp

from orders.domain.promises import Promise
from spillway.errors import SpillwayError
from spillway.operate.console.campaigns import Campaigns
from spillway.operate.console.serving import application
from spillway.operate.console.views import _events
from spillway.operate.console.waiting import WhenAsked
from tests.builders import a_coupon
from tests.spillway.operate.console.builders import (
    PORT,
    Browser,
    a_state,
    alarm,
    browser,
    part,
    status,
)

ID = "019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10"


def test_the_path_says_what_waits_and_that_promises_are_kept() -> None:
    busy = part("deliver-accounting", visible=12, in_flight=3, oldest_seconds=41)
    page = browser(a_state(status(busy))).get("/").text
    assert "Every promise is kept." in page
    assert "<dt>waiting</dt><dd>12</dd>" in page
    assert "41 s" in page
    assert page.count('class="state kept"') == len(Promise)


def test_what_rings_is_said_first_with_its_runbook() -> None:
    ringing = alarm("always-settles", "ALARM", "an order is 2 h old & <b>stuck</b>")
    page = browser(a_state(status(ringing=[ringing]))).get("/").text
    assert "In danger: always_settles." in page
    assert "docs/runbook/alarms.md#always-settles" in page
    assert "an order is 2 h old &amp; &lt;b&gt;stuck&lt;/b&gt;" in page


def test_limited_coupons_are_shown_with_what_is_left_of_them() -> None:
    assert "Limited coupons" not in browser(a_state()).get("/").text
    first = a_coupon("FIRST", limit=1_500, once_per_customer=True)
    used = [(first, 1_200), (a_coupon("THANKS", single_use_codes=True), None)]
    page = browser(a_state(campaigns=Campaigns(used))).get("/").text
    assert "the first 1,500, each customer once" in page
    assert '<td class="number">1,200</td>\n  <td class="number">300</td>' in page
    assert "<td>each code once</td>" in page
    assert page.count('<td class="number">\N{EN DASH}</td>') == 2


def test_coupons_that_cannot_be_read_hide_nothing_else() -> None:
    page = browser(a_state(campaigns=Campaigns(problem="No <permission>."))).get("/").text
    assert "cannot be read: No &lt;permission&gt;." in page
    assert "Every promise is kept." in page


def test_nothing_can_be_broken_on_aws() -> None:
    state = a_state()
    client = browser(state)
    assert client.get("/downstreams").status_code == 404
    assert client.get("/stack").status_code == 404
    answer = client.post("/downstreams/inventory", data={"token": state.token, "outage": "on"})
    assert answer.status_code == 503
    assert "Break things" not in client.get("/").text


def test_an_outage_of_aws_is_reported_in_a_sentence() -> None:
    silent = a_state(SpillwayError("The service does not answer: try <again>."))
    answer = browser(silent).get("/")
    assert answer.status_code == 503
    assert "The service does not answer: try &lt;again&gt;." in answer.text


def test_a_console_that_can_not_be_opened_says_why() -> None:
    opens = iter([False, True])

    def make() -> ASGIApp:
        if not next(opens):
            raise SpillwayError("No stack runs on port 8080.")
        return application(a_state(), port=PORT)

    client = Browser(WhenAsked(make))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (503, "No stack runs on port 8080.\n")
    assert client.get("/").status_code == 200


def test_dead_letters_are_named_by_part_and_only_what_holds_some_can_be_moved() -> None:
    client = browser(a_state())
    page = client.get("/dead-letters").text
    assert "No dead letters." in page
    assert "Move back" not in page


def test_dead_letters_of_an_unknown_queue_are_not_moved() -> None:
    state = a_state()
    form = {"token": state.token, "queue": "../orders"}
    assert browser(state).post("/dead-letters/redrive", data=form).status_code == 503
    assert state.redriving.job is None


def test_what_is_searched_for_is_shown_as_text() -> None:
    answer = browser(a_state()).post("/orders/find", data={"token": "<script>"})
    assert "<script>" not in answer.text


def test_an_order_without_its_customer_is_searched_for() -> None:
    answer = browser(a_state()).get(f"/orders/{ID}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/orders?q={ID}")


def test_a_stream_sends_what_changed_what_did_not_and_what_failed() -> None:
    answers: Iterator[tuple[str, bool] | SpillwayError] = iter(
        [
            ("<p>one\ntwo</p>", True),
            ("<p>one\ntwo</p>", True),
            SpillwayError("No answer."),
            ("<p>three</p>", False),
        ]
    )

    def read() -> tuple[str, bool]:
        answer = next(answers)
        if isinstance(answer, SpillwayError):
            raise answer
        return answer

    async def all_of(events: AsyncIterator[str]) -> list[str]:
        return [event async for event in events]

    assert anyio.run(all_of, _events(read, 0.0)) == [
        "event: fragment\ndata: <p>one\ndata: two</p>\n\n",
        "event: same\ndata: \n\n",
        "event: failed\ndata: No answer.\n\n",
        "event: fragment\ndata: <p>three</p>\n\n",
        "event: final\ndata: \n\n",
    ]
