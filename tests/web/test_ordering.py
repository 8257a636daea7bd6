"""Ordering in a browser: whatever happens on the way, it is one order, and it is not lost."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from spillway.price_book import catalogue, example
from spillway.run.stack import Stack
from spillway.run.stack.tokens import claims
from tests.e2e.shop import faulty
from tests.web.conftest import Visits
from tests.web.test_pages import wider_by
from tests.web.visitor import ARRIVED, Visitor, type_over

pytestmark = pytest.mark.timeout(600)

_LINES = 1_000
#: What the customer has seen at the store need not be in this browser any more.
_NOTHING_IS_KEPT = """() => new Promise((resolve) => {
    const opening = indexedDB.open("spillway-outbox");
    opening.onsuccess = () => {
        const counting = opening.result.transaction("orders").objectStore("orders").count();
        counting.onsuccess = () => { opening.result.close(); resolve(counting.result === 0); };
    };
})"""


def test_a_shopper_browses_buys_and_follows_the_order_to_its_end(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    page.goto("/")
    page.get_by_role("button", name="Add Teapot for four, clay to the basket").click()
    page.get_by_role("link", name="Stoneware mug, sage").click()
    page.get_by_label("Quantity").fill("2")
    page.get_by_role("button", name="Add to basket").click()
    page.get_by_role("link", name="Basket, 3 items").click()
    page.get_by_label("Coupon").fill("welcome10")
    page.get_by_role("button", name="Use").click()
    visitor.sign_in("/basket")
    expect(page.locator("#sums")).to_contain_text("Coupon WELCOME10")
    expect(page.locator("#sums .total")).to_contain_text("£63.00")
    page.get_by_role("link", name="Go to checkout").click()
    visitor.fill_in_checkout()
    id_ = visitor.pay()
    visitor.see("Confirmed")
    expect(page.locator(".steps li")).to_have_count(4)
    expect(page.locator("#basket-count")).to_have_text("")
    parcels_are_followed(visitor, id_)

    page.get_by_role("link", name="Your orders").first.click()
    expect(page.locator("#orders li")).to_have_count(1)
    expect(page.locator("#orders .badge")).to_have_text("Confirmed")
    [order] = visitor.orders()
    assert (order["order_id"], order["total"], order["currency"]) == (id_, 6300, "GBP")


def parcels_are_followed(visitor: Visitor, id_: str) -> None:
    """On the page of a confirmed order, while fulfilment tells of it."""
    page = visitor.page
    text, parcels = page.locator("#status-text"), page.locator(".parcels > li")
    order = {"customer_id": claims(visitor.token)["sub"], "order_id": id_}
    long = "W" * 100

    def tell(status: str, parcel: str, **more: Any) -> None:
        visitor.stack.tell_of_parcel(**order, status=status, parcel=parcel, **more)

    tell("shipped", "A1", carrier="DHL", tracking_number="JD0146", parcels=2)
    tell("delivered", "A1")
    page.reload()
    expect(text).to_contain_text("All that was sent so far has been delivered.")
    tell("shipped", long, carrier=long, tracking_number=long)
    page.reload()
    expect(text).to_contain_text("Your order is on its way.")
    expect(parcels).to_have_count(2)
    expect(parcels.first).to_contain_text("Parcel A1, DHL JD0146")
    expect(parcels.first.locator("bdi")).to_have_text(["A1", "DHL", "JD0146"])
    expect(parcels.first.locator("time")).to_have_count(2)
    expect(parcels.last.locator("time")).to_have_count(1)
    tell("returned", long)
    page.reload()
    expect(text).to_contain_text("so far has been delivered or come back.")
    tell("returned", "A1")
    page.reload()
    expect(text).to_have_text(re.compile("It came back on .*, and your payment .* refunded"))
    expect(parcels.first).to_contain_text("Came back")
    expect(page.get_by_role("button", name="Cancel this order")).to_be_hidden()
    page.set_viewport_size({"width": 320, "height": 800})
    assert wider_by(page) <= 0


def test_with_nothing_to_pay_no_card_is_asked_for_and_the_button_orders(
    stack: Stack, visit: Visits
) -> None:
    visitor = visit()
    page = visitor.page
    asked_to_pay: list[str] = []
    page.on("request", lambda request: asked_to_pay.append(request.url))
    visitor.sign_in()
    visitor.fill_basket("MUG-SAGE", "TEAPOT-CLAY")
    page.goto("/basket")
    page.get_by_label("Coupon").fill("onthehouse")
    page.get_by_role("button", name="Use").click()
    expect(page.locator("#sums .total")).to_contain_text("£0.00")
    visitor.fill_in_checkout()
    expect(page.locator("#pay")).to_have_text("Order")
    expect(page.get_by_label("Test card that is approved")).to_be_hidden()
    with faulty(stack, "accounting", outage=True):
        id_ = visitor.pay()
        visitor.see("Accepted")
        visitor.cancel()
        expect(page.locator("#status-text")).to_contain_text("We are cancelling it.")
    visitor.see("Cancelled")
    expect(page.locator("#status-text")).to_have_text("It was cancelled.")
    expect(page.locator(".steps")).to_contain_text("Nothing to refund")
    [order] = visitor.orders()
    assert (order["order_id"], order["total"]) == (id_, 0)
    assert not [url for url in asked_to_pay if "/_local/payments" in url]


def test_prices_and_orders_are_in_the_chosen_currency(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    page.goto("/product?sku=MUG-SAGE")
    page.get_by_label("Quantity").fill("3")
    page.get_by_label("Currency").select_option("EUR")
    expect(page.locator(".facts .price")).to_have_text("€16.50")
    expect(page.get_by_label("Quantity")).to_have_value("3")
    visitor.ready_to_pay("MUG-SAGE")
    visitor.pay()
    visitor.see(ARRIVED)
    [order] = visitor.orders()
    assert (order["currency"], order["total"]) == ("EUR", 1650 + 495)
    see_a_book_of_prices_alone(visitor, "USD")


def see_a_book_of_prices_alone(visitor: Visitor, currency: str) -> None:
    """A book needs no names, categories or drawings, and no currency that was chosen before."""
    page = visitor.page
    book = {name: value for name, value in catalogue(example()).items() if name != "categories"}
    prices = {f"retail {currency}": 3_250}
    book |= {"goods": [{"sku": "POT-1", "prices": prices}], "price_lists": [*prices]}
    listed = {"books": [{"begins": 0, "catalogue": "/catalogues/bare.json"}]}
    visitor.context.route("**/prices.json", lambda route: route.fulfill(json=listed))
    visitor.context.route("**/bare.json", lambda route: route.fulfill(json=book))
    page.goto("/")
    expect(page.locator("#grid")).to_contain_text("POT-1US$32.50")
    expect(page.get_by_label("Currency")).to_be_hidden()
    expect(page.locator("#categories a")).to_have_count(0)
    page.get_by_role("link", name="POT-1").click()
    expect(page.locator(".facts")).to_contain_text("US$32.50")
    expect(page.locator("#product")).not_to_contain_text("undefined")


def test_a_wholesale_buyer_uploads_a_thousand_lines_of_which_three_are_bad(visit: Visits) -> None:
    visitor = visit("wholesale")
    page = visitor.page
    visitor.sign_in("/wholesale")
    skus = ("SOAP-MOSS", "SOAP-HEATHER", "TOWEL-SEA", "BRUSH-OAK")
    lines = [f"{skus[number % 4]},{24 * (1 + number % 9)}" for number in range(_LINES)]
    lines[9], lines[499], lines[999] = "NO-SUCH,24", "TOWEL-SEA,25", "BRUSH-OAK,some"
    sheet = "\n".join(["sku,quantity", *lines])

    page.evaluate(
        "window.renderings = 0;"
        "new MutationObserver(() => { window.renderings += 1; })"
        ".observe(document.querySelector('#rows'), {childList: true})"
    )
    page.set_input_files(
        "#file", {"name": "order.csv", "mimeType": "text/csv", "buffer": sheet.encode()}
    )
    expect(page.locator("#line-count")).to_have_text("997 lines")
    assert page.evaluate("window.renderings") == 1, "all lines at once, not one by one"
    expect(page.locator("#errors-list li")).to_have_text(
        [
            "Row 11, column A: “NO-SUCH” isn't in our catalogue. Check how it is spelt.NO-SUCH,24",
            "Row 501, column B: It is sold in cases of 12: order 24 or 36.TOWEL-SEA,25",
            "Row 1,001, column B: “some” isn't a whole number from 1 to 1,000,000.BRUSH-OAK,some",
        ]
    )
    expect(page.locator("#rows tr")).to_have_count(997)

    # The bad lines are in the box, to be mended there.
    assert page.input_value("#sheet").splitlines()[2] == "TOWEL-SEA,25"
    page.fill("#sheet", "TOWEL-SEA,24")
    page.get_by_role("button", name="Add lines").click()
    page.get_by_role("button", name="Add: 998 lines then").click()
    expect(page.locator("#line-count")).to_have_text("998 lines")
    expect(page.locator("#errors")).to_be_hidden()
    page.get_by_role("button", name="Remove Linen tea towel, sea").last.click()
    expect(page.locator("#line-count")).to_have_text("997 lines")
    quantity = page.locator("#rows input").nth(500)
    type_over(quantity, "240")
    quantity.press("Tab")
    page.get_by_label("Purchase order number").fill("PO-4711")
    stored = (
        "JSON.parse(localStorage['basket.wholesale']).lines"
        ".map(({sku, quantity}) => [sku, quantity])"
    )
    wanted = page.evaluate(stored)
    page.get_by_role("link", name="Go to checkout").click()
    visitor.fill_in_checkout("/checkout?channel=wholesale")
    assert page.input_value("#purchase_order") == "PO-4711"
    visitor.pay()
    visitor.see("Confirmed")
    expect(page.get_by_text("Your purchase order: PO-4711")).to_be_visible()
    [order] = visitor.orders()
    assert (order["channel"], order["line_count"]) == ("wholesale", 997)

    # The order's page has all lines, as the buyer's list has them. One press orders them again.
    rows = (
        "[...document.querySelectorAll('.sheet tbody tr')].map((row) => row.innerText.split('\\t'))"
    )
    assert [[row[0], int(row[3])] for row in page.evaluate(rows)] == wanted
    page.get_by_role("button", name="Order again").click()
    expect(page.locator("#line-count")).to_have_text("997 lines")
    assert page.evaluate(stored) == wanted
    page.reload()
    expect(page.locator("#line-count")).to_have_text("997 lines")
    page.goto("/checkout?channel=wholesale")
    expect(page.get_by_label("Street and number")).not_to_have_value("")


@pytest.mark.every_browser
def test_offline_in_the_middle_of_checkout_tab_closed_come_back_one_order(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    visitor.context.set_offline(True)
    visitor.page.click("#pay")
    expect(visitor.page.get_by_text("Your order is kept in this browser.")).to_be_visible()
    expect(visitor.page.locator("#kept-why")).to_have_text("You are offline.")
    visitor.page.close()
    assert visitor.orders() == []

    visitor.context.set_offline(False)
    page = visitor.open_tab()
    page.goto("/")
    page.get_by_role("button", name="Sign in and send it").wait_for()
    visitor.sign_in("/orders")
    expect(page.locator("#kept li")).to_have_count(0)
    page.wait_for_function(_NOTHING_IS_KEPT)
    page.locator("#orders a").click()
    visitor.see(ARRIVED)
    assert [order["order_id"] for order in visitor.orders()] == [visitor.order_id()]


@pytest.mark.every_browser
def test_a_store_out_of_reach_while_the_network_looks_well_is_waited_for(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    visitor.ready_to_pay()
    visitor.context.route("**", lambda route: route.abort())
    page.click("#pay")
    expect(page.get_by_text("Your order is kept in this browser.")).to_be_visible()
    expect(page.locator("#kept-why")).to_have_text("The store can't be reached just now.")
    assert page.evaluate("navigator.onLine")
    assert urlsplit(page.url).path == "/checkout"
    visitor.context.unroute_all()
    page.wait_for_url("**/order?id=*")
    visitor.see(ARRIVED)
    assert len(visitor.orders()) == 1


@pytest.mark.chromium_only
def test_the_answer_is_lost_the_tab_closed_come_back_one_order(visit: Visits) -> None:
    visitor = visit()
    answers = []

    def lose(route: Route) -> None:
        answers.append(route.fetch().status)
        route.abort()

    visitor.answer_puts(lose)
    visitor.ready_to_pay()
    visitor.page.click("#pay")
    expect(visitor.page.get_by_text("Your order is kept in this browser.")).to_be_visible()
    visitor.page.goto("/")
    expect(visitor.page.locator("#outbox")).to_contain_text("An order is still being sent")
    visitor.page.get_by_role("link", name="Follow the order").click()
    visitor.see("Sending")
    expect(visitor.page.locator("#status-text")).to_contain_text("The store can't be reached")
    expect(visitor.page.locator(".ordered li")).to_have_count(1)
    expect(visitor.page.locator("#outbox")).to_be_hidden()
    id_ = visitor.order_id()
    visitor.page.close()
    assert answers[0] == 201

    visitor.context.unroute_all()
    page = visitor.open_tab()
    visitor.sign_in()
    page.goto(f"/order?id={id_}")
    visitor.see(ARRIVED)
    assert [order["order_id"] for order in visitor.orders()] == [id_]


def test_a_device_whose_clock_is_a_day_ahead_signs_in_and_orders(visit: Visits) -> None:
    visitor = visit()
    visitor.context.add_init_script("const now = Date.now; Date.now = () => now() + 90_000_000")
    visitor.sign_in()
    visitor.fill_basket()
    visitor.fill_in_checkout()
    visitor.pay()
    visitor.see(ARRIVED)
    assert [order["order_id"] for order in visitor.orders()] == [visitor.order_id()]


def test_signed_out_meanwhile_the_button_leads_to_the_sign_in(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    visitor.page.evaluate("sessionStorage.clear()")  # as browsers do on demand, and tell nobody
    visitor.page.click("#pay")
    expect(visitor.page.locator("#signed-out")).to_contain_text("sign in")
    assert (visitor.payments, visitor.puts) == (0, [])


def test_pressed_five_times_fast_it_is_one_order(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    visitor.page.evaluate(
        "for (let press = 0; press < 5; press++)"
        " document.querySelector('#checkout').requestSubmit()"
    )
    visitor.page.wait_for_url("**/order?id=*")
    visitor.see(ARRIVED)
    assert [order["order_id"] for order in visitor.orders()] == [visitor.order_id()]
    assert set(visitor.puts) == {visitor.order_id()}


@pytest.mark.every_browser
def test_the_same_basket_paid_in_two_tabs_is_one_order(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    first = visitor.page
    second = visitor.open_tab()
    second.goto("/checkout")
    expect(second.locator("#city")).to_have_value("Leeds")
    expect(second.locator("#pay")).to_be_enabled()
    for tab in (first, second):
        tab.evaluate("setTimeout(() => document.querySelector('#checkout').requestSubmit(), 50)")
    first.wait_for_url("**/order?id=*")
    visitor.page = first
    visitor.see(ARRIVED)
    assert [order["order_id"] for order in visitor.orders()] == [visitor.order_id()]


@pytest.mark.chromium_only
def test_ten_times_503_and_still_one_order(visit: Visits) -> None:
    visitor = visit()
    sent: list[str | None] = []

    def busy(route: Route) -> None:
        sent.append(route.request.post_data)
        if len(sent) > 10:
            route.fallback()
        else:
            route.fulfill(status=503, headers={"retry-after": "2"}, body="{}")

    visitor.answer_puts(busy)
    visitor.ready_to_pay()
    visitor.context.clock.install()
    id_ = visitor.pay()
    visitor.see("Sending")
    expect(visitor.page.locator("#status-text")).to_contain_text("very busy")
    for tries in range(2, 12):
        # A pause is a minute at most, here it passes at once.
        visitor.page.clock.fast_forward(61_000)
        visitor.page.wait_for_timeout(20)
        while len(sent) < tries:
            visitor.page.clock.fast_forward(1_000)
            visitor.page.wait_for_timeout(50)
    assert len(set(sent)) == 1, "the same request every time"
    while visitor.page.locator(".is-confirmed").count() == 0:
        visitor.page.clock.fast_forward(10_000)
        visitor.page.wait_for_timeout(100)
    assert [order["order_id"] for order in visitor.orders()] == [id_]


@pytest.mark.chromium_only
def test_202_means_accepted_although_it_can_t_be_read_yet(visit: Visits) -> None:
    visitor = visit()
    placed: list[Route] = []

    def overflow(route: Route) -> None:
        placed.append(route)
        answer = route.fetch()
        route.fulfill(status=202, json=answer.json())

    visitor.answer_puts(overflow)
    reads = iter(range(1))
    visitor.context.route(
        "**/api/orders/*",
        lambda route: (
            route.fulfill(status=404, json={"title": "Not Found"})
            if route.request.method == "GET" and next(reads, None) is not None
            else route.fallback()
        ),
    )
    visitor.ready_to_pay()
    visitor.pay()
    expect(visitor.page.locator("#status-text")).to_contain_text("will place it within minutes")
    visitor.see("Confirmed")
    assert len(visitor.orders()) == 1


def test_a_declined_card_orders_nothing_and_another_one_is_tried_at_once(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    page = visitor.page
    page.get_by_label("Test card that is declined").check()
    page.click("#pay")
    expect(page.locator("#failed")).to_have_text(
        "We couldn't take this order: the card was declined. No money was taken."
    )
    assert urlsplit(page.url).path == "/checkout"
    assert (visitor.orders(), visitor.puts) == ([], [])
    page.get_by_label("Test card that is approved").check()
    visitor.pay()
    visitor.see(ARRIVED)
    assert len(visitor.orders()) == 1


def test_what_is_declined_after_its_page_was_left_is_told_on_the_next_one(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    visitor.ready_to_pay()
    visitor.context.route("**/_local/payments/**", lambda route: route.abort())
    page.get_by_label("Test card that is declined").check()
    page.click("#pay")
    expect(page.get_by_text("Your order is kept in this browser.")).to_be_visible()
    visitor.fill_basket("TEAPOT-CLAY")
    visitor.context.unroute_all()
    page.goto("/")
    page.get_by_role("link", name="See why, and order again").click()
    visitor.see("Rejected")
    expect(page.locator("#outbox")).to_be_hidden()
    expect(page.locator(".ordered li")).to_contain_text("Stoneware mug, sage")
    page.get_by_role("button", name="Back to the checkout").dblclick()
    expect(page.locator("#goods .what > span:first-child")).to_have_text(
        ["Stoneware mug, sage", "Teapot for four, clay"]
    )
    expect(page.locator("#goods .sum").first).to_have_text("£14.00")
    expect(page.locator("#city")).to_have_value("Leeds")


def test_what_arrived_after_its_page_was_left_is_told_until_it_was_seen(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    visitor.ready_to_pay()
    visitor.context.route("**/_local/payments/**", lambda route: route.abort())
    page.click("#pay")
    expect(page.get_by_text("Your order is kept in this browser.")).to_be_visible()
    expect(page.locator("#outbox")).to_be_hidden()
    page.reload()
    expect(page.locator("#outbox")).to_contain_text("An order is still being sent")
    visitor.context.unroute_all()
    for _ in range(2):
        page.reload()
        expect(page.locator("#outbox")).to_contain_text("The store has your order of £17.95.")
    page.get_by_role("link", name="See it").click()
    visitor.see(ARRIVED)
    expect(page.locator("#outbox")).to_be_hidden()
    page.wait_for_function(_NOTHING_IS_KEPT)


@pytest.mark.chromium_only
def test_what_the_store_refuses_is_said_with_its_reason(visit: Visits) -> None:
    visitor = visit()

    def spoil(route: Route) -> None:
        """On its way: whatever the form lets through, the store takes."""
        order: Any = route.request.post_data_json
        order["address"]["city"] = "Leeds\n"
        route.continue_(post_data=json.dumps(order))

    visitor.answer_puts(spoil)
    visitor.ready_to_pay()
    visitor.pay()
    visitor.see("Rejected")
    expect(visitor.page.locator("#status-text")).to_contain_text("Your payment was refunded")
    assert visitor.orders() == []


def test_out_of_stock_is_shown_as_the_reason(stack: Stack, visit: Visits) -> None:
    visitor = visit()
    with faulty(stack, "inventory", refuse_skus=["VASE-CLAY"]):
        visitor.ready_to_pay("VASE-CLAY")
        visitor.pay()
        visitor.see("Rejected")
    expect(visitor.page.locator("#status-text")).to_have_text(
        "We could not fulfil it: out of stock. Your payment was refunded."
    )
    visitor.page.get_by_role("button", name="Order again").click()
    expect(visitor.page.locator("#lines")).to_contain_text("Bud vase, clay")


def test_what_nobody_has_confirmed_is_not_called_accepted(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    visitor.ready_to_pay()
    visitor.pay()
    visitor.see("Confirmed")
    confirmed = page.url
    # Neither the store nor its catalogue, which an order can be followed without.
    visitor.context.route("**/prices.json", lambda route: route.abort())
    visitor.context.route("**/api/orders/*", lambda route: route.fulfill(status=503, json={}))
    page.goto("/order?id=0199aaaa-0000-7000-8000-000000000000")
    visitor.see("Not known yet")
    expect(page.locator("#status-text")).to_contain_text("The store can't be reached just now.")
    # What does not name the order is somebody else's answer, such as a Wi-Fi's.
    visitor.context.route("**/api/orders/*", lambda route: route.fulfill(status=200, json={}))
    page.goto(confirmed)
    visitor.see("Not known yet")
    visitor.context.unroute_all()
    page.reload()
    visitor.see("Confirmed")
    # The answer that a customer did not mean to give can be taken back.
    page.get_by_role("button", name="Cancel this order").click()
    page.get_by_role("button", name="Keep it").click()
    visitor.context.route("**/api/orders/**", lambda route: route.fulfill(status=400, json={}))
    page.set_viewport_size({"width": 390, "height": 600})
    page.get_by_role("button", name="Cancel this order").click()
    expect(page.locator("#sure-text")).to_contain_text("£17.95? Your payment will be refunded.")
    page.get_by_role("button", name="Yes, cancel it").click()
    text = page.locator("#status-text")
    expect(text).to_have_text(re.compile("^Your request may not have reached the store"))
    expect(text).to_contain_text(": confirmed. The store can't be reached just now.")
    expect(text).to_be_in_viewport()
    expect(page.locator("#outbox")).to_be_hidden()
    expect(page.locator("#status-badge")).to_have_text("Confirmed")


def test_cancelled_in_time(stack: Stack, visit: Visits) -> None:
    visitor = visit()
    with faulty(stack, "inventory", outage=True):
        visitor.ready_to_pay()
        visitor.pay()
        visitor.see("Accepted")
        visitor.cancel()
        expect(visitor.page.locator("#status-text")).to_contain_text("cancel")
        expect(visitor.page.get_by_role("button", name="Cancel this order")).to_be_hidden()
    visitor.see("Cancelled")
    expect(visitor.page.locator("#status-text")).to_have_text(
        "It was cancelled, and your payment was refunded."
    )


def test_cancelled_too_late(stack: Stack, visit: Visits) -> None:
    visitor = visit()
    with faulty(stack, "fulfilment", too_late=True):
        visitor.ready_to_pay()
        visitor.pay()
        visitor.see("Confirmed")
        visitor.cancel()
        expect(visitor.page.locator("#status-text")).to_contain_text("too late to cancel")
    visitor.see("Confirmed")


def test_another_customer_s_order_is_not_there(visit: Visits) -> None:
    visitor, another = visit(), visit()
    visitor.ready_to_pay()
    id_ = visitor.pay()
    visitor.see(ARRIVED)
    another.sign_in()
    with another.page.expect_response(f"**/api/orders/{id_}") as answer:
        another.page.goto(f"/order?id={id_}")
    assert answer.value.status == 404
    nowhere = another.page.get_by_text("There is no such order in your account")
    expect(nowhere).to_be_visible()
    expect(another.page.locator("#order")).to_be_hidden()
    # A path of the API, or nothing, is no order either: nobody is told to wait for the store.
    for address in ("", "?id=..", f"?id={id_}/cancellation", f"?id={id_}%23progress"):
        another.page.goto(f"/order{address}")
        expect(nowhere).to_be_visible()
    visitor.page.goto(f"/order?id=%20{id_.upper()}")
    visitor.see(ARRIVED)
