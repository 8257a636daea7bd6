"""Who a customer is goes; what was bought stays."""

from __future__ import annotations

from typing import Any

from orders.domain.order import Order
from spillway.operate.customers.erasing import ERASED, without_person
from tests.builders import FREE, accepted

ADA: dict[str, Any] = {
    "name": "Ada Fletcher",
    "lines": ["1 High Street", "Flat 2"],
    "city": "Leeds",
    "postal_code": "LS1 4AP",
    "country": "GB",
    "state": "Yorkshire",
    "phone": "0113 496 0000",
    "email": "someone@example.com",
}
#: The country, and what is looked for line by line.
KEPT = ("country", "lines")


def kept(order: Order) -> object:
    assert order.payment is not None
    return (
        order.channel,
        order.currency,
        order.lines,
        order.shipping,
        order.tax,
        order.total,
        order.discounts,
        order.purchase_order,
        order.payment.reference,
        order.payment.amount,
        order.payment.currency,
        order.address.country,
    )


def test_the_books_keep_everything_but_the_person() -> None:
    before = accepted(address=ADA)
    after = without_person(before)
    assert kept(after.order) == kept(before.order)
    assert (after.key, after.accepted_at) == (before.key, before.accepted_at)


def test_nothing_of_the_address_is_left_but_its_country() -> None:
    after = without_person(accepted(address=ADA))
    text = repr(after)
    parts = [*ADA["lines"], *(value for name, value in ADA.items() if name not in KEPT)]
    assert not [part for part in parts if part in text]
    assert after.order.address.country == "GB"
    assert after.order.payment is not None
    assert after.order.payment.receipt == ERASED


def test_an_order_without_a_payment_has_none_afterwards() -> None:
    after = without_person(accepted(address=ADA, **FREE))
    assert (after.order.payment, after.order.total) == (None, 0)


def test_what_was_made_of_the_address_goes_with_it() -> None:
    before = accepted(address=ADA)
    assert without_person(before).digest != before.digest
    assert without_person(accepted(address=ADA)).digest == without_person(before).digest


def test_to_erase_twice_is_to_erase_once() -> None:
    once = without_person(accepted(address=ADA))
    assert without_person(once) == once
