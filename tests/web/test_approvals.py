"""Two buyers of one company and who approves what they order above their limit, in a browser."""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.web.conftest import Visits
from tests.web.test_pages import violations, wider_by
from tests.web.visitor import ARRIVED, Visitor

pytestmark = pytest.mark.timeout(600)

#: An order that a test places without the browser comes to 905.
_LIMIT = 904


class Company:
    def __init__(self, visit: Visits) -> None:
        self.id = f"company-{secrets.token_hex(4)}"
        self.buyer = visit("wholesale", company=self.id, limit=_LIMIT)
        self.approver = visit("wholesale", "approvers", company=self.id, limit=_LIMIT)
        self.visit = visit

    def open(self, who: Visitor, address: str) -> Page:
        """A page as somebody who is signed in."""
        who.page.goto("/robots.txt")  # of the same origin, and nothing runs in it
        who.be_signed_in()
        who.page.goto(address)
        return who.page


@pytest.fixture
def company(visit: Visits) -> Company:
    return Company(visit)


def answer(page: Page, button: str, yes: str) -> None:
    """Press a button, and say yes when asked."""
    page.get_by_role("button", name=button).click()
    page.get_by_role("button", name=yes).click()


def text(page: Page, words: str) -> None:
    expect(page.locator("#status-text")).to_contain_text(words)


def test_an_order_of_a_buyer_waits_until_an_approver_of_the_company_releases_it(
    company: Company,
) -> None:
    buyer, approver = company.buyer, company.approver
    id_ = buyer.place_for(company.id)
    company.open(buyer, f"/order?id={id_}")
    buyer.see("Waiting for approval")
    text(buyer.page, "It is above your limit, and waits until")
    expect(buyer.page.get_by_role("button", name="Release this order")).to_be_hidden()
    expect(buyer.page.get_by_role("button", name="Cancel this order")).to_be_visible()

    colleague = company.visit("wholesale", company=company.id, limit=_LIMIT)
    page = company.open(colleague, "/orders")
    expect(page.locator("#orders li")).to_contain_text(re.compile("until .*, by a colleague"))
    page.locator("#orders a").click()
    expect(page.get_by_text("Placed by your colleague")).to_be_visible()
    text(page, "above its buyer's limit")
    expect(page.get_by_role("button", name="Release this order")).to_be_hidden()
    page.goto("/approvals")
    expect(page.get_by_text("You are no approver of your company")).to_be_visible()

    outsider = company.visit("wholesale", "approvers", company=f"not-{company.id}")
    page = company.open(outsider, "/approvals")
    expect(page.get_by_text("No order of your company waits for approval.")).to_be_visible()
    page.goto(f"/order?id={id_}")
    expect(page.get_by_text("There is no such order in your account")).to_be_visible()

    page = company.open(approver, "/orders")
    page.get_by_role("link", name="Approvals").click()
    expect(page.locator("#orders li")).to_have_count(1)
    expect(page.locator("#orders li")).to_contain_text(re.compile("until .*, by "))
    page.locator("#orders a").click()
    page.get_by_role("button", name="Release this order").click()
    expect(page.locator("#sure-text")).to_contain_text("placed by your colleague")
    page.keyboard.press("Escape")
    text(page, "Please release or refuse it by")
    assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert wider_by(page) <= 0
    answer(page, "Release this order", "Yes, release it")
    expect(page.locator(".steps")).to_contain_text("Released by you")
    approver.see(ARRIVED)
    buyer.page.reload()
    expect(buyer.page.locator(".steps")).to_contain_text("Released by your colleague")


def test_a_decision_that_comes_too_late_is_told_plainly(company: Company) -> None:
    refused, cancelled = (company.buyer.place_for(company.id) for _ in range(2))
    page = company.open(company.approver, f"/order?id={refused}")
    answer(page, "Refuse it", "Yes, refuse it")
    expect(page.locator(".steps")).to_contain_text("Refused by you")
    text(page, "an approver refused it")
    page.goto(f"/order?id={cancelled}")
    release = page.get_by_role("button", name="Release this order")
    expect(release).to_be_visible()
    buyer = company.buyer
    company.open(buyer, f"/order?id={cancelled}")
    buyer.cancel()
    expect(buyer.page.get_by_role("button", name="Cancel this order")).to_be_hidden()
    answer(page, "Release this order", "Yes, release it")
    text(page, "Not possible: it was decided about or cancelled meanwhile")
    expect(release).to_be_hidden()


def test_nobody_decides_about_their_own_order_or_after_its_time(company: Company) -> None:
    """And what is asked about it is gone with the sign-in, in whichever tab that ends."""
    own = company.approver.place_for(company.id)
    page = company.open(company.approver, "/approvals")
    expect(page.locator("#orders li")).to_contain_text("by you: another approver decides")
    page.locator("#orders a").click()
    text(page, "for another approver, because it is yours")
    expect(page.get_by_role("button", name="Release this order")).to_be_hidden()

    def late(route: Route) -> None:
        shown: Any = route.fetch().json()
        shown["approval"]["expires_at"] = "2026-01-01T10:00:00.000Z"
        shown["order"]["payment"]["terms"] = "net30"
        route.fulfill(json=shown)

    page.route(f"**/api/orders/{own}", late)
    page.reload()
    text(page, "it will be refused")
    page.get_by_role("button", name="Cancel this order").click()
    expect(page.locator("#sure-text")).to_have_text(re.compile(r"£9\.05\? This can.t be undone"))
    page.evaluate(
        """() => new BroadcastChannel("spillway-session").postMessage(
            { ended: JSON.parse(sessionStorage.getItem("session")).customer.sub })"""
    )
    page.locator("main").get_by_role("button", name="Sign in").click(trial=True)
    expect(page.locator("#sure")).to_be_hidden()


def test_the_list_goes_back_as_far_as_an_order_can_wait_and_no_further(company: Company) -> None:
    asked: list[str | None] = []
    pages = {
        None: [line("2026-12-01", "held"), line("2026-11-30", "confirmed")],
        "b": [line("2026-11-25", "accepted")],
        "c": [line("2026-11-20", "held"), line("2026-11-10", "confirmed")],
    }

    def listed(route: Route) -> None:
        cursor = parse_qs(urlsplit(route.request.url).query).get("cursor", [None])[0]
        asked.append(cursor)
        following = {None: "b", "b": "c", "c": "d"}[cursor]
        route.fulfill(json={"orders": pages[cursor], "cursor": following})

    approver = company.approver
    approver.page.clock.set_fixed_time("2026-12-01T12:00:00.000Z")
    approver.page.route("**/api/orders?*", listed)
    page = company.open(approver, "/approvals")
    expect(page.locator("#orders li")).to_have_count(2)
    expect(page.locator("#more")).to_be_hidden()
    assert asked == [None, "b", "c"]


def line(day: str, status: str) -> dict[str, Any]:
    """Of the history; only an order that is held has an end of its time."""
    until = {"expires_at": "2026-12-07T10:00:00.000Z", "verdict": None, "at": None, "by": None}
    return {
        "order_id": f"0199aaaa-0000-7000-8000-0000{day.replace('-', '')}",
        "status": status,
        "reason": None,
        "settled": status == "confirmed",
        "accepted_at": f"{day}T10:00:00.000Z",
        "total": 905,
        "currency": "GBP",
        "channel": "wholesale",
        "line_count": 1,
        "buyer": "somebody",
        **({"approval": until} if status == "held" else {}),
    }
