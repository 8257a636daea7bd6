"""A customer at a browser: what they do in the shop, and what their browser complains of."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route, expect

from spillway.run.stack import Stack
from spillway.run.stack.tokens import claims
from spillway.run.stack.users import email
from tests.builders import order_body, order_id

#: The store has it; how far it is by now does not matter.
ARRIVED = re.compile("Accepted|Confirmed")
#: Badges of an order that the store has and has not finished.
_AT_THE_STORE = ("Accepted", "Being cancelled", "Being rejected")
#: As long as two looks at an order that is reserved take.
_PATIENCE_MS = 5_000
_RELOADS_MAX = 20
#: What the browser logs of an answer of 400 and above, or of no connection.
_NETWORK = "Failed to load resource"


def type_over(field: Locator, text: str) -> None:
    """By the keys, as a person does. What Playwright fills in for Firefox is no change of the
    customer's to the page, nor are characters without a key."""
    field.press("ControlOrMeta+A")
    if text:
        field.press_sequentially(text)
    else:
        field.press("Delete")


class Visitor:
    """One browser profile (its storage, its tabs), and the customer it signs in."""

    def __init__(self, stack: Stack, browser: Browser, name: str, password: str) -> None:
        self.stack = stack
        self.name = name
        self.context = browser.new_context(base_url=stack.origin, locale="en-GB")
        self.complaints: list[str] = []
        #: The id of each order that was put, in the order of the requests.
        self.puts: list[str] = []
        #: How often the gateway was asked for a payment.
        self.payments = 0
        self._password = password
        self.page = self.open_tab()

    def open_tab(self) -> Page:
        """A new tab: signed in if another one is."""
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._count)
        return self.page

    def sign_in(self, back: str = "/orders") -> None:
        page = self.page
        page.goto(back)
        page.locator("#account").get_by_role("button", name="Sign in").click()
        page.fill("#username", email(self.name))
        page.fill("#password", self._password)
        page.click("button[type=submit]")
        page.wait_for_url(f"**{back}")
        expect(page.locator("#account")).to_contain_text("Sign out")

    def fill_basket(self, *skus: str) -> None:
        for sku in skus or ("MUG-SAGE",):
            self.page.goto(f"/product?sku={sku}")
            self.page.get_by_role("button", name="Add to basket").click()

    def fill_in_checkout(self, path: str = "/checkout") -> None:
        page = self.page
        page.goto(path)
        page.fill("#name", "Ada Buyer")
        page.fill("#street", "1 High Street")
        page.fill("#postal_code", "LS1 4AP")
        page.fill("#city", "Leeds")

    def ready_to_pay(self, *skus: str) -> None:
        """Signed in, with a basket, at the checkout, with everything filled in."""
        self.fill_basket(*skus)
        self.be_signed_in()
        self.fill_in_checkout()

    def be_signed_in(self) -> None:
        """From the next page on, by what `sign_in` leaves in this tab: four pages less."""
        tokens = self.stack.pool.tokens(self.name, self._password)
        who = claims(tokens["IdToken"])
        groups, limit = who.get("cognito:groups", ()), who.get("purchase_limit")
        session = {
            "access_token": tokens["AccessToken"],
            "id_token": tokens["IdToken"],
            "refresh_token": tokens["RefreshToken"],
            "customer": {
                "sub": who["sub"],
                "name": who["email"],
                "trade": "wholesale" in groups,
                "approves": "approvers" in groups,
                "limits": {} if limit is None else {"wholesale": int(limit)},
            },
        }
        self.page.evaluate(
            """([session, seconds]) => {
                session.ends_at = Date.now() + seconds * 1_000;
                sessionStorage.setItem("session", JSON.stringify(session));
                localStorage.setItem("signed-in", "1");
            }""",
            [session, tokens["ExpiresIn"]],
        )

    def place_for(self, company: str, **fields: Any) -> str:
        """A wholesale order of 905, without the browser; returns its id."""
        id_ = order_id(time.time_ns() // 1_000_000)
        keys: dict[str, Any] = {"key": self.stack.receipt_key.key, "customer_id": company}
        if self.stack.price_key is not None:
            keys["price_key"] = self.stack.price_key.key
        body = order_body(id_, channel="wholesale", purchase_order=id_, **keys, **fields)
        answer = httpx.put(
            f"{self.stack.api}/orders/{id_}",
            headers={"authorization": self.token},
            json=body,
            trust_env=False,
            timeout=30,
        )
        assert answer.status_code in (200, 201), answer.text
        return id_

    def pay(self) -> str:
        """Press "pay"; returns the order's id."""
        self.page.click("#pay")
        self.page.wait_for_url("**/order?id=*")
        return self.order_id()

    def cancel(self) -> None:
        """Cancel the order on this page, and say yes when asked."""
        self.page.get_by_role("button", name="Cancel this order").click()
        self.page.get_by_role("button", name="Yes, cancel it").click()

    def order_id(self) -> str:
        [id_] = parse_qs(urlsplit(self.page.url).query)["id"]
        return id_

    def see(self, status: str | re.Pattern[str]) -> None:
        """Wait until the page that is open says that the order has come so far.

        A page looks ever more rarely at an order that takes long. Customers load it again, which
        looks at once.
        """
        badge = self.page.locator("#status-badge")
        for _ in range(_RELOADS_MAX):
            try:
                return expect(badge).to_have_text(status, timeout=_PATIENCE_MS)
            except AssertionError:
                if badge.inner_text() in _AT_THE_STORE:
                    self.page.reload()
        return expect(badge).to_have_text(status)

    def answer_puts(self, route: Any) -> None:
        """Let `route` answer the PUTs of orders, in every tab."""

        def put_only(given: Route) -> None:
            if given.request.method == "PUT":
                route(given)
            else:
                given.fallback()

        self.context.route("**/api/orders/*", put_only)

    @property
    def token(self) -> str:
        return f"Bearer {self.stack.pool.token(self.name, self._password)}"

    def orders(self) -> list[dict[str, Any]]:
        """All that the service has of this customer, asked without the browser."""
        answer = httpx.get(
            f"{self.stack.api}/orders?limit=100",
            headers={"authorization": self.token},
            trust_env=False,
            timeout=30,
        )
        orders: list[dict[str, Any]] = answer.raise_for_status().json()["orders"]
        return orders

    def _count(self, request: Any) -> None:
        path = urlsplit(request.url).path
        self.payments += request.method == "PUT" and path.startswith("/_local/payments/")
        if request.method == "PUT" and re.fullmatch("/api/orders/[^/]+", path):
            self.puts.append(path.split("/")[3])

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_NETWORK):
            self.complaints.append(message.text)
