"""What the shopper is shown before paying is what is paid: prices, coupons, what is gone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from orders.domain import pricing
from orders.domain.order import Order
from orders.domain.units import Millis
from orders.domain.void import is_proven
from orders.flow.prices import Prices
from orders.handlers.intake import handle
from orders.handlers.wire import Content, content_of
from simulation.world.runtime import FixedPriceBooks, MemoryCouponTries, MemoryLog
from simulation.world.table import MemoryOrders
from spillway.price_book import catalogue, example
from spillway.run.stack.tokens import claims
from tests.builders import an_intake, order_key
from tests.orders.handlers.api_events import request
from tests.web.conftest import Visits
from tests.web.visitor import Visitor, type_over

pytestmark = pytest.mark.timeout(600)

MUG = "MUG-SAGE"
LIST = "retail GBP"


class Clock:
    def now(self) -> Millis:
        return Millis(time.time_ns() // 1_000_000)


class Store:
    """Answers the browser's requests for quotes as the service does, by a book of the test's."""

    def __init__(self, visitor: Visitor, **mug: Any) -> None:
        book = example().book("tests")
        articles = dict(book.articles)
        articles[MUG] = articles[MUG]._replace(**mug)
        intake = an_intake(
            MemoryOrders(),
            prices=Prices(FixedPriceBooks({0: replace(book, articles=articles)})),
            coupon_tries=MemoryCouponTries(),
            clock=Clock(),
        )
        self._intake = replace(intake, currencies=frozenset({"GBP", "EUR", "USD"}))
        self.asked: list[Any] = []
        visitor.context.route("**/api/quotes", self._answer)

    def _answer(self, route: Route) -> None:
        self.asked.append(route.request.post_data_json)
        event = request("POST /quotes", body=route.request.post_data)
        answer = handle(event, self._intake, MemoryLog())
        route.fulfill(status=answer["statusCode"], headers=answer["headers"], body=answer["body"])


def basket_with_coupon(visitor: Visitor) -> None:
    """A mug in the basket of a customer who is signed in, and a tenth off."""
    Store(visitor)
    visitor.sign_in()
    visitor.fill_basket(MUG)
    visitor.page.goto("/basket")
    use_coupon(visitor.page, "WELCOME10")
    total(visitor.page, "£16.55")


def use_coupon(page: Page, code: str) -> None:
    page.get_by_label("Coupon", exact=True).fill(code)
    page.get_by_role("button", name="Use", exact=True).click()


def total(page: Page, amount: str) -> None:
    expect(page.locator("#sums .total")).to_contain_text(amount)


def in_basket(page: Page, change: str) -> None:
    """Change what the browser has of the basket, as time would."""
    page.evaluate(
        "change => { const basket = JSON.parse(localStorage['basket.retail']);"
        " new Function('basket', change)(basket);"
        " localStorage['basket.retail'] = JSON.stringify(basket); }",
        change,
    )


def basket_id(page: Page) -> object:
    return page.evaluate("JSON.parse(localStorage['basket.retail']).id")


def publish_meanwhile(visitor: Visitor, change: Callable[[Any], Any]) -> None:
    """A book that changes the mug comes into force while a page is open, for over a minute."""
    document = catalogue(example())
    goods = [change(good) if good["sku"] == MUG else good for good in document["goods"]]
    listed = {"books": [{"begins": 0, "catalogue": "/catalogues/changed.json"}]}
    visitor.context.route("**/prices.json", lambda route: route.fulfill(json=listed))
    changed = {**document, "goods": goods}
    visitor.context.route("**/changed.json", lambda route: route.fulfill(json=changed))
    visitor.page.evaluate(
        "const now = Date.now; Date.now = () => now() + 61_000; dispatchEvent(new Event('storage'))"
    )


@pytest.mark.chromium_only
def test_a_wrong_coupon_never_takes_the_good_one_away(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    Store(visitor)
    visitor.sign_in()
    visitor.fill_basket(MUG)
    page.goto("/basket")
    total(page, "£17.95")
    use_coupon(page, " ")
    expect(page.locator("#coupon-problem")).to_have_text("Enter the coupon's code.")
    use_coupon(page, "\uff57elcome10\u200b")
    total(page, "£16.55")
    use_coupon(page, "NOPE")
    expect(page.locator("#coupon-problem")).to_have_text("NOPE: There is no such coupon.")
    expect(page.get_by_label("Coupon", exact=True)).to_have_value("NOPE")
    total(page, "£16.55")
    use_coupon(page, "XMAS20")
    expect(page.locator("#coupon-problem")).to_contain_text("together with WELCOME10")
    total(page, "£16.55")
    page.get_by_role("button", name="Use XMAS20 instead").click()
    total(page, "£15.15")
    page.get_by_role("button", name="Remove coupon XMAS20").press("Enter")
    total(page, "£17.95")
    expect(page.locator("#notice")).to_have_text("XMAS20 was removed.")
    expect(page.get_by_role("button", name="Use", exact=True)).to_be_focused()


@pytest.mark.chromium_only
def test_a_coupon_waits_for_the_sign_in(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    store = Store(visitor)
    visitor.fill_basket(MUG)
    page.goto("/basket")
    use_coupon(page, "WELCOME10")
    expect(page.locator("#coupon-sign-in")).to_contain_text("Sign in to use a coupon")
    assert store.asked == []
    visitor.sign_in("/basket")
    total(page, "£16.55")
    expect(page.locator("#coupon-sign-in")).to_be_hidden()


@pytest.mark.chromium_only
def test_without_an_answer_about_the_coupon_nothing_is_paid(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    basket_with_coupon(visitor)
    visitor.context.route("**/api/quotes", lambda route: route.abort())
    page.goto("/checkout")
    expect(page.locator("#coupon-problem")).to_have_text("The coupon can't be checked just now.")
    expect(page.locator("#pay")).to_be_disabled()
    Store(visitor)
    page.get_by_role("button", name="Try again").click()
    total(page, "£16.55")
    expect(page.locator("#pay")).to_be_enabled()


def test_a_changed_price_and_an_article_that_is_gone_are_shown_before_paying(
    visit: Visits,
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    visitor.fill_basket(MUG, "TEAPOT-CLAY", "VASE-SAGE")
    in_basket(
        page,
        "basket.lines[0].seen = {'retail GBP': 1250};"
        "Object.assign(basket.lines[1], {sku: 'POT-OLD', name: 'Old pot'});",
    )
    for path, lines in (("/basket", "#lines li"), ("/checkout", "#goods li")):
        page.goto(path)
        mug, pot, vase = (page.locator(lines).nth(place) for place in range(3))
        expect(mug.locator("s")).to_have_text("£12.50")
        expect(mug).to_contain_text("The price has changed since you chose it.")
        expect(pot).to_contain_text("Old pot")
        expect(pot).to_contain_text("We don't sell this any more.")
        expect(vase).to_contain_text("£26.00")
        expect(vase.locator("s")).to_have_count(0)
        total(page, "£43.95")
    known = basket_id(page)
    publish_meanwhile(visitor, lambda good: {**good, "prices": {**good["prices"], LIST: 1_500}})
    total(page, "£44.95")
    expect(page.locator("#goods s").first).to_have_text("£12.50")
    # Another price than the one in force at the first id's time.
    assert basket_id(page) != known
    visitor.context.unroute_all()
    visitor.fill_in_checkout()
    visitor.pay()
    visitor.see("Confirmed")
    [order] = visitor.orders()
    assert (order["line_count"], order["total"]) == (2, 4_395)


def test_the_quantity_that_is_shown_is_the_one_that_is_bought(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    visitor.fill_basket(MUG)
    page.goto("/basket")
    quantity = page.get_by_label("Quantity of Stoneware mug, sage")
    type_over(quantity, "3")
    quantity.press("Tab")
    total(page, "£45.95")
    expect(page.get_by_role("button", name="Remove Stoneware mug, sage")).to_be_focused()
    for typed in ("", "12.000", "1,5", "1_000", "1e3", "+5"):
        type_over(quantity, typed)  # a number field would make 15 of 1,5
        quantity.press("Tab")
        expect(quantity).to_have_value("3")
        expect(page.locator(f"#problem-{MUG}")).to_contain_text("A whole number from 1 to 999")
        total(page, "£45.95")
        page.get_by_role("link", name="Go to checkout").click()
        expect(quantity).to_be_focused()
        assert urlsplit(page.url).path == "/basket"
    type_over(quantity, "\u06612")
    quantity.press("Tab")
    expect(quantity).to_have_value("12")
    total(page, "£168.00")


@pytest.mark.every_browser
def test_a_quantity_of_nothing_takes_the_line_out_and_can_be_undone(
    visit: Visits, browser: Browser
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.fill_basket(MUG)
    page.goto("/basket")
    quantity = page.get_by_label("Quantity of Stoneware mug, sage")
    type_over(quantity, "0")
    quantity.press("Tab")
    expect(page.locator("#empty")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(quantity).to_have_value("1")
    # The way back to a page, after the basket was ordered meanwhile. Firefox has kept the page as
    # it was; Chromium, which may not while Playwright drives it, loads it again.
    kept = page.evaluate("localStorage['basket.retail']")
    for path in ("/basket", "/checkout"):
        page.evaluate("kept => localStorage.setItem('basket.retail', kept)", kept)
        page.goto(path)
        expect(page.locator("#goods li, #lines li")).to_have_count(1)
        page.evaluate(
            "addEventListener('pageshow', ({persisted}) => { window.restored = persisted; })"
        )
        page.goto("/")
        in_basket(page, "basket.lines = []")
        page.evaluate("setTimeout(() => history.back())")
        # Not `expect`: of a page that was kept, Playwright waits for a load that never comes.
        page.wait_for_function("document.querySelector('#empty')?.checkVisibility()")
        assert page.evaluate("window.restored ?? null") is (
            True if browser.browser_type.name == "firefox" else None
        )
    # It is in sight wherever the page was scrolled to.
    visitor.fill_basket(MUG, "TEAPOT-CLAY", "JUG-SEA")
    page.set_viewport_size({"width": 390, "height": 500})
    page.goto("/basket")
    page.get_by_role("button", name="Remove Milk jug, sea").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    expect(undo).to_be_in_viewport(ratio=1)
    undo.press("Enter")
    expect(page.get_by_role("link", name="Milk jug, sea")).to_be_focused()


@pytest.mark.chromium_only
def test_address_and_coupon_outlive_a_reload_and_a_declined_card(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    basket_with_coupon(visitor)
    visitor.fill_in_checkout()
    page.reload()
    expect(page.locator("#city")).to_have_value("Leeds")
    page.get_by_label("Test card that is declined").check()
    page.get_by_label("Coupon", exact=True).fill("FORGOTTEN")
    page.click("#pay")
    expect(page.locator("#coupon-problem")).to_contain_text("not used yet")
    expect(page.get_by_label("Coupon", exact=True)).to_be_focused()
    page.click("#pay")
    expect(page.locator("#failed")).to_contain_text("the card was declined")
    page.reload()
    expect(page.locator("#name")).to_have_value("Ada Buyer")
    total(page, "£16.55")
    visitor.pay()
    visitor.see("Confirmed")
    [order] = visitor.orders()
    assert order["total"] == 1_655


@pytest.mark.chromium_only
def test_a_price_that_the_store_refuses_after_all_is_shown_and_can_be_paid_anew(
    visit: Visits,
) -> None:
    """The page's catalogue is older than the store's book, in which a mug costs a pound more."""
    visitor = visit()
    page = visitor.page
    Store(visitor, prices=(1_500, 1_750, 1_900, 700, 825, 900))
    put: list[Any] = []
    released: list[str] = []
    proven: list[list[str]] = []

    def gateway(route: Route) -> None:
        asked: Any = route.request.post_data_json
        if route.request.url.endswith("/refund"):
            released.append(urlsplit(route.request.url).path.split("/")[3])
            proven.append(asked["proofs"])
            route.fulfill(status=204)
            return
        paid = {"reference": "pay_1", "currency": "GBP", "receipt": "k1.ab"}
        route.fulfill(json={**paid, "amount": asked["amount"]})

    def service(route: Route) -> None:
        put.append(route.request.post_data_json)
        id_ = urlsplit(route.request.url).path.rpartition("/")[2]
        if put[-1]["lines"][0]["unit_price"] == 1_500:
            accepted = {"order_id": id_, "accepted_at": "2026-11-23T10:00:00.000Z"}
            route.fulfill(status=201, json=accepted)
            return
        violation = {
            "rule": "unit_price_differs",
            "pointer": "/lines/0/unit_price",
            "detail": "By the price book it is 1500 minor units.",
            "expected": 1_500,
        }
        route.fulfill(
            status=422,
            headers={"content-type": "application/problem+json"},
            body=json.dumps({"violations": [violation]}),
        )

    visitor.context.route("**/_local/payments/**", gateway)
    visitor.answer_puts(service)
    visitor.ready_to_pay(MUG)
    total(page, "£17.95")
    refused = visitor.pay()
    visitor.see("Rejected")
    expect(page.locator(".violations")).to_have_text("Stoneware mug, sage: £14.00 is now £15.00.")
    page.get_by_role("button", name="Back to the checkout").click()
    expect(page.locator("#goods s")).to_have_text("£14.00")
    total(page, "£18.95")
    placed = visitor.pay()
    visitor.see("Accepted")
    assert (put[-1]["total"], put[-1]["payment"]["amount"]) == (1_895, 1_895)
    while not released:  # the page may have been left before the answer: the next asks again
        page.wait_for_timeout(50)
    assert set(released) == {refused}
    # Here the store did answer: the payment of an id under which it will take no order.
    key = visitor.stack.receipt_key
    ours = order_key(claims(visitor.token)["sub"], refused)
    assert is_proven(proven[-1][0], ours, {key.key_id: key.key})
    assert placed != refused


def test_on_a_phone_the_total_stands_above_the_button_that_pays(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.ready_to_pay(MUG)
    shown, button = page.locator("#sums .total").bounding_box(), page.locator("#pay").bounding_box()
    assert shown is not None
    assert button is not None
    assert shown["y"] + shown["height"] <= button["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.chromium_only
@pytest.mark.parametrize(
    ("country", "postal_code", "sums"),
    [("GB", "LS1 4AP", (12_600, 1_500, 2_820)), ("FR", "75001", (12_600, 1_500, 0))],
)
def test_a_wholesale_order_costs_what_the_book_says_for_where_it_goes(
    visit: Visits, country: str, postal_code: str, sums: tuple[int, int, int]
) -> None:
    visitor = visit("wholesale")
    page = visitor.page
    put: list[Order] = []
    page.on("request", lambda asked: put.extend(ordered(asked)))
    visitor.sign_in("/wholesale")
    page.fill("#sheet", "MUG-SAGE,6\nSOAP-MOSS,24")
    page.get_by_role("button", name="Add lines").click()
    expect(page.locator("#line-count")).to_have_text("2 lines")
    visitor.fill_in_checkout("/checkout?channel=wholesale")
    page.fill("#purchase_order", "PO-1")
    page.select_option("#country", country)
    page.fill("#postal_code", postal_code)
    visitor.pay()
    visitor.see("Confirmed")
    [sent] = put
    goods = sum(line.quantity * line.unit_price for line in sent.lines)
    assert (goods, sent.shipping, sent.tax) == sums
    assert pricing.check(sent, example().book("tests"), Clock().now()).refusals == []


def ordered(asked: Request) -> list[Order]:
    if asked.method != "PUT" or "/api/orders/" not in asked.url:
        return []
    read = content_of(asked.post_data_buffer or b"")
    assert isinstance(read, Content), read
    return [read.order]


@pytest.mark.chromium_only
def test_nothing_is_paid_while_the_price_for_another_country_is_asked_for(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    basket_with_coupon(visitor)
    visitor.fill_in_checkout()
    expect(page.locator("#pay")).to_be_enabled()
    waiting: list[Route] = []
    visitor.context.route("**/api/quotes", lambda route: waiting.append(route))
    page.select_option("#country", "FR")
    expect(page.locator("#pay")).to_be_disabled()
    page.fill("#postal_code", "75001")
    page.press("#postal_code", "Enter")
    assert urlsplit(page.url).path == "/checkout"
    [route] = waiting
    route.fallback()
    expect(page.locator("#pay")).to_be_enabled(timeout=60_000)
