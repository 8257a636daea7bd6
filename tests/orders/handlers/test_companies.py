"""Buyers of one company: whose an order is, who sees it, and what it is refused for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orders.domain.caller import Caller, Claims
from orders.domain.order import OrderKey
from orders.domain.receipt import sign
from orders.domain.units import CustomerId, OrderId
from orders.domain.void import is_proven
from orders.flow.coupons import LimitedCoupons
from orders.flow.reads import Reads
from orders.handlers import intake, reads
from simulation.world.runtime import FixedSigningKeys, MemoryLog, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import KEY, KEY_ID, NOW, accepted, an_intake, order_body, order_id
from tests.orders.handlers.api_events import request

COMPANY, ADA_ID = CustomerId("acme"), CustomerId("ada")
CLAIMS = Claims(
    wholesale_customer="company_id", groups="cognito:groups", wholesale_group="wholesale"
)
ADA, BEN, EVE = (
    {"sub": name, "company_id": company, "cognito:groups": "wholesale"}
    for name, company in (("ada", COMPANY), ("ben", COMPANY), ("eve", "other"))
)
PUT, CANCEL = "PUT /orders/{order_id}", "PUT /orders/{order_id}/cancellation"
ONE, MANY = "GET /orders/{order_id}", "GET /orders"


class Store:
    """A stage on which wholesale orders are a company's."""

    def __init__(self) -> None:
        self.orders, self.log = MemoryOrders(), MemoryLog()
        self.intake = replace(an_intake(self.orders), claims=CLAIMS)
        self.reads = Reads(self.orders, SetClock(NOW), CLAIMS)

    def ask(self, route: str, claims: dict[str, str], **event: Any) -> tuple[int, dict[str, Any]]:
        asked = request(route, claims=claims, **event)
        if route.startswith("GET"):
            answer = reads.handle(asked, self.reads, self.log)
        else:
            answer = intake.handle(asked, self.intake, self.log)
        return answer["statusCode"], json.loads(answer["body"])

    def place(
        self, claims: dict[str, str], customer: CustomerId, id_: str | None = None, **fields: Any
    ) -> str:
        """`customer`: whom the receipt names."""
        id_ = id_ or order_id()
        body = order_body(id_, customer_id=customer, **fields)
        assert self.ask(PUT, claims, order_id=id_, body=body)[0] == 201
        return id_

    def listed(self, claims: dict[str, str], **query: str) -> tuple[list[str], str | None]:
        _, page = self.ask(MANY, claims, query=query)
        return [order["order_id"] for order in page["orders"]], page["cursor"]


WHOLESALE: dict[str, Any] = {"channel": "wholesale", "purchase_order": "PO-1"}


@pytest.fixture
def store() -> Store:
    return Store()


def test_an_order_is_the_companys_and_its_buyers_see_who_placed_it(store: Store) -> None:
    id_ = store.place(ADA, COMPANY, **WHOLESALE)
    for member in (ADA, BEN):
        status, shown = store.ask(ONE, member, order_id=id_)
        assert (status, shown["buyer"]) == (200, "ada")
        _, page = store.ask(MANY, member)
        assert [(each["order_id"], each["buyer"]) for each in page["orders"]] == [(id_, "ada")]
    assert store.ask(ONE, EVE, order_id=id_)[0] == 404
    assert store.listed(EVE) == ([], None)


def test_a_retail_order_is_its_persons_alone_and_names_no_buyer(store: Store) -> None:
    id_ = store.place(ADA, ADA_ID)
    _, shown = store.ask(ONE, ADA, order_id=id_)
    assert "buyer" not in shown
    assert store.ask(ONE, BEN, order_id=id_)[0] == 404
    assert store.ask(CANCEL, BEN, order_id=id_)[0] == 404


def test_a_history_is_the_companys_and_ones_own_in_one_list_page_by_page(store: Store) -> None:
    ids = [order_id(NOW + number) for number in range(7)]
    for number, id_ in enumerate(ids):
        if number % 2:
            store.place(ADA, ADA_ID, id_)
        else:
            store.place(BEN, COMPANY, id_, **WHOLESALE)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = store.listed(ADA, limit="2", **({"cursor": cursor} if cursor else {}))
        found += page
    assert found == ids[::-1]
    assert store.listed(BEN) == (ids[::-2], None)


def test_an_id_under_both_is_listed_once_as_it_is_read(store: Store) -> None:
    id_ = order_id()
    for customer, claims, fields in ((ADA_ID, ADA, {}), (COMPANY, BEN, WHOLESALE)):
        store.place(claims, customer, id_, **fields)
    assert store.listed(ADA) == ([id_], None)
    _, shown = store.ask(ONE, ADA, order_id=id_)
    assert shown["order"]["channel"] == "wholesale"


def test_each_of_its_buyers_can_cancel_an_order_of_the_company(store: Store) -> None:
    id_ = store.place(ADA, COMPANY, **WHOLESALE)
    assert store.ask(CANCEL, EVE, order_id=id_)[0] == 404
    assert store.ask(CANCEL, BEN, order_id=id_)[0] == 202
    assert store.orders.progress(OrderKey(COMPANY, OrderId(id_)))


def test_a_void_id_is_void_for_company_and_person_with_a_proof_for_each(store: Store) -> None:
    id_ = order_id()
    status, answer = store.ask(CANCEL, ADA, order_id=id_, query={"void": "true"})
    assert (status, answer["status"]) == (200, "void")
    for customer, channel in ((ADA_ID, {}), (COMPANY, WHOLESALE)):
        key = OrderKey(customer, OrderId(id_))
        assert any(is_proven(proof, key, {KEY_ID: KEY}) for proof in answer["proofs"])
        body = order_body(id_, customer_id=customer, **channel)
        status, problem = store.ask(PUT, ADA, order_id=id_, body=body)
        assert (status, problem["violations"][0]["rule"]) == (409, "order_id_void")


@pytest.mark.parametrize("customer", [ADA_ID, COMPANY])
def test_no_id_is_void_that_has_an_order_under_either(store: Store, customer: CustomerId) -> None:
    id_ = store.place(ADA, customer, **(WHOLESALE if customer == COMPANY else {}))
    status, answer = store.ask(CANCEL, ADA, order_id=id_, query={"void": "true"})
    assert (status, answer["status"]) == (202, "cancelling")


def test_a_receipt_for_the_buyer_is_none_for_the_company(store: Store) -> None:
    id_ = order_id()
    body = order_body(id_, customer_id=ADA_ID, **WHOLESALE)
    status, problem = store.ask(PUT, ADA, order_id=id_, body=body)
    assert (status, problem["violations"][0]["rule"]) == (422, "receipt_invalid")


def test_a_retry_of_an_order_from_before_the_claim_was_set_is_known(store: Store) -> None:
    """Else its payment would go back, and the order ship."""
    old = accepted(OrderKey(ADA_ID, OrderId(order_id())), **WHOLESALE)
    store.orders.place(old)
    id_ = old.key.order_id
    body = order_body(id_, customer_id=ADA_ID, **WHOLESALE)
    assert store.ask(PUT, ADA, order_id=id_, body=body)[0] == 200
    assert store.ask(PUT, BEN, order_id=id_, body=body)[0] == 422
    assert store.ask(ONE, ADA, order_id=id_)[0] == 200


@pytest.mark.parametrize("claim", [{}, {"company_id": ""}, {"company_id": "[acme other]"}])
def test_a_token_that_names_no_company_orders_retail_only(
    store: Store, claim: dict[str, str]
) -> None:
    claims = {"sub": "ada", "cognito:groups": "wholesale", **claim}
    id_ = order_id()
    body = order_body(id_, customer_id=ADA_ID, **WHOLESALE)
    status, problem = store.ask(PUT, claims, order_id=id_, body=body)
    assert (status, problem["violations"][0]["rule"]) == (403, "customer_claim_missing")
    quote = {"channel": "wholesale", "currency": "GBP", "lines": [], "country": "GB"}
    status, problem = store.ask("POST /quotes", claims, body=quote)
    assert (status, problem["violations"][0]["rule"]) == (403, "customer_claim_missing")
    store.place(claims, ADA_ID)


def test_an_order_on_terms_has_a_credit_decision_in_the_place_of_a_receipt(store: Store) -> None:
    credit, id_ = b"who gives credit", order_id()
    keys = FixedSigningKeys({KEY_ID: KEY, "credit.k1": credit})
    store.intake = replace(store.intake, receipt_keys=keys)
    taken: dict[str, Any] = {"reference": "cr_1", "amount": 905, "currency": "GBP"}
    key = OrderKey(COMPANY, OrderId(id_))
    receipt = sign(credit, "credit.k1", order_key=key, terms="net30", **taken)
    terms = {**taken, "terms": "net30"}
    body = order_body(id_, payment={**terms, "receipt": receipt}, **WHOLESALE)
    assert store.ask(PUT, ADA, order_id=id_, body=body)[0] == 201
    assert store.ask(PUT, BEN, order_id=id_, body=body)[0] == 200
    _, shown = store.ask(ONE, BEN, order_id=id_)
    assert shown["order"]["payment"] == terms
    assert all("receipt" not in line for line in store.log.lines)


def test_a_number_that_was_used_is_refused_and_names_the_companys_order_alone(
    store: Store,
) -> None:
    store.intake = replace(
        store.intake,
        purchase_orders_unique=True,
        coupons=LimitedCoupons(store.orders.coupons, FixedSigningKeys({})),
    )
    first = store.place(ADA, COMPANY, **WHOLESALE)
    second = order_id()
    body = order_body(second, customer_id=COMPANY, **WHOLESALE)
    status, problem = store.ask(PUT, BEN, order_id=second, body=body)
    [violation] = problem["violations"]
    assert (status, violation["rule"], violation["pointer"]) == (
        422,
        "purchase_order_used",
        "/purchase_order",
    )
    assert first in violation["detail"]
    assert "ada" not in str(problem)
    store.place(EVE, CustomerId("other"), **WHOLESALE)
    store.place(BEN, CustomerId("ben"))


def test_a_person_is_looked_up_once_and_a_buyer_of_a_company_there_first() -> None:
    ada, acme = ADA_ID, COMPANY
    assert Caller(ada, {"retail": ada, "wholesale": ada}).customer_ids == [ada]
    assert Caller(ada, {"retail": ada, "wholesale": acme}).customer_ids == [acme, ada]
    assert Caller(ada, {"retail": acme, "wholesale": acme}).customer_ids == [acme, ada]
    assert Caller(ada, {"retail": ada}).customer_ids == [ada]
