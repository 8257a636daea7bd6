"""What holds on every page: who may use it, what may run in it, who is signed in."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from infra.bundle import ROOT
from spillway.run.stack import Stack
from spillway.run.storefront.site import page_sources
from tests.web.conftest import Visits
from tests.web.visitor import ARRIVED, Visitor

AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
#: WCAG 2.2 at levels A and AA, and what axe's authors call good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: All that a colour scheme changes.
COLOURS = ["color-contrast", "link-in-text-block"]


def violations(page: Page) -> list[str]:
    """What axe finds wrong, in both colour schemes."""
    page.evaluate(AXE)
    page.emulate_media(color_scheme="light")
    found = run(page, {"type": "tag", "values": RULES})
    page.emulate_media(color_scheme="dark")
    return [*found, *run(page, {"type": "rule", "values": COLOURS})]


def run(page: Page, only: dict[str, object]) -> list[str]:
    options = {"runOnly": only, "resultTypes": ["violations"]}
    result = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{page.url}: {violation['help']}: {[node['target'] for node in violation['nodes']]}"
        for violation in result["violations"]
    ]


def test_every_page_passes_axe(visit: Visits) -> None:
    visitor = visit("wholesale", "approvers")
    page = visitor.page
    found: list[str] = []
    seen: set[str] = set()

    def look(path: str, ready: str) -> None:
        page.goto(path)
        page.wait_for_selector(ready, state="visible")
        seen.add(path.strip("/").partition("?")[0] or "index")
        found.extend(violations(page))

    look("/checkout", "#empty")
    look("/wholesale", "#signed-out")
    look("/order?id=0199aaaa-0000-7000-8000-000000000000", "#signed-out")
    visitor.sign_in("/basket")
    look("/basket", "#empty")
    look("/orders", "#none")
    look("/approvals", "#none")
    look("/order?id=1", "#nowhere")
    look("/signed-in", "#failed")
    look("/not-found", "h1")
    look("/", ".card")
    look("/product?sku=TEAPOT-CLAY", ".facts")
    page.get_by_role("button", name="Add to basket").click()
    look("/basket", "#lines li")
    page.goto("/checkout")
    page.click("#pay")
    found.extend(violations(page))
    visitor.fill_in_checkout()
    visitor.pay()
    visitor.see("Confirmed")
    page.get_by_role("button", name="Cancel this order").click()
    found.extend(violations(page))
    page.get_by_role("button", name="Keep it").click()
    found.extend(violations(page))
    look("/orders", "#orders li")
    page.goto("/wholesale")
    page.fill("#sheet", "MUG-SAGE,12\nNOPE,1\nPLATE-OAT,6")
    page.get_by_role("button", name="Add lines").click()
    found.extend(violations(page))
    seen.add("wholesale")
    look("/api-docs", "#who p")
    assert found == []
    assert seen == set(dict(page_sources()))


def test_the_policy_is_the_deployed_one_and_is_strict(stack: Stack) -> None:
    answer = httpx.get(stack.origin, trust_env=False)
    assert answer.status_code == 200
    assert "cloudfront" in answer.headers["x-cache"]
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy


@pytest.mark.parametrize(
    "attempt",
    [
        "document.body.append(Object.assign(document.createElement('script'), {text: 'run = 1'}))",
        "document.body.innerHTML = '<img src=x onerror=\"run = 1\">'",
        "new Function('run = 1')()",
    ],
    ids=["inline script", "markup", "evaluated text"],
)
def test_what_is_smuggled_in_does_not_run(visit: Visits, attempt: str) -> None:
    visitor = visit()
    visitor.page.goto("/")
    # From a timer: the policy does not apply to what a test evaluates directly.
    visitor.page.evaluate(f"setTimeout(() => {{ {attempt} }})")
    while not visitor.complaints:
        visitor.page.wait_for_timeout(20)
    assert visitor.page.evaluate("typeof run") == "undefined"
    visitor.complaints.clear()


def test_an_address_that_means_nothing_is_404_with_a_way_back(stack: Stack, visit: Visits) -> None:
    answer = httpx.get(f"{stack.origin}/no/such/page", trust_env=False)
    assert answer.status_code == 404
    assert "text/html" in answer.headers["content-type"]
    assert "x-amz-meta-status" not in answer.headers
    visitor = visit()
    visitor.page.goto("/no/such/page")
    visitor.page.get_by_role("link", name="To the shop").click()
    expect(visitor.page.locator(".card").first).to_be_visible()


def test_the_api_s_own_404_is_not_replaced_by_a_page(stack: Stack) -> None:
    token = stack.token("shopper")
    answer = httpx.get(
        f"{stack.api}/orders/0199aaaa-0000-7000-8000-000000000000",
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    )
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def stored(visitor: Visitor, storage: str) -> str:
    text: str = visitor.page.evaluate(f"JSON.stringify({{...{storage}}})")
    return text


def test_what_keeps_a_page_from_working_is_said_with_a_way_on(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    page.clock.install()
    for path in ("**/prices.json", "**/catalogues/*"):
        visitor.context.route(path, lambda route: route.fulfill(status=503))
        page.goto("/product?sku=MUG-SAGE")
        expect(page.get_by_role("alert")).to_contain_text("can't be loaded just now")
        visitor.context.unroute_all()
        if path == "**/prices.json":
            page.get_by_role("button", name="Try again").click()
        else:
            page.clock.fast_forward(15_000)
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.locator(".facts")).to_be_visible()
    page.get_by_label("Quantity").fill("12.000")
    page.get_by_role("button", name="Add to basket").click()
    expect(page.locator("#quantity-problem")).to_contain_text("A whole number")

    # One of a dozen files is lost in a tunnel.
    visitor.context.route("**/assets/basket.*", lambda route: route.abort())
    page.goto("/")
    slow = page.locator("#slow")
    slow.evaluate("element => element.getAnimations().forEach((one) => one.finish())")
    expect(slow).to_be_visible()
    visitor.context.unroute_all()
    slow.get_by_role("link").click()
    expect(page.locator(".card").first).to_be_visible()

    for name in ("localStorage", "sessionStorage"):
        visitor.context.add_init_script(
            f"Object.defineProperty(window, '{name}', "
            "{ get() { throw new DOMException('', 'SecurityError'); } })"
        )
    page.goto("/product?sku=MUG-SAGE")
    page.get_by_role("button", name="Add to basket").click()
    expect(page.get_by_role("alert")).to_contain_text("Your browser stores nothing for this shop")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("So you can't sign in.")


@pytest.mark.chromium_only
def test_without_javascript_the_shop_says_that_it_needs_it(stack: Stack, browser: Browser) -> None:
    context = browser.new_context(base_url=stack.origin, java_script_enabled=False)
    bare = context.new_page()
    bare.goto("/")
    expect(bare.get_by_text("please allow JavaScript")).to_be_visible()
    context.close()


def test_tokens_end_with_the_tab_and_signing_out_ends_them_at_once(visit: Visits) -> None:
    visitor = visit()
    visitor.sign_in()
    token = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
    assert token.search(stored(visitor, "sessionStorage"))
    assert not token.search(stored(visitor, "localStorage"))
    assert visitor.page.evaluate("document.cookie") == ""
    visitor.page.reload()
    expect(visitor.page.locator("#account")).to_contain_text("Sign out")

    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.wait_for_url(f"{visitor.stack.origin}/")
    expect(visitor.page.locator("#account")).to_contain_text("Sign in")
    assert not token.search(stored(visitor, "sessionStorage"))
    visitor.page.goto("/orders")
    expect(visitor.page.get_by_text("Please sign in to see them.")).to_be_visible()


def test_a_token_that_ended_is_renewed_without_the_customer(visit: Visits) -> None:
    visitor = visit()
    visitor.sign_in()
    visitor.page.evaluate(
        "sessionStorage.setItem('session', JSON.stringify("
        "{...JSON.parse(sessionStorage.getItem('session')), access_token: 'ended', ends_at: 0}))"
    )
    visitor.page.reload()
    expect(visitor.page.locator("#none")).to_be_visible()
    expect(visitor.page.locator("#account")).to_contain_text("Sign out")


def test_a_sign_in_that_was_begun_elsewhere_is_refused(visit: Visits) -> None:
    visitor = visit()
    visitor.page.goto("/signed-in?code=stolen&state=forged")
    expect(visitor.page.get_by_text("Sign-in failed.", exact=False)).to_be_visible()


def test_a_shopper_has_no_wholesale(visit: Visits) -> None:
    visitor = visit()
    visitor.sign_in("/wholesale")
    expect(visitor.page.get_by_text("This account may not order wholesale.")).to_be_visible()
    expect(visitor.page.locator("#quick-order")).to_be_hidden()


def test_the_documentation_s_forms_place_a_real_order(visit: Visits) -> None:
    visitor = visit()
    visitor.sign_in("/api-docs")
    form = visitor.page.locator("#placeOrder form")
    form.get_by_role("button", name="Fill in a new order").click()
    expect(form.locator("textarea")).to_have_value(re.compile("receipt"))
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    form.get_by_label("traceparent").fill(trace)
    with visitor.page.expect_request("**/api/orders/*") as request:
        form.get_by_role("button", name="Send").click()
    assert request.value.headers["traceparent"] == trace
    expect(form.locator(".answer")).to_contain_text("201")
    assert len(visitor.orders()) == 1


def test_the_keyboard_alone_gets_to_the_content_and_into_the_basket(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    page.goto("/product?sku=JUG-SEA")
    page.wait_for_selector(".facts")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Add to basket")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#basket-count")).to_have_text("1")
    expect(page.locator("#notice")).to_have_text("Milk jug, sea is in your basket.")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_have_text("Milk jug, sea: 2 are in your basket.")


def test_no_page_is_wider_than_its_screen(visit: Visits) -> None:
    visitor = visit()
    for name in sorted(dict(page_sources())):
        visitor.page.goto("/" if name == "index" else f"/{name}")
        expect(visitor.page.locator("#account button")).to_be_visible()
        for width in (320, 390, 1280):
            visitor.page.set_viewport_size({"width": width, "height": 800})
            assert wider_by(visitor.page) <= 0, (name, width)


def test_neither_a_long_word_nor_large_text_makes_a_page_wider(visit: Visits) -> None:
    visitor = visit()
    page = visitor.page
    long = "W" * 64

    def fits() -> None:
        for width, size in ((320, "100%"), (390, "200%")):
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
            assert wider_by(page) <= 0, (page.url, width, size)

    page.goto("/")
    page.locator(".card").first.wait_for()
    fits()
    visitor.fill_basket("MUG-SAGE", "BLANKET-HEATHER")
    fits()
    page.goto("/basket")
    page.get_by_label("Coupon", exact=True).fill(long)
    page.get_by_role("button", name="Use").click()
    expect(page.locator("#coupons")).to_contain_text(long)
    fits()
    visitor.sign_in("/checkout")
    expect(page.locator("#coupon-problem")).to_contain_text(long)
    visitor.fill_in_checkout()
    for field in ("name", "street", "street2", "city"):
        page.fill(f"#{field}", 3 * long)
    fits()
    visitor.pay()
    visitor.see(ARRIVED)
    expect(page.locator("address")).to_contain_text(3 * long)
    fits()
    page.goto("/orders")
    page.locator("#orders li").wait_for()
    fits()


def wider_by(page: Page) -> int:
    """CSS pixels by which a page is wider than its screen."""
    overflow: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return overflow
