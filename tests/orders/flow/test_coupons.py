"""intake stores an order together with the limited coupons that it uses, or says why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders.domain.book import Article, Coupon
from orders.domain.coupon_codes import code_of
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.quote import QuoteLine, QuoteRequest
from orders.domain.refusals import Rule
from orders.domain.units import CustomerId
from orders.failures import TransientFailure
from orders.flow.intake import Acknowledged, Intake, Refused
from orders.flow.prices import Prices, Quote
from simulation.world.runtime import FixedPriceBooks, FixedSigningKeys, MemoryOverflow
from simulation.world.table import MemoryOrders
from tests.builders import (
    CUSTOMER,
    OTHER_CUSTOMER,
    a_book,
    a_coupon,
    an_intake,
    content,
    line,
    order_id,
    order_key,
)

KEY = b"the key of codes"
CODE = code_of("SINGLE", 7, KEY)
MUG = Article("MUG-SAGE", (1_000, 1_000))
COUPONS = (
    a_coupon("ALWAYS"),
    a_coupon("ONCE", once_per_customer=True),
    a_coupon("FIRST", limit=2),
    a_coupon("SINGLE", single_use_codes=True),
)


class Shop:
    def __init__(self) -> None:
        self.orders, self.overflow = MemoryOrders(), MemoryOverflow()
        self.intake = self.with_coupons(*COUPONS)

    def with_coupons(self, *coupons: Coupon) -> Intake:
        book = a_book(MUG, coupons={coupon.code: coupon for coupon in coupons})
        return an_intake(
            self.orders,
            self.overflow,
            prices=Prices(FixedPriceBooks({0: book})),
            coupons=self.orders.coupons,
            coupon_keys=FixedSigningKeys({"k1": KEY}),
        )

    def place(
        self,
        code: str,
        customer: str = CUSTOMER,
        key: OrderKey | None = None,
        *,
        unpaid: int = 0,
    ) -> object:
        key = key or order_key(customer, order_id())
        total = 1_000 - 100 + 395
        sent = content(
            key.order_id,
            customer_id=key.customer_id,
            lines=[line("MUG-SAGE", 1, 1_000)],
            discounts=[{"coupon": code, "amount": 100}],
            total=total,
            payment={"reference": "pay_01", "amount": total - unpaid, "currency": "GBP"},
        )
        return self.intake.place(key, sent.order, sent.digest, wholesale_allowed=False)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def refused_as(result: object) -> tuple[Rule, str]:
    assert isinstance(result, Refused)
    [refusal] = result.refusals
    return refusal.rule, refusal.pointer


def stored(result: object) -> str:
    assert isinstance(result, Acknowledged), result
    return result.stored


def test_a_coupon_without_limits_claims_nothing(shop: Shop) -> None:
    assert [stored(shop.place("ALWAYS")) for _ in range(3)] == ["placed"] * 3
    assert list(shop.orders.claimed.items()) == []


@pytest.mark.parametrize(
    ("code", "customer", "rule"),
    [
        ("ONCE", CUSTOMER, Rule.COUPON_USED),
        (CODE, CUSTOMER, Rule.COUPON_USED),
        (CODE, OTHER_CUSTOMER, Rule.COUPON_UNKNOWN),
    ],
)
def test_a_coupon_that_was_used_is_refused(
    shop: Shop, code: str, customer: str, rule: Rule
) -> None:
    assert stored(shop.place(code)) == "placed"
    assert refused_as(shop.place(code, customer)) == (rule, "/discounts/0/coupon")


def test_the_first_get_it(shop: Shop) -> None:
    assert [stored(shop.place("FIRST", f"c{n}")) for n in range(2)] == ["placed"] * 2
    assert refused_as(shop.place("FIRST"))[0] is Rule.COUPON_USED_UP


def test_a_code_used_by_another_is_answered_as_one_that_there_never_was(shop: Shop) -> None:
    shop.place(CODE, OTHER_CUSTOMER)
    forged = code_of("SINGLE", 7, b"another key")
    assert shop.place(CODE) == shop.place(forged)
    assert refused_as(shop.place(CODE[:-1] + "Z"))[0] is Rule.COUPON_MISTYPED


def test_a_retry_is_one_also_when_its_coupon_is_gone(shop: Shop) -> None:
    for code in ("ONCE", "FIRST", CODE):
        key = order_key(f"customer of {code}", order_id())
        assert stored(shop.place(code, key=key)) == "placed"
        assert stored(shop.place(code, key=key)) == "there"
        for _ in range(3):
            shop.place(code, key=order_key(f"customer of {code}", order_id()))
        shop.intake = shop.with_coupons()
        assert stored(shop.place(code, key=key)) == "there"
        shop.intake = shop.with_coupons(*COUPONS)


def test_other_content_under_its_id_is_a_clash(shop: Shop) -> None:
    key = order_key(CUSTOMER, order_id())
    shop.place("ONCE", key=key)
    assert refused_as(shop.place("FIRST", key=key))[0] is Rule.ORDER_ID_TAKEN


def test_such_an_order_does_not_overflow(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> AcceptedOrder | None:
        raise TransientFailure("busy")

    monkeypatch.setattr(type(shop.orders.coupons), "place", busy)
    with pytest.raises(TransientFailure):
        shop.place("FIRST")
    assert shop.overflow.buffered == []


class Recorder:
    """A client, and the calls that were made of it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._client, name)


def quoted(shop: Shop, *codes: str, customer: str = CUSTOMER, id_: str | None = None) -> Any:
    """The coupons that a quote applies, and the rules that the others break."""
    lines = (QuoteLine("MUG-SAGE", 1),)
    asked = QuoteRequest("retail", "GBP", lines, "GB", coupons=codes, order_id=id_)
    quote = shop.intake.quote(CustomerId(customer), asked, wholesale_allowed=False)
    assert isinstance(quote, Quote)
    applied = [discount.coupon for discount in quote.priced.discounts]
    return applied, [refusal.rule for refusal in quote.priced.refusals]


def test_a_quote_says_what_can_still_be_used_and_uses_nothing(shop: Shop) -> None:
    for code in ("ONCE", CODE, "FIRST"):
        assert quoted(shop, code) == ([code], [])
    shop.place("ONCE")
    shop.place(CODE)
    assert quoted(shop, "ONCE") == ([], [Rule.COUPON_USED])
    assert quoted(shop, "ONCE", customer=OTHER_CUSTOMER) == (["ONCE"], [])
    assert quoted(shop, CODE) == ([], [Rule.COUPON_USED])
    shop.place("FIRST")
    assert quoted(shop, "FIRST") == (["FIRST"], [])
    shop.place("FIRST", OTHER_CUSTOMER)
    shop.orders.coupons._left.clear()  # noqa: SLF001 - as another process, which has not looked yet
    assert quoted(shop, "FIRST") == ([], [Rule.COUPON_USED_UP])


def test_a_code_of_another_customer_and_one_that_never_was_are_quoted_alike(shop: Shop) -> None:
    shop.place(CODE)
    real, calls = shop.orders.coupons.client, []
    for code in (CODE, code_of("SINGLE", 8, b"a forger's key"), "NO-SUCH-CODE"):
        client = Recorder(real)
        shop.orders.coupons = replace(shop.orders.coupons, client=client)
        shop.intake = shop.with_coupons(*COUPONS)
        assert quoted(shop, code, customer=OTHER_CUSTOMER) == ([], [Rule.COUPON_UNKNOWN])
        calls.append(client.calls)
    assert calls == [["batch_get_item"]] * 3


def test_only_a_paid_order_finds_out_whether_a_code_is_used(shop: Shop) -> None:
    shop.place(CODE)
    client = Recorder(shop.orders.coupons.client)
    shop.orders.coupons = replace(shop.orders.coupons, client=client)
    shop.intake = shop.with_coupons(*COUPONS)
    result = shop.place(CODE, OTHER_CUSTOMER, unpaid=1)
    assert isinstance(result, Refused)
    assert Rule.COUPON_UNKNOWN not in {refusal.rule for refusal in result.refusals}
    assert client.calls == []
    assert refused_as(shop.place(CODE, OTHER_CUSTOMER))[0] is Rule.COUPON_UNKNOWN
    assert client.calls == ["transact_write_items"]


class NoKeys:
    def in_force(self) -> dict[str, bytes]:
        raise TransientFailure("GetParameter: ParameterNotFound")


def test_a_mistyped_code_is_told_so_without_the_keys(shop: Shop) -> None:
    coupons = shop.intake.coupons
    assert coupons is not None
    shop.intake = replace(shop.intake, coupons=replace(coupons, keys=NoKeys()))
    for mistyped in (f"{CODE[:-1]}{'2' if CODE[-1] != '2' else '3'}", "SINGLE-"):
        assert quoted(shop, mistyped) == ([], [Rule.COUPON_MISTYPED])
    with pytest.raises(TransientFailure):
        quoted(shop, CODE)


def test_a_quote_of_the_order_that_holds_the_coupon_applies_it(shop: Shop) -> None:
    key = order_key(CUSTOMER, order_id())
    shop.place("ONCE", key=key)
    assert quoted(shop, "ONCE", id_=key.order_id) == (["ONCE"], [])


def test_a_coupon_that_is_used_up_leaves_the_others_as_they_are(shop: Shop) -> None:
    shop.place("ONCE")
    assert quoted(shop, "ONCE", "ALWAYS") == (["ALWAYS"], [Rule.COUPON_USED])
