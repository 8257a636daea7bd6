"""The checkout's form: what is wrong is said at its field, before anything is paid."""

from __future__ import annotations

import json
import re
import secrets

import pytest
from playwright.sync_api import Page, Route, expect

from tests.web.conftest import Visits
from tests.web.visitor import ARRIVED, Visitor

pytestmark = pytest.mark.timeout(600)

#: The order that had a purchase order number first.
_OTHER = "0199aaaa-0000-7000-8000-000000000000"
AUTOCOMPLETE = {
    "country": "country",
    "name": "name",
    "street": "address-line1",
    "street2": "address-line2",
    "city": "address-level2",
    "state": "address-level1",
    "postal_code": "postal-code",
    "phone": "tel",
    "email": "email",
}


def labels(page: Page) -> list[str]:
    return page.locator("#address label").all_inner_texts()


def stopped(visitor: Visitor, field: str, message: str) -> None:
    """Press "pay": this field says what is wrong with it, has the focus, and nothing was paid."""
    page = visitor.page
    page.click("#pay")
    expect(page.locator(f"#{field}-problem")).to_have_text(message)
    expect(page.locator(f"#{field}")).to_be_focused()
    expect(page.locator(f"#{field}")).to_have_attribute("aria-invalid", "true")
    assert page.url.partition("?")[0].endswith("/checkout")
    assert (visitor.puts, visitor.payments) == ([], 0)


def test_a_name_of_blanks_is_asked_for_before_anything_is_paid(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    for blanks in ("   ", "\u3000\u00a0", "\u200b"):
        visitor.page.fill("#name", blanks)
        stopped(visitor, "name", "Enter the recipient's name.")
        expect(visitor.page.locator("#name")).to_have_value(blanks)
    visitor.page.fill("#name", "x" * 201)
    stopped(visitor, "name", "Recipient's name: up to 200 characters, no line breaks.")
    expect(visitor.page.locator("#name")).to_have_value("x" * 201)
    visitor.page.fill("#name", "Ada")
    expect(visitor.page.locator("#name-problem")).to_be_empty()
    expect(visitor.page.locator("#name")).not_to_have_attribute("aria-invalid", "true")
    visitor.pay()


def test_names_are_as_keyboards_make_them(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    page = visitor.page
    page.select_option("#country", "JP")
    page.fill("#name", "山田\u3000太郎")
    page.fill("#street", "1-2-3\u00a0Kanda")
    page.fill("#postal_code", "\uff11\uff10\uff11\uff0d\uff10\uff10\uff14\uff11")
    page.select_option("#state", label="Tokyo (東京都)")
    page.fill("#city", "千代田区")
    page.fill("#phone", "\u202a+81 90 1234 5678\u202c")
    visitor.pay()
    visitor.see(ARRIVED)
    expect(page.locator("address span")).to_have_text(
        ["101-0041", "東京都 千代田区", "1-2-3 Kanda", "山田 太郎", "Japan"]
    )


def test_the_fields_are_the_country_s_and_keep_what_was_typed(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    page = visitor.page
    assert labels(page)[:3] == ["Country", "Recipient's name", "Street and number"]
    assert labels(page)[4:6] == ["Town or city", "Postal code"]
    expect(page.locator("#sums")).to_contain_text("Prices include tax")
    page.select_option("#country", "HK")
    expect(page.locator("#sums")).not_to_contain_text("tax")
    assert labels(page)[:4] == ["Country", "Area", "District", "Street and number"]
    expect(page.locator("#postal_code")).to_have_count(0)
    expect(page.locator("#city")).to_have_value("Leeds")
    stopped(visitor, "state", "Choose the area.")
    page.select_option("#state", "Kowloon")
    page.select_option("#country", "IE")
    page.select_option("#state", "Co. Kildare")
    page.fill("#district", "Kill")
    page.select_option("#country", "HK")
    expect(page.locator("#state")).to_have_value("Kowloon")
    page.select_option("#country", "IE")
    page.reload()
    expect(page.locator("#state")).to_have_value("Co. Kildare")
    page.select_option("#country", "GB")
    page.reload()
    page.select_option("#country", "IE")
    expect(page.locator("#district")).to_have_value("Kill")
    expect(page.locator("#state")).to_have_value("Co. Kildare")
    page.select_option("#country", "HK")
    page.select_option("#state", "Kowloon")
    page.goto("/basket")
    expect(page.locator("#sums")).to_contain_text("Delivery to: Hong Kong")
    page.goto("/checkout")
    expect(page.locator("#state")).to_have_value("Kowloon")
    visitor.pay()
    visitor.see(ARRIVED)
    expect(page.locator("address span")).to_have_text(
        ["Kowloon", "Leeds", "1 High Street", "Ada Buyer", re.compile("Hong Kong")]
    )


def test_a_format_that_looks_wrong_is_asked_about_once(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    page = visitor.page
    page.select_option("#country", "US")
    page.fill("#postal_code", "abc")
    stopped(visitor, "state", "Choose the state.")
    page.select_option("#state", "CA")
    page.fill("#postal_code", "abcd")
    stopped(
        visitor,
        "postal_code",
        "ZIP code: expected one like 95014 (United States)."
        " If yours is right, press the button again.",
    )
    visitor.pay()
    visitor.see(ARRIVED)


def test_an_eircode_a_phone_and_an_e_mail_address_are_optional(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    page = visitor.page
    page.select_option("#country", "IE")
    assert {"Eircode (optional)", "Phone (optional)", "E-mail (optional)"} <= set(labels(page))
    page.fill("#postal_code", "")
    visitor.pay()
    visitor.see(ARRIVED)


def test_browsers_can_fill_in_every_field(visit: Visits) -> None:
    visitor = visit()
    visitor.ready_to_pay()
    for country in ("GB", "US", "JP"):
        visitor.page.select_option("#country", country)
        controls = visitor.page.locator("#address :is(input, select)").all()
        found = {one.get_attribute("id"): one.get_attribute("autocomplete") for one in controls}
        assert found.items() <= AUTOCOMPLETE.items()
        assert found.keys() >= AUTOCOMPLETE.keys() - {"state"}


def test_a_purchase_order_number_is_a_text_and_an_order_above_the_limit_is_said_to_wait(
    visit: Visits,
) -> None:
    visitor = visit("wholesale", company=f"company-{secrets.token_hex(4)}", limit=904)
    page = visitor.page
    visitor.sign_in("/wholesale")
    page.fill("#sheet", "SOAP-MOSS,24")
    page.get_by_role("button", name="Add lines").click()
    expect(page.locator("#line-count")).to_have_text("1 line")
    expect(page.locator("#limit")).to_contain_text("An order above £9.04")
    visitor.fill_in_checkout("/checkout?channel=wholesale")
    expect(page.locator("#above-limit")).to_contain_text("above your limit of £9.04")
    page.fill("#purchase_order", " \u00a0")
    stopped(visitor, "purchase_order", "Enter the purchase order number.")
    page.fill("#purchase_order", "PO\u00a04711")
    visitor.answer_puts(used_before)
    visitor.pay()
    visitor.see("Rejected")
    expect(page.locator("#status-text")).to_contain_text("purchase order number was used before")
    expect(page.get_by_role("link", name="See it")).to_have_attribute("href", f"/order?id={_OTHER}")
    page.get_by_role("button", name="Back to the checkout").click()
    expect(page.locator("#purchase_order")).to_have_value("")
    expect(page.locator("#street")).to_have_value("1 High Street")
    visitor.context.unroute_all()
    page.fill("#purchase_order", "PO\u00a04712")
    visitor.pay()
    visitor.see("Waiting for approval")
    expect(page.locator("#status-text")).to_contain_text("It is above your limit, and waits")
    expect(page.get_by_text("Your purchase order: PO 4712")).to_be_visible()


def used_before(route: Route) -> None:
    """As a store answers that has purchase order numbers used once."""
    detail = f"This purchase order number was used before, for the order {_OTHER}."
    violation = {"rule": "purchase_order_used", "pointer": "/purchase_order", "detail": detail}
    route.fulfill(
        status=422,
        body=json.dumps({"status": 422, "violations": [violation]}),
        content_type="application/problem+json",
    )


def test_a_store_sells_also_when_it_can_t_say_what_addresses_look_like(visit: Visits) -> None:
    visitor = visit()
    visitor.context.route("**/address-formats.*", lambda route: route.abort())
    visitor.ready_to_pay()
    visitor.pay()
    visitor.see(ARRIVED)
