"""The pages of a stage on AWS, without a browser and without AWS."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import anyio
from starlette.types import ASGIApp

from orders.aws import items
from orders.domain.order import AcceptedOrder
from orders.domain.parcels import News, What
from orders.domain.promises import Promise
from spillway.errors import SpillwayError
from spillway.operate.console.campaigns import Campaigns
from spillway.operate.console.serving import application
from spillway.operate.console.state import AppState
from spillway.operate.console.views import _events
from spillway.operate.console.waiting import WhenAsked
from spillway.operate.redrive.dead_letters import DeadLetter
from spillway.operate.redrive.found import Found
from spillway.operate.redrive.setting_aside import set_aside_before
from tests.builders import NOW, a_coupon, accepted, order_id, order_key
from tests.spillway.operate.console.builders import (
    PORT,
    Browser,
    a_state,
    alarm,
    browser,
    part,
    status,
)
from tests.spillway.operate.fakes import CONFIRMED, FakeLogs, FakeTable, outcome_of, service

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


def test_a_queue_of_outcomes_is_on_the_path_and_its_dead_letters_can_be_moved() -> None:
    state = a_state(status(part("outcomes-fulfilment", visible=3, dead_letters=2)))
    client = browser(state)
    assert 'id="box-outcomes-fulfilment"' in client.get("/").text
    page = client.post("/dead-letters/message", {"token": state.token, "message_id": "m1"}).text
    assert "2 failed messages of outcomes-fulfilment need your attention." in page
    assert 'commandfor="move-outcomes-fulfilment"' in page
    assert "outcomes-inventory" not in page


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


def a_table(*orders: AcceptedOrder) -> FakeTable:
    table = FakeTable()
    for order in orders:
        table.add(order)
    return table


def a_state_with(table: FakeTable, **clients: object) -> AppState:
    """Of a stage on AWS with these orders."""
    state = a_state()
    aws = service(dynamodb=table, logs=FakeLogs(), **clients)
    state.service, state.searches.service = aws, aws
    return state


def ids_on(page: str) -> list[str]:
    return re.findall(r'<a class="id" href="/orders/([^?"]+)', page)


def test_on_aws_a_search_says_its_price_and_reads_the_table_only_when_it_is_asked_for() -> None:
    orders = [accepted(order_key(f"customer-{n}", order_id())) for n in range(3)]
    wanted = orders[1].key
    state = a_state_with(a_table(*orders))
    client = browser(state)
    address = f"/orders?q={wanted.order_id[:23].upper()}"
    asked = client.get(address).text
    assert "dollars" in asked
    assert ids_on(asked) == []
    assert state.searches.of(wanted.order_id[:23].upper(), unsettled_only=False).found is None
    answer = client.post(address.replace("?", "/find?"), data={"token": state.token})
    assert answer.status_code == 303
    state.searches.of(wanted.order_id[:23].upper(), unsettled_only=False).wait(10)
    assert len(ids_on(client.get(answer.headers["location"]).text)) == 3


def test_a_long_list_is_paged_sorted_and_filtered_in_its_address() -> None:
    orders = [accepted(order_key("c", order_id(NOW + n))) for n in range(120)]
    state = a_state_with(a_table(*orders))
    search = state.searches.of("", unsettled_only=True)
    search.begin(state.service)
    search.wait(10)
    client = browser(state)
    newest = [one.key.order_id for one in reversed(orders)]
    first = client.get("/orders?unsettled=1&sort=newest").text
    assert ids_on(first) == newest[:50]
    assert "1 to 50 of 120" in first
    assert ids_on(client.get("/orders?unsettled=1&sort=newest&page=3").text) == newest[100:]
    # Beyond the last page is the last page, and nonsense is the first.
    assert ids_on(client.get("/orders?unsettled=1&sort=newest&page=99").text) == newest[100:]
    assert ids_on(client.get("/orders?unsettled=1&sort=newest&page=-x").text) == newest[:50]
    # Who waits longest comes first.
    oldest = client.get("/orders?unsettled=1").text
    assert ids_on(oldest)[0] == newest[-1]
    assert "page=2" in oldest.partition('rel="next"')[2].partition(">")[0]
    assert "sort=oldest" in oldest.partition('rel="next"')[2].partition(">")[0]
    assert len(ids_on(client.get("/orders?unsettled=1&waits=inventory").text)) == 50
    none = client.get("/orders?unsettled=1&waits=accounting").text
    assert ids_on(none) == []
    assert "No order fits the filters." in none


def test_an_e_mail_address_is_in_no_address_of_the_console() -> None:
    plain = accepted(order_key("c", order_id()))
    contact = replace(plain.order.address, email="ada@example.com")
    order = replace(plain, order=replace(plain.order, address=contact))
    other = accepted(order_key("c", order_id()))
    state = a_state_with(a_table(order, other), cloudformation=NoStacks())
    client = browser(state)
    answer = client.get("/orders?q=Ada@example.com")
    kept = answer.headers["location"]
    assert (answer.status_code, "@" in kept, "ada" in kept.lower()) == (303, False, False)
    client.post(kept.replace("?", "/find?"), data={"token": state.token})
    state.searches.of("Ada@example.com", unsettled_only=False).wait(10)
    page = client.get(kept).text
    assert ids_on(page) == [order.key.order_id]
    assert not re.search(r'(href|action|data-events)="[^"]*(@|%40)', page)


class NoStacks:
    def describe_stacks(self, **_: str) -> dict[str, object]:
        return {"Stacks": [{"Outputs": []}]}


def test_what_is_not_found_says_what_can_be_searched_for() -> None:
    state = a_state_with(a_table())
    search = state.searches.of("PO-1", unsettled_only=False)
    search.begin(state.service)
    search.wait(10)
    page = browser(state).get("/orders?q=PO-1").text
    assert "order was found by" in page
    assert all(word in page for word in ("purchase order number", "date", "hash", "e-mail"))


def read(state: AppState, text: str = "", *, unsettled_only: bool = False) -> None:
    search = state.searches.of(text, unsettled_only=unsettled_only)
    search.begin(state.service)
    search.wait(10)


def test_an_empty_list_says_what_is_empty() -> None:
    settled = accepted(order_key("c", order_id()))
    table = FakeTable()
    table.add(settled, outcome_of(CONFIRMED))
    state = a_state_with(table)
    client = browser(state)
    # Nothing was read yet, so nothing is known.
    assert "has settled" not in client.get("/orders?unsettled=1").text
    read(state, unsettled_only=True)
    assert "Every order has settled." in client.get("/orders?unsettled=1").text
    assert "No customer has this id." in client.get("/orders?q=PO-1&unsettled=1").text
    read(state, "PO-1", unsettled_only=True)
    assert "No unsettled order was found by" in client.get("/orders?q=PO-1&unsettled=1").text
    read(state)
    assert "1 other order does not." in client.get("/orders?status=rejected").text


def test_only_an_order_has_a_page_however_its_id_is_written() -> None:
    placed = accepted(order_key("c", ID))
    table = FakeTable()
    table.add(placed, outcome_of(CONFIRMED))
    client = browser(a_state_with(table))
    for named in (ID, ID.upper(), f"{{{ID}}}", f"{ID}%23progress"):
        page = client.get(f"/orders/{named}?customer=c")
        assert (page.status_code, "missing from the table" in page.text) == (200, False)
        assert f">{ID}<" in page.text
    for named in ("nope", ID[:-1], "%00", "x" * 2_000):
        assert client.get(f"/orders/{named}?customer=c").status_code == 404


def test_what_fulfilment_wrote_of_a_parcel_is_shown_as_it_wrote_it() -> None:
    """Beside a name that is written from right to left, 12-34 would be shown as 34-12."""
    placed, table = accepted(order_key("c", ID)), FakeTable()
    told = News("A_1", What.SHIPPED, NOW, "<أرامكس>", "12-34")
    table.add(placed, items.with_news(outcome_of(CONFIRMED), told))
    page = browser(a_state_with(table)).get(f"/orders/{ID}?customer=c").text
    assert "parcel A_1: shipped" in page
    assert "<bdi>&lt;أرامكس&gt;</bdi> · <bdi>12-34</bdi>" in page


def a_state_with_a_letter(body: str) -> AppState:
    state = a_state(status(part("deliver-accounting", dead_letters=1)))
    found = Found(visible=1)
    found.add("inventory", "no reason given", DeadLetter("m1", "r", body, NOW, None))
    state.redriving.found = {"accounting": found}
    return state


def test_a_dead_letter_is_read_masked_and_as_it_is_only_when_asked() -> None:
    state = a_state_with_a_letter('{"name": "Ada <Lovelace>"}')
    client = browser(state)
    other = {"token": state.token, "message_id": "another"}
    page = client.post("/dead-letters/message", other).text
    assert "cannot be read as a command" in page
    assert "Lovelace" not in page
    form = {"token": state.token, "message_id": "m1"}
    assert "Ada &lt;Lovelace&gt;" in client.post("/dead-letters/message", form).text


def test_setting_aside_needs_a_reason_and_a_known_queue() -> None:
    state = a_state_with_a_letter("{}")
    client = browser(state)
    form = {"token": state.token, "queue": "accounting", "message_id": "m1"}
    answer = client.post("/dead-letters/set-aside", form)
    assert (answer.status_code, "Say why" in answer.text) == (503, True)
    answer = client.post("/dead-letters/set-aside", {**form, "queue": "../x", "reason": "y"})
    assert answer.status_code == 503
    assert set_aside_before(state.service) == []
