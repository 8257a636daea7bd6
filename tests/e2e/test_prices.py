"""Orders by the store's price book, through the real gateway: what was forged is refused, a new
price is in force where it was published, and a damaged book changes nothing."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from orders.aws import items
from orders.aws.book_file import encode
from orders.aws.book_index import book_key
from orders.domain.refusals import Rule
from spillway.cli import app
from spillway.operate.coupons.view import campaigns_table
from spillway.operate.logs import reading
from spillway.paths import PROJECT
from spillway.run.stack import Stack
from spillway.target.service import Service
from tests.builders import order_id, order_key
from tests.e2e.shelf import Shelf, now
from tests.e2e.shop import Customer, violations
from tests.security import test_forging as forging
from tests.waiting import eventually

MUG = {"sku": "MUG-SAGE", "quantity": 2}
#: No other test on the shared stack buys it.
CARAFE = {"sku": "CARAFE-SMOKE", "quantity": 1}
#: 200: the table had it, but was too slow to say so when intake asked first.
TAKEN = (200, 201)


def stored(stack: Stack, customer: Customer, id_: str) -> Any:
    key = items.order_key(order_key(customer.id, id_))
    return stack.client("dynamodb").get_item(TableName=stack.tables["orders"], Key=key).get("Item")


def shown(stack: Stack) -> dict[str, Any]:
    """What the storefront says that goods cost, by sku."""
    with httpx.Client(base_url=stack.origin, trust_env=False) as pages:
        books = pages.get("/prices.json").json()["books"]
        document = pages.get(books[0]["catalogue"]).json()
    return {good["sku"]: good["prices"] for good in document["goods"]}


def test_an_order_at_the_books_prices_is_stored_with_the_books_version(
    stack: Stack, shopper: Customer, shelf: Shelf
) -> None:
    id_, body = shopper.order_by_the_book(MUG, "WELCOME10")
    answer = shopper.put(id_, body)
    assert answer.status_code in TAKEN, answer.text
    assert stored(stack, shopper, id_)["book"] == {"S": shelf.in_force}


@pytest.mark.parametrize(
    ("forged", "broken"),
    [
        (
            {"lines": [{**MUG, "unit_price": 1}], "discounts": []},
            ("unit_price_differs", "/lines/0/unit_price", 1_400),
        ),
        (
            {"discounts": [{"coupon": "NINETY-NINE", "amount": 2_772}]},
            ("coupon_unknown", "/discounts/0/coupon", None),
        ),
        ({"shipping": 0}, ("shipping_differs", "/shipping", 395)),
        ({"tax": -500}, ("amount_out_of_range", "/tax", None)),
        ({"tax": 1}, ("tax_differs", "/tax", 0)),
    ],
    ids=["a mug for a penny", "a coupon", "shipping", "less than no tax", "tax"],
)
def test_what_is_not_the_books_is_refused_with_the_right_value_and_not_stored(
    stack: Stack,
    shopper: Customer,
    forged: dict[str, Any],
    broken: tuple[str, str, int | None],
) -> None:
    id_, body = shopper.order_by_the_book(MUG, **forged)
    answer = shopper.put(id_, body)
    assert answer.status_code == 422, answer.text
    assert broken in violations(answer)
    assert stored(stack, shopper, id_) is None


def test_a_new_price_counts_at_once_and_a_stored_order_is_still_answered(
    stack: Stack, shopper: Customer, shelf: Shelf, tmp_path: Path
) -> None:
    old = shelf.in_force
    kept, unsent = shopper.order_by_the_book(CARAFE), shopper.order_by_the_book(CARAFE)
    assert shopper.put(*kept).status_code in TAKEN

    book = shutil.copytree(PROJECT / "web" / "book", tmp_path / "book")
    articles = book / "articles.csv"
    raised = articles.read_text().replace(",carafe,smoke,32.00,", ",carafe,smoke,33.00,")
    assert raised != articles.read_text()
    articles.write_text(raised)
    words = ["prices", "publish", str(book / "book.toml"), "--at-once", "--port", str(stack.port)]
    published = CliRunner().invoke(app, words, catch_exceptions=False)
    assert published.exit_code == 0, published.output
    assert shelf.in_force != old
    shelf.read_anew()
    assert shown(stack)["CARAFE-SMOKE"]["retail GBP"] == 3_300

    id_, body = shopper.order_by_the_book(CARAFE)
    assert body["lines"][0]["unit_price"] == 3_300
    assert shopper.put(id_, body).status_code in TAKEN
    assert stored(stack, shopper, id_)["book"] == {"S": shelf.in_force}
    # Begun at the old price, which counts no more for any order.
    late = shopper.put(*unsent)
    assert late.status_code == 422
    assert violations(late) == [("unit_price_differs", "/lines/0/unit_price", 3_300)]
    assert shopper.put(*kept).status_code == 200


def test_a_damaged_book_leaves_the_old_one_in_force_and_is_logged(
    stack: Stack, shopper: Customer, shelf: Shelf, service: Service
) -> None:
    old, began = shelf.in_force, now()
    shelf.add(b"no price book: " + secrets.token_bytes(8))
    damaged = shelf.in_force
    assert damaged != old
    id_, body = shopper.order_by_the_book(MUG)
    assert shopper.put(id_, body).status_code in TAKEN
    assert stored(stack, shopper, id_)["book"] == {"S": old}
    # What the old book refuses, the one that cannot be read might accept.
    id_, body = shopper.order_by_the_book(MUG, shipping=0)
    assert shopper.put(id_, body).status_code == 503
    assert stored(stack, shopper, id_) is None

    def logged() -> list[reading.Line]:
        found = reading.lines(service, since=began, term=damaged, functions=["intake"]).lines
        return [line for line in found if line.outcome == "price_book_unread"]

    [line, *_] = eventually(logged)
    assert line.why.startswith(book_key(damaged))


def test_forgeries_of_every_kind_are_refused_by_what_is_deployed(
    stack: Stack,
    shopper: Customer,
    wholesale: Customer,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One for each rule; tests/security has all of them, without the gateway and the table."""
    monkeypatch.setattr(forging, "KEY", stack.receipt_key.key)
    shelf.add(encode(forging.BOOK.rules, forging.BOOK.articles.values()))
    for of, customer in (("retail", shopper), ("wholesale", wholesale)):
        id_ = order_id(now())
        monkeypatch.setattr(forging, "PAYER", customer.id)
        answer = customer.put(id_, forging.paid(dict(forging.HONEST[of]), id_))
        assert answer.status_code in TAKEN, answer.text
    for forgery in forgeries():
        id_ = order_id(now())
        monkeypatch.setattr(forging, "ID", id_)
        customer = shopper if forgery.of == "retail" else wholesale
        monkeypatch.setattr(forging, "PAYER", customer.id)
        body = forging.sent(forging.by_book(), forgery.of)
        forgery.change(body)
        if not forgery.after_paying:
            body = forging.paid(body, id_)
        answer = customer.put(id_, body)
        assert 400 <= answer.status_code < 500, forgery
        broken = {(rule, pointer) for rule, pointer, _ in violations(answer)}
        assert (forgery.rule, forgery.at) in broken, (forgery, answer.text)
        assert stored(stack, customer, id_) is None, forgery


#: Their book's terms are those of the tests' own time.
DATED = {Rule.ARTICLE_NOT_AVAILABLE, Rule.COUPON_NOT_BEGUN, Rule.COUPON_EXPIRED}


def forgeries() -> list[forging.Forgery]:
    by_rule = {
        declared.rule: declared
        for pointer, all_declared in forging.FIELDS.items()
        for declared in all_declared
        if isinstance(declared, forging.Forgery) and pointer != "/price_signature"
    }
    return [forgery for rule, forgery in by_rule.items() if rule not in DATED]


def test_a_limited_coupon_is_used_once_and_again_when_its_order_is_cancelled(
    stack: Stack, other: Customer, service: Service
) -> None:
    id_, body = other.order_by_the_book(MUG, "FIRST100")
    assert body["discounts"] == [{"coupon": "FIRST100", "amount": 420}]
    assert other.put(id_, body).status_code in TAKEN
    [shown] = campaigns_table(service, "FIRST100")
    assert "of its limit of 100" in str(shown)
    second, same = other.order_by_the_book(MUG, discounts=body["discounts"])
    refused = other.put(second, same)
    assert refused.status_code == 422
    assert violations(refused) == [("coupon_used", "/discounts/0/coupon", None)]
    assert stored(stack, other, second) is None
    assert other.put(id_, body).status_code == 200

    assert other.cancel(id_).status_code == 202
    # Relay gives it back when it comes to the cancellation.
    eventually(lambda: other.put(second, same).status_code in TAKEN)
    assert other.cancel(second).status_code == 202
