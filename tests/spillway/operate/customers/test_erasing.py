"""Who a customer is goes; what was bought stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders.aws import items
from orders.aws.items import Item
from orders.domain.order import Order, OrderKey
from orders.domain.parcels import News, What
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.domain.units import CustomerId, Millis
from spillway.operate.customers.erasing import ERASED, erase, erased_items, without_person
from tests.builders import FREE, NOW, accepted, order_id, order_key
from tests.spillway.archived import KeptOrders
from tests.spillway.operate.fakes import outcome_of

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


def test_a_companys_order_forgets_its_buyer_and_a_persons_own_gets_none() -> None:
    order = replace(accepted(), buyer=CustomerId("ada"))
    assert erased_items(items.order_item(order), NOW)[items.BUYER] == {"S": ERASED}
    assert items.BUYER not in erased_items(items.order_item(accepted()), NOW)


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


class TestWherever:
    """An order is erased in the table or in its line, whatever happens meanwhile."""

    @pytest.fixture
    def kept(self) -> KeptOrders:
        return KeptOrders()

    def test_an_archived_order_is_erased_where_its_line_is(self, kept: KeptOrders) -> None:
        stored = [add(kept, customer) for customer in ("ada", "ada", "bob")]
        kept.move(*stored)
        [name] = kept.s3.objects
        before = kept.s3.objects[name]
        done = erase(kept.orders, kept.archive, "ada", now=NOW + 5)
        assert sorted(done.erased) == sorted(order_ids(*stored[:2]))
        after = kept.s3.objects[name]
        # No line has moved, and nobody else's has changed.
        assert [len(line) for line in after.splitlines()] == [
            len(line) for line in before.splitlines()
        ]
        bobs, hers = items.key_of(stored[2][0]), items.key_of(stored[0][0])
        assert whole(kept, bobs) == stored[2]
        order, progress = whole(kept, hers)
        assert progress == stored[0][1]
        assert order == erased_items(stored[0][0], NOW + 5)
        assert after.count(b"Fletcher") == 2

    def test_to_repeat_it_changes_nothing(self, kept: KeptOrders) -> None:
        stored = add(kept)
        kept.move(stored)
        erase(kept.orders, kept.archive, "ada", now=NOW)
        objects = dict(kept.s3.objects)
        done = erase(kept.orders, kept.archive, "ada", now=NOW + 1)
        assert (done.erased, done.were_erased) == ([], order_ids(stored))
        assert kept.s3.objects == objects

    def test_an_older_version_that_was_brought_back_is_erased_again(self, kept: KeptOrders) -> None:
        stored = add(kept)
        kept.move(stored)
        before = dict(kept.s3.objects)
        erase(kept.orders, kept.archive, "ada", now=NOW)
        kept.s3.objects |= before
        assert erase(kept.orders, kept.archive, "ada", now=NOW + 1).erased == order_ids(stored)
        assert not any(b"Fletcher" in content for content in kept.s3.objects.values())

    def test_what_was_interrupted_after_its_line_is_finished(self, kept: KeptOrders) -> None:
        stored = add(kept)
        [stub] = kept.move(stored)
        erase(kept.orders, kept.archive, "ada", now=NOW)
        objects = dict(kept.s3.objects)
        kept.put(stub)  # as it was before it said so
        assert erase(kept.orders, kept.archive, "ada", now=NOW + 1).erased == order_ids(stored)
        assert kept.s3.objects == objects
        assert items.ERASED_AT in kept.at(items.key_of(stub))

    def test_the_line_of_an_order_that_came_back_is_taken_out(self, kept: KeptOrders) -> None:
        order, progress = add(kept)
        [stub] = kept.move((order, progress))
        cancelled = Cancellation(Millis(NOW + 1), before_reservation=False)
        kept.put(order, items.reopened(progress, stub, cancelled))
        [name] = kept.s3.objects
        length = len(kept.s3.objects[name])
        # It has gone its way: nothing is owed to it.
        undone = outcome_of(
            Facts(
                {step: Outcome(NOW) for step in (Step.CANCEL_SHIPMENT, Step.RELEASE, Step.REFUND)}
            )
        )
        kept.put({**items.reopened(progress, stub, cancelled), **undone})
        assert erase(kept.orders, kept.archive, "ada", now=NOW + 2).left == []
        assert kept.s3.objects[name].strip() == b"{}"
        assert len(kept.s3.objects[name]) == length
        assert kept.at(items.key_of(order)) == erased_items(order, NOW + 2)

    def test_an_order_that_comes_back_meanwhile_is_erased_in_the_table(
        self, kept: KeptOrders
    ) -> None:
        """A cancellation has read its line before that was written over."""
        stored = add(kept)
        kept.move(stored)
        kept.s3.before_put = lambda: kept.put(*stored)
        assert erase(kept.orders, kept.archive, "ada", now=NOW).erased == order_ids(stored)
        assert kept.at(items.key_of(stored[0])) == erased_items(stored[0], NOW)
        assert not any(b"Fletcher" in content for content in kept.s3.objects.values())

    def test_an_order_that_is_archived_meanwhile_is_erased_there(self, kept: KeptOrders) -> None:
        stored = add(kept)
        kept.client.before["update_item"] = lambda: kept.move(stored)
        assert erase(kept.orders, kept.archive, "ada", now=NOW).erased == order_ids(stored)
        order, _ = whole(kept, items.key_of(stored[0]))
        assert items.accepted_order(order).order.address.name == ERASED

    def test_a_parcel_loses_its_tracking_number_also_when_it_is_told_later(
        self, kept: KeptOrders
    ) -> None:
        shipped = News("1", What.SHIPPED, NOW, "DHL", "00340", 2)
        stored, moved = add(kept), add(kept)
        key = items.key_of(stored[0])
        kept.put(items.with_news(stored[1], shipped))
        kept.move((moved[0], items.with_news(moved[1], shipped)))
        erase(kept.orders, kept.archive, "ada", now=NOW)
        left = {shipped.key: replace(shipped, tracking_number=None)}
        in_table = progress_of(kept, key)
        assert items.facts(in_table).news == left
        assert items.facts(whole(kept, items.key_of(moved[0]))[1]).news == left
        kept.put(items.with_news(in_table, replace(shipped, parcel="2")))
        assert erase(kept.orders, kept.archive, "ada", now=NOW).erased == []
        assert "00340" not in str(progress_of(kept, key))

    def test_an_order_that_has_not_settled_is_left(self, kept: KeptOrders) -> None:
        order = accepted(order_key("ada", order_id()), address=ADA)
        kept.add(order, outcome_of(Facts({Step.RESERVE: Outcome(NOW)})))
        assert erase(kept.orders, kept.archive, "ada", now=NOW).left == [order.key.order_id]


def add(kept: KeptOrders, customer: str = "ada") -> tuple[Item, Item]:
    settled = Facts({step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)})
    order = accepted(order_key(customer, order_id()), address=ADA)
    return kept.add(replace(order, buyer=CustomerId("Fletcher")), outcome_of(settled))


def order_ids(*stored: tuple[Item, Item]) -> list[str]:
    return [items.key_of(order).order_id for order, _ in stored]


def progress_of(kept: KeptOrders, key: OrderKey) -> Item:
    progress = items.progress_key(key)
    item = kept.table.get((progress["pk"]["S"], progress["sk"]["S"]))
    assert item is not None
    return item


def whole(kept: KeptOrders, key: OrderKey) -> tuple[Item, Item]:
    order, progress = kept.archive.whole([kept.at(key)])
    return order, progress
