"""An order is checked against the price book that was in force when its client made its id, or
against the signature of the store's pricing engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders.domain import price_signature
from orders.domain.book import Article
from orders.domain.order import with_normalised_texts
from orders.domain.quote import QuoteLine, QuoteRequest
from orders.domain.refusals import Rule
from orders.failures import TransientFailure
from orders.flow.intake import Acknowledged, Intake, Refused
from orders.flow.prices import Prices
from simulation.world.runtime import FixedPriceBooks, FixedSigningKeys, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import (
    CUSTOMER,
    NOW,
    PRICE_KEY,
    PRICE_KEY_ID,
    a_book,
    an_intake,
    content,
    line,
    order_id,
    order_key,
)

MINUTE = 60_000
HOUR = 60 * MINUTE
#: A mug costs 1,400 until noon and 1,500 from then on.
NOON = NOW
BOOKS = FixedPriceBooks(
    {
        NOON - 24 * HOUR: a_book(Article("MUG", (1_400, None)), version="morning"),
        NOON: a_book(Article("MUG", (1_500, None)), version="afternoon"),
    }
)
PRICES = Prices(BOOKS, grace_ms=HOUR)
KEYS = FixedSigningKeys({PRICE_KEY_ID: PRICE_KEY})
SIGNED = Prices(signing_keys=KEYS, grace_ms=HOUR)
EITHER = Prices(BOOKS, KEYS, HOUR)


def placed(intake: Intake, unit_price: int, id_: str) -> object:
    sent = content(id_, lines=[line("MUG", 1, unit_price)])
    key = order_key(CUSTOMER, id_)
    return intake.place(key, sent.order, sent.digest, wholesale_allowed=False)


@pytest.mark.parametrize(
    ("now", "made_at", "price"),
    [
        (NOON - MINUTE, NOON - MINUTE, 1_400),
        (NOON, NOON, 1_500),
        # The customer saw the sum before noon, and has an hour to send the order.
        (NOON + MINUTE, NOON - 1, 1_400),
        (NOON + HOUR - 1, NOON - 1, 1_400),
        # After that the id's time is no longer believed.
        (NOON + HOUR, NOON - 1, 1_500),
        (NOON + 5 * HOUR, NOON - 10 * HOUR, 1_500),
        # A clock that is ahead does not see tomorrow's prices.
        (NOON - MINUTE, NOON + MINUTE, 1_400),
    ],
)
def test_the_price_is_that_of_the_ids_time_within_the_grace(
    now: int, made_at: int, price: int
) -> None:
    orders = MemoryOrders()
    intake = an_intake(orders, prices=PRICES, clock=SetClock(now))
    other = 1_400 + 1_500 - price
    refused = placed(intake, other, order_id(made_at))
    assert isinstance(refused, Refused)
    assert [(one.rule, one.expected) for one in refused.refusals] == [
        (Rule.UNIT_PRICE_DIFFERS, price)
    ]
    assert not orders.stream
    assert isinstance(placed(intake, price, order_id(made_at)), Acknowledged)


def test_a_price_change_does_not_refuse_the_retry_of_a_stored_order() -> None:
    orders = MemoryOrders()
    id_ = order_id(NOON - MINUTE)
    first = placed(an_intake(orders, prices=PRICES, clock=SetClock(NOON - 1)), 1_400, id_)
    again = placed(an_intake(orders, prices=PRICES, clock=SetClock(NOON + 5 * HOUR)), 1_400, id_)
    assert isinstance(first, Acknowledged)
    assert isinstance(again, Acknowledged)
    assert (first.stored, again.stored) == ("placed", "there")


def test_an_id_that_is_none_is_priced_as_of_now() -> None:
    refused = placed(an_intake(MemoryOrders(), prices=PRICES), 1_400, "no-order-id")
    assert isinstance(refused, Refused)
    assert [one.rule for one in refused.refusals] == [
        Rule.ORDER_ID_INVALID,
        Rule.UNIT_PRICE_DIFFERS,
    ]


def test_what_has_no_price_is_not_compared_with_a_price_of_0() -> None:
    """Nor is a rule named twice at a place, where both the stage and the book say no."""
    sent = content(order_id(), lines=[line("MUG", 1, 1_500)], currency="gbp")
    key = order_key(CUSTOMER, order_id())
    intake = an_intake(MemoryOrders(), prices=PRICES)
    refused = intake.place(key, sent.order, sent.digest, wholesale_allowed=False)
    assert isinstance(refused, Refused)
    about_prices = [one for one in refused.refusals if not one.pointer.startswith("/payment")]
    assert [(one.rule, one.pointer) for one in about_prices] == [
        (Rule.CURRENCY_NOT_ACCEPTED, "/currency"),
        (Rule.DELIVERY_NOT_OFFERED, "/address/country"),
    ]


def test_without_a_book_the_client_says_what_things_cost() -> None:
    assert isinstance(placed(an_intake(MemoryOrders()), 1, order_id()), Acknowledged)


def offered(
    prices: Prices, *, signed: bool, unit_price: int = 1, now: int = NOW, **fields: Any
) -> list[Rule]:
    """The rules that an order at an offered price breaks, with a signature that is made when the id
    is made, at noon, and valid for an hour."""
    fields = {"lines": [line("MUG", 1, unit_price)], **fields}
    orders = MemoryOrders()
    id_ = order_id(NOON)
    sent = content(id_, price_key=PRICE_KEY if signed else None, **fields)
    result = an_intake(orders, prices=prices, clock=SetClock(now)).place(
        order_key(CUSTOMER, id_),
        sent.order,
        sent.digest,
        price_signature=sent.price_signature,
        wholesale_allowed=False,
    )
    assert isinstance(result, Acknowledged) == bool(orders.stream)
    return [one.rule for one in result.refusals] if isinstance(result, Refused) else []


def test_a_signed_stage_takes_the_engines_price_and_no_other() -> None:
    assert offered(SIGNED, signed=True) == []
    assert offered(SIGNED, signed=False) == [Rule.PRICE_SIGNATURE_MISSING]


def test_where_both_count_the_signature_does_if_there_is_one() -> None:
    assert offered(EITHER, signed=True) == []
    assert offered(EITHER, signed=False) == [Rule.UNIT_PRICE_DIFFERS]
    assert offered(EITHER, signed=False, unit_price=1_500) == []
    keyless = Prices(BOOKS, FixedSigningKeys({}), HOUR)
    assert offered(keyless, signed=True, unit_price=1_500) == [Rule.PRICE_SIGNATURE_KEY_UNKNOWN]


def test_a_stage_without_signatures_takes_none() -> None:
    assert offered(Prices(), signed=True) == [Rule.PRICE_SIGNATURE_NOT_USED]
    assert offered(PRICES, signed=True, unit_price=1_500) == [Rule.PRICE_SIGNATURE_NOT_USED]
    assert offered(PRICES, signed=True) == [
        Rule.UNIT_PRICE_DIFFERS,
        Rule.PRICE_SIGNATURE_NOT_USED,
    ]


def test_a_price_holds_when_the_customer_orders_and_a_grace_period_more() -> None:
    assert offered(SIGNED, signed=True, now=NOON + 2 * HOUR) == []
    assert offered(SIGNED, signed=True, now=NOON + 2 * HOUR + 1) == [Rule.PRICE_SIGNATURE_EXPIRED]
    strict = Prices(signing_keys=KEYS)
    assert offered(strict, signed=True, now=NOON + HOUR) == []
    assert offered(strict, signed=True, now=NOON + HOUR + 1) == [Rule.PRICE_SIGNATURE_EXPIRED]


def test_what_the_engine_saw_is_signed_and_not_what_is_stored() -> None:
    address = {
        "name": "Ada",
        "lines": ["1 High Street"],
        "city": "Paris",
        "postal_code": "75001\u00a0",
        "country": "FR",
    }
    assert offered(SIGNED, signed=True, address=address) == []
    id_ = order_id(NOON)
    sent = content(id_, address=address)
    stored = with_normalised_texts(sent.order)
    assert stored.address.postal_code == "75001"
    for order, valid in ((sent.order, True), (stored, False)):
        signature = price_signature.sign(
            PRICE_KEY,
            PRICE_KEY_ID,
            order=order,
            customer_id=CUSTOMER,
            valid_until=NOON // 1000 + 900,
        )
        result = an_intake(MemoryOrders(), prices=SIGNED).place(
            order_key(CUSTOMER, id_),
            sent.order,
            sent.digest,
            price_signature=signature,
            wholesale_allowed=False,
        )
        assert isinstance(result, Acknowledged) == valid


@pytest.mark.parametrize(
    "later",
    [
        {"prices": Prices(signing_keys=FixedSigningKeys({}))},
        {"prices": Prices(signing_keys=FixedSigningKeys({PRICE_KEY_ID: b"another"}))},
        {"prices": Prices()},
        {"prices": PRICES},
        {"clock": SetClock(NOON + 10 * HOUR)},
    ],
    ids=["key retired", "key replaced", "no signatures", "book", "expired"],
)
def test_no_change_of_keys_time_or_stage_refuses_the_retry_of_a_stored_order(
    later: dict[str, Any],
) -> None:
    orders = MemoryOrders()
    id_ = order_id(NOON)
    sent = content(id_, lines=[line("MUG", 1, 1)], price_key=PRICE_KEY)
    stored = [
        an_intake(orders, **{"prices": SIGNED, **change}).place(
            order_key(CUSTOMER, id_),
            sent.order,
            sent.digest,
            price_signature=sent.price_signature,
            wholesale_allowed=False,
        )
        for change in ({}, later)
    ]
    assert [one.stored for one in stored if isinstance(one, Acknowledged)] == ["placed", "there"]


def test_an_accepted_order_says_which_book_it_was_held_against() -> None:
    for now, unit_price, version in ((NOON - 1, 1_400, "morning"), (NOON, 1_500, "afternoon")):
        intake = an_intake(MemoryOrders(), prices=PRICES, clock=SetClock(now))
        taken = placed(intake, unit_price, order_id(now))
        assert isinstance(taken, Acknowledged)
        assert taken.order.book == version


def test_a_fallback_refuses_nothing() -> None:
    """The one that could not be read may say otherwise."""
    [morning, _] = BOOKS.books.values()
    doubtful = Prices(FixedPriceBooks({0: replace(morning, is_fallback=True)}))
    intake = an_intake(MemoryOrders(), prices=doubtful)
    assert isinstance(placed(intake, 1_400, order_id()), Acknowledged)
    with pytest.raises(TransientFailure):
        placed(intake, 1_500, order_id())


def test_a_quote_names_no_violation_of_a_fallback() -> None:
    """A page would take it for the store's last word, and the order would be answered 503."""
    [morning, _] = BOOKS.books.values()
    intake = an_intake(
        MemoryOrders(), prices=Prices(FixedPriceBooks({0: replace(morning, is_fallback=True)}))
    )

    def quoted(sku: str) -> Any:
        request = QuoteRequest("retail", "GBP", (QuoteLine(sku, 1),), "GB")
        return intake.quote(CUSTOMER, request, wholesale_allowed=False)

    assert quoted("MUG").priced.unit_prices == [1_400]
    with pytest.raises(TransientFailure):
        quoted("NEW")
