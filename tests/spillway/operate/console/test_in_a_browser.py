"""What an operator does with the console, in a real browser on a real stack."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from infra.bundle import ROOT
from orders.aws.messages import message_of
from orders.aws.queues import SqsDeadLetters
from orders.domain.saga import Step
from orders.ports import Command
from spillway.run.stack import Stack
from tests.builders import order_key
from tests.e2e.shop import Customer, effects
from tests.e2e.test_prices import MUG, TAKEN
from tests.spillway.operate.console.conftest import PAUSE_SECONDS, Console
from tests.waiting import PATIENCE_SECONDS
from tests.web.visitor import type_over

AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
#: WCAG 2.2 at levels A and AA, and what axe's authors call good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NARROWEST, PHONE, WIDE = 320, 390, 1280


def figure(page: Page, part: str, name: str) -> int:
    """A number of a part, as the path shows it."""
    label = page.locator(f"#box-{part} dt", has_text=re.compile(f"^{name}$"))
    return int(label.locator("xpath=following-sibling::dd").inner_text().replace(",", ""))


def until(page: Page, part: str, least: int | None = None, most: int | None = None) -> None:
    """Wait until a part has so many messages, waiting or in flight."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        held = figure(page, part, "waiting") + figure(page, part, "in flight")
        if (least is None or held >= least) and (most is None or held <= most):
            return
        assert time.monotonic() < deadline, f"{part} holds {held}"
        page.wait_for_timeout(200)


def test_an_outage_is_seen_to_stay_local_and_to_heal(page: Page, stack: Stack) -> None:
    page.goto("/downstreams")
    page.get_by_role("button", name="Take accounting down").click()
    expect(page.locator("#live")).to_contain_text("outage")
    type_over(page.locator("#count"), "4")
    page.get_by_role("button", name="Place them").click()
    expect(page.locator("#live")).to_contain_text("4 of 4 orders accepted")

    page.goto("/")
    until(page, "deliver-accounting", least=4)
    expect(page.locator("#box-accounting")).to_contain_text("outage")
    expect(page.get_by_role("status")).to_contain_text("Accounting has not answered since")
    expect(page.locator(".headline.warn")).to_contain_text("4 orders wait for accounting")
    until(page, "deliver-fulfilment", most=0)

    stack.set_fault_settings("accounting", outage=False)
    until(page, "deliver-accounting", most=0)
    expect(page.locator("#promise-always_settles .state")).to_have_text("kept")
    expect(page.get_by_role("status")).to_contain_text("Every promise is kept.")
    page.goto("/orders")
    newest = page.locator("tbody tr")
    for place in range(4):
        expect(newest.nth(place)).to_contain_text("nothing")
    assert not page.locator("tbody").get_by_text("accounting").count()


def test_a_dead_letter_is_understood_and_moved_back(
    page: Page, stack: Stack, shopper: Customer
) -> None:
    id_ = shopper.place()
    shopper.settled(id_)
    dead_letters = SqsDeadLetters(stack.client("sqs"), stack.queues["accounting_dead_letter"])
    command = Command(order_key(shopper.id, id_), Step.POST, None)
    page.goto("/dead-letters")
    dead_letters.dead_letter(message_of(command), "POST /postings: answered 401")
    row = page.locator(".letters").get_by_role("row", name="accounting")
    # It came after the page did, which knows nothing of it yet and looks again.
    row.get_by_role("button", name="Move back…").click()
    expect(row).to_contain_text("1 × POST /postings: answered 401")  # noqa: RUF001

    page.goto("/")
    page.locator("#box-deliver-accounting").get_by_role("link", name="1 dead").click()
    expect(row).to_contain_text("1 × POST /postings: answered 401")  # noqa: RUF001
    expect(row.get_by_role("link", name=id_)).to_be_visible()

    # Also before the page's script has come: no press is lost.
    page.route("**/console.js", lambda route: route.abort())
    page.reload()
    row.get_by_role("button", name="Move back…").click()
    dialog = page.get_by_role("dialog", name="Move accounting's dead letters back?")
    dialog.get_by_role("button", name="Leave them").click()
    expect(dialog).to_be_hidden()
    page.unroute_all()
    page.reload()

    row.get_by_role("button", name="Move back…").click()
    dialog.get_by_role("button", name="Move them back").click()
    expect(page.get_by_text("1 moved back.")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("No dead letters.")
    assert effects(stack, shopper, id_) == {"reserve": 1, "ship": 1, "post": 1}


def test_what_is_not_ours_is_read_masked_and_set_aside(
    page: Page, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPILLWAY_HOME", str(tmp_path))
    url = stack.queues["accounting_dead_letter"]
    stack.client("sqs").send_message(QueueUrl=url, MessageBody="from Ada, 12 High Street")
    page.goto("/dead-letters")
    expect(page.get_by_role("row", name="accounting")).to_contain_text("no reason given")
    letter = page.locator("details.letter")
    letter.locator("summary").click()
    expect(letter).to_contain_text("xxxx xxx, 00 xxxx xxxxxx")
    letter.get_by_role("button", name="Show it as it is").click()
    expect(letter).to_contain_text("12 High Street")
    letter.get_by_label("Why it can be set aside").fill("a test of another team")
    letter.get_by_role("button", name="Set it aside").click()
    expect(page.get_by_text("a test of another team")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("No dead letters.")
    [kept] = (tmp_path / "set-aside" / "local").iterdir()
    assert "12 High Street" in kept.read_text()


def test_one_order_is_followed_from_the_search_to_its_end(
    page: Page, stack: Stack, shopper: Customer
) -> None:
    stack.set_fault_settings("fulfilment", outage=True)
    id_, body = shopper.order()
    body["address"]["name"] = "<script>document.title = 'stolen'</script>"
    assert shopper.put(id_, body).status_code == 201
    shopper.when(id_, lambda order: {step["step"] for step in order["steps"]} >= {"post"})

    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type(id_)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/orders/{id_}?customer={shopper.id}")
    expect(page.locator(".waits")).to_contain_text("Waiting for fulfilment to ship it")
    expect(page.locator(".lane", has_text="ship")).to_contain_text("owed for")
    expect(page.locator("#messages-title + .scroll")).to_contain_text("fulfilment")
    expect(page.get_by_text("<script>")).to_have_count(0)

    stack.set_fault_settings("fulfilment", outage=False)
    expect(page.locator(".status").first).to_have_text("confirmed")
    expect(page.locator("#link")).to_contain_text("Settled")
    expect(page.locator(".waits")).to_have_count(0)
    expect(page.get_by_role("row", name="fulfilment ship done")).to_be_visible()

    page.get_by_role("button", name="Show goods and address").click()
    expect(page.get_by_text(body["address"]["name"])).to_be_visible()
    expect(page).to_have_title(re.compile("^Order "))
    page.locator("dd").get_by_role("link", name=shopper.id).click()
    expect(page.get_by_role("link", name=id_)).to_be_visible()


def test_a_coupon_s_uses_are_counted_while_the_page_is_open(
    page: Page, wholesale: Customer
) -> None:
    page.goto("/")
    row = page.get_by_role("row", name="FIRST100")
    expect(row).to_contain_text("the first 100, each customer once")
    before = int(row.locator("td").nth(1).inner_text())
    id_, body = wholesale.order_by_the_book(MUG, "FIRST100")
    assert wholesale.put(id_, body).status_code in TAKEN
    expect(row.locator("td").nth(1)).to_have_text(str(before + 1))
    expect(row.locator("td").nth(2)).to_have_text(str(100 - before - 1))
    assert wholesale.cancel(id_).status_code == 202
    expect(row.locator("td").nth(1)).to_have_text(str(before))


@pytest.fixture
def addresses(stack: Stack, shopper: Customer) -> list[str]:
    """Every page there is, with something to show on it."""
    id_ = shopper.place()
    shopper.settled(id_)
    waiting = order_key(shopper.id, id_)
    dead_letters = SqsDeadLetters(stack.client("sqs"), stack.queues["inventory_dead_letter"])
    dead_letters.dead_letter(message_of(Command(waiting, Step.RESERVE, None)), "answered 401")
    order = f"/orders/{id_}?customer={shopper.id}"
    nowhere = "/orders?q=019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10"
    return [
        "/",
        "/orders",
        order,
        nowhere,
        "/dead-letters",
        "/charts",
        "/downstreams",
        "/stack",
        "/nowhere",
    ]


def violations(page: Page, rules: list[str]) -> list[str]:
    result = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules
    )
    return [
        f"{page.url}: {violation['help']}: {node['target']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def test_every_page_is_accessible_and_fits_its_screen(page: Page, addresses: list[str]) -> None:
    found = []
    for address in addresses:
        page.goto(address)
        page.wait_for_selector("h1")
        page.evaluate(AXE)
        page.emulate_media(color_scheme="light")
        found += violations(page, RULES)
        page.emulate_media(color_scheme="dark")
        found += violations(page, ["color-contrast"])
        for width in (NARROWEST, PHONE, WIDE):
            page.set_viewport_size({"width": width, "height": 900})
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if over > 0:
                found.append(f"{address} is {over} px wider than {width}")
    assert found == []


def test_all_of_it_can_be_reached_by_keyboard(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keys")
    expect(help_).to_be_visible()
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/dead-letters")


def test_shortcuts_can_be_switched_off(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("?")
    page.get_by_label("Single keys are shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_nothing_is_asked_of_the_service_while_no_page_is_open(
    page: Page, console: Console
) -> None:
    page.goto("/")
    expect(page.locator("#link")).to_contain_text("Live")
    samples = console.state.reader.samples
    seen = samples[-1].at
    while samples[-1].at == seen:
        page.wait_for_timeout(1_000 * PAUSE_SECONDS)
    page.goto("about:blank")
    seen = 0.0
    while samples[-1].at > seen:  # what was under way
        seen = samples[-1].at
        page.wait_for_timeout(4_000 * PAUSE_SECONDS)
    page.wait_for_timeout(4_000 * PAUSE_SECONDS)
    assert samples[-1].at == seen


@pytest.mark.parametrize("address", ["/", "/charts"])
def test_a_page_that_hears_no_more_says_since_when_and_looks_like_the_past(
    page: Page, address: str
) -> None:
    page.route("**/charts/data*", lambda route: route.abort())
    # After such an answer no browser connects again by itself.
    page.route("**/events", lambda route: route.fulfill(status=503))
    page.goto(address)
    page.evaluate(AXE)
    since = re.compile(r"has not answered since \d\d:\d\d:\d\d UTC")
    expect(page.get_by_role("alert")).to_contain_text(since)
    expect(page.get_by_text("Every promise is kept.")).to_be_hidden()
    quiet, shown = page.evaluate(
        "() => ['#link', '.state.kept, #charts'].map("
        "one => getComputedStyle(document.querySelector(one)).color)"
    )
    assert shown == quiet
    assert violations(page, RULES) == []
    page.unroute_all()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("#link")).to_contain_text("Live")


def test_times_are_of_one_zone_which_every_page_names(page: Page) -> None:
    for address in ("/", "/orders", "/charts", "/stack"):
        page.goto(address)
        expect(page.locator("#link-time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d UTC$"))
        expect(page.locator(".where")).to_contain_text("All times are in UTC.")


def test_figures_change_and_nothing_else_moves(page: Page) -> None:
    page.goto("/")
    expect(page.locator("#link")).to_contain_text("Live")
    page.get_by_role("group", name="The promises").focus()
    before = page.evaluate("document.activeElement.getBoundingClientRect().top")
    page.wait_for_timeout(5_000 * PAUSE_SECONDS)
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") == before
    expect(page.get_by_role("group", name="The promises")).to_be_focused()
