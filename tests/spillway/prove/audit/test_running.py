"""The audit of a running stack: what is broken is found, what is only under way is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orders.aws import items
from orders.domain.book import Article
from orders.domain.order import Discount, Line, OrderKey, Payment
from orders.domain.promises import Promise
from orders.domain.saga import Cancellation, Facts, Step
from orders.domain.units import Millis
from spillway.operate.customers.erasing import ERASED
from spillway.prove.audit.running import PROBED_ORDERS_MAX, Audited
from spillway.target.reading import by_order
from tests.builders import a_book, order_key
from tests.spillway.archived import FakeS3, archive_in, archived
from tests.spillway.prove.audit.builders import (
    ACCEPTED_AT,
    ADA,
    BOB,
    HELD_UNTIL,
    KEY,
    ORDER,
    WHOLE,
    Scene,
    confirmed,
    effect,
    scene,
)
from tests.spillway.prove.audit.fake_tables import (
    GRACE_MS,
    NOW_SECONDS,
    FakeQueues,
    FakeTables,
    audited,
)

HOURS_LATER = NOW_SECONDS + 3 * 3600


def key(number: int, customer: str = ADA) -> OrderKey:
    return order_key(customer, f"019ab000-0000-7000-8000-{number:012d}")


def broken(found: Audited) -> set[Promise]:
    return {promise for promise, verdict in found.promises.items() if not verdict.held}


def judged(found: Audited) -> set[Promise]:
    return {promise for promise, verdict in found.promises.items() if verdict.judged}


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_orders_of_every_end_are_settled_however_the_pages_fall(page: int) -> None:
    scenes = [moved(whole, key(number)) for number, (_, whole) in enumerate(WHOLE)]
    found = audited(FakeTables(scenes, page=page))

    assert broken(found) == set()
    assert (found.orders, found.settled, found.under_way) == (len(WHOLE), len(WHOLE), 0)
    assert sum(found.effects.values()) == sum(len(whole.effects) for _, whole in WHOLE)


class TestArchived:
    """Orders that have left the table are judged like all others."""

    @pytest.mark.parametrize("page", [1, 2, 1000])
    def test_orders_of_every_end_are_settled(self, page: int) -> None:
        scenes = [moved(whole, key(number)) for number, (_, whole) in enumerate(WHOLE)]
        tables, s3 = FakeTables(scenes, page=page), FakeS3()
        archive_all(tables, s3)
        found = audited(tables, archive=archive_in(s3))

        assert broken(found) == set()
        assert (found.orders, found.settled) == (len(WHOLE), len(WHOLE))

    def test_what_is_broken_is_named(self) -> None:
        scenes = [confirmed().without_effect(Step.SHIP), moved(confirmed(), key(2))]
        tables, s3 = FakeTables(scenes), FakeS3()
        archive_all(tables, s3)
        found = audited(tables, archive=archive_in(s3))

        assert [violation.key for violation in found.broken] == [KEY]

    def test_each_is_priced_by_its_line(self) -> None:
        at_the_price = TestPricedByTheStore.priced(120_000)
        tables, s3 = FakeTables([at_the_price, TestPricedByTheStore.priced(1, tax=1)]), FakeS3()
        archive_all(tables, s3)
        found = audited(tables, archive=archive_in(s3), book=TestPricedByTheStore.BOOK)

        assert broken(found) == {Promise.PRICED_BY_THE_STORE}
        assert len({violation.key for violation in found.broken}) == 1


def test_what_only_customers_know_is_not_judged() -> None:
    assert judged(audited([confirmed()])) == {
        Promise.ONE_EFFECT_PER_STEP,
        Promise.ALWAYS_SETTLES,
        Promise.NEVER_HALF_DONE,
        Promise.ZERO_IDLE,
    }


def test_an_empty_stack_proves_nothing_but_its_rest() -> None:
    assert judged(audited([])) == {Promise.ZERO_IDLE}


class TestBroken:
    def test_a_missing_effect_is_named(self) -> None:
        whole = moved(confirmed(), key(2))
        found = audited([confirmed().without_effect(Step.SHIP), whole])

        assert broken(found) == {Promise.NEVER_HALF_DONE}
        assert [violation.key for violation in found.broken] == [KEY]

    def test_a_step_done_twice_is_named(self) -> None:
        again = effect(Step.POST, idempotency_key="another key")

        assert broken(audited([confirmed().with_effects(again)])) == {Promise.ONE_EFFECT_PER_STEP}

    def test_an_effect_of_another_size_is_found_though_no_content_is_kept(self) -> None:
        spoilt = confirmed().without_effect(Step.SHIP).with_effects(effect(Step.SHIP, units=1))

        assert broken(audited([spoilt])) == {Promise.NEVER_HALF_DONE}

    def test_effects_of_an_order_that_is_not_there(self) -> None:
        tables = FakeTables([confirmed()])
        tables.items["orders"].clear()

        assert broken(audited(tables)) == {Promise.NEVER_HALF_DONE}

    def test_a_dead_letter_waits_for_a_person(self) -> None:
        queues = FakeQueues({"inventory_dead_letter": [1]})

        assert broken(audited([confirmed()], queues=queues)) == {Promise.ALWAYS_SETTLES}


class TestUnderWay:
    def test_a_young_order_may_still_wait(self) -> None:
        found = audited([scene("reserve", status="accepted")])

        assert broken(found) == set()
        assert (found.settled, found.under_way) == (0, 1)

    def test_an_old_one_may_not(self) -> None:
        found = audited([scene("reserve", status="accepted")], seconds=HOURS_LATER)

        assert broken(found) == {Promise.ALWAYS_SETTLES}
        assert (found.settled, found.under_way) == (0, 0)

    def test_an_old_order_that_was_cancelled_just_now_is_young(self) -> None:
        order = confirmed()
        cancellation = Cancellation(Millis(int(HOURS_LATER * 1000) - 5), before_reservation=False)
        cancelled = order.with_record(facts=Facts(order.record.facts.outcomes, cancellation))

        assert audited([cancelled], seconds=HOURS_LATER).under_way == 1

    def test_an_order_that_is_held_may_wait_until_its_time_is_over(self) -> None:
        held = scene(status="held").held()
        over = HELD_UNTIL / 1000

        assert audited([held], seconds=over - 1).under_way == 1
        assert broken(audited([held], seconds=over + 900)) == {Promise.ALWAYS_SETTLES}

    def test_the_bound_can_be_set(self) -> None:
        order = scene("reserve", status="accepted")

        assert broken(audited([order], unsettled_after_seconds=5)) == {Promise.ALWAYS_SETTLES}

    def test_what_is_done_twice_is_broken_however_young(self) -> None:
        order = scene("reserve", status="accepted").with_effects(effect(Step.RESERVE))

        assert broken(audited([order])) == {Promise.ONE_EFFECT_PER_STEP}


class TestNothingStandsStill:
    def test_an_order_that_came_between_the_reading_of_two_tables_is_whole(self) -> None:
        tables = FakeTables([confirmed()])
        tables.items["orders"].clear()
        tables.between = tables.fill

        assert broken(audited(tables)) == set()

    def test_an_order_that_was_cancelled_between_them_is_whole(self) -> None:
        _, cancelled = next(whole for whole in WHOLE if whole[0] == "cancelled after")
        tables = FakeTables([replace(confirmed(), effects=cancelled.effects)])

        def cancel() -> None:
            tables.scenes = [cancelled]
            tables.fill()

        tables.between = cancel

        assert broken(audited(tables)) == set()

    def test_what_is_still_broken_at_the_second_look_is_broken(self) -> None:
        tables = FakeTables([confirmed().without_effect(Step.POST)])
        tables.between = tables.fill

        assert broken(audited(tables)) == {Promise.NEVER_HALF_DONE}


class TestZeroIdle:
    def test_queues_are_given_time_to_run_empty(self) -> None:
        queues = FakeQueues({"watchdog": [2, 1, 0]})

        assert broken(audited([confirmed()], queues=queues)) == set()

    def test_one_that_never_does_breaks_it(self) -> None:
        queues = FakeQueues({"overflow": [1]})
        found = audited([confirmed()], queues=queues, seconds=HOURS_LATER)

        assert broken(found) == {Promise.ZERO_IDLE}

    def test_a_full_queue_of_an_open_shop_says_nothing(self) -> None:
        queues = FakeQueues({"inventory": [1]})
        found = audited([confirmed()], queues=queues)

        assert broken(found) == set()
        assert Promise.ZERO_IDLE not in judged(found)
        assert "orders are coming in" in found.promises[Promise.ZERO_IDLE].evidence

    def test_nor_does_it_while_an_order_is_under_way(self) -> None:
        queues = FakeQueues({"inventory": [1]})
        found = audited([scene("reserve", status="accepted")], queues=queues)

        assert Promise.ZERO_IDLE not in judged(found)

    def test_a_dead_letter_counts_also_while_the_shop_is_open(self) -> None:
        queues = FakeQueues({"inventory": [1], "inventory_dead_letter": [1]})
        found = audited([scene("reserve", status="accepted")], queues=queues)

        assert broken(found) == {Promise.ALWAYS_SETTLES}


class TestOwnOrdersOnly:
    @staticmethod
    def asked_by(
        scenes: list[Scene], answers: Callable[[str, str], int]
    ) -> tuple[Audited, list[tuple[str, str]]]:
        asked: list[tuple[str, str]] = []

        def ask(customer: str) -> Callable[[str], int]:
            def get(order_id: str) -> int:
                asked.append((customer, order_id))
                return answers(customer, order_id)

            return get

        customers = {customer: ask(customer) for customer in (ADA, BOB)}
        return audited(scenes, customers=customers), asked

    def test_an_owner_gets_the_order_and_another_customer_does_not(self) -> None:
        found, asked = self.asked_by([confirmed()], lambda who, _: 200 if who == ADA else 404)

        assert broken(found) == set()
        assert Promise.OWN_ORDERS_ONLY in judged(found)
        assert asked == [(ADA, KEY.order_id), (BOB, KEY.order_id)]

    def test_another_customer_who_gets_an_order_breaks_it(self) -> None:
        found, _ = self.asked_by([confirmed()], lambda *_: 200)

        assert broken(found) == {Promise.OWN_ORDERS_ONLY}

    def test_a_customer_with_an_own_order_under_the_same_id_may_get_it(self) -> None:
        own = paid_by("pay_02", moved(confirmed(), order_key(BOB, KEY.order_id)))
        scenes = [confirmed(), own]
        found, asked = self.asked_by(scenes, lambda *_: 200)

        assert broken(found) == set()
        assert asked == []

    def test_only_a_few_orders_are_asked_for(self) -> None:
        scenes = [moved(confirmed(), key(number)) for number in range(PROBED_ORDERS_MAX + 5)]
        _, asked = self.asked_by(scenes, lambda who, _: 200 if who == ADA else 404)

        assert len(asked) == 2 * PROBED_ORDERS_MAX


class TestPricedByTheStore:
    BOOK = a_book(
        Article("HEART-LIGHT", (255, 255)),
        Article("JAM-JAR", (100, 100), available_until=Millis(ACCEPTED_AT - 60_000)),
        version="v7",
    )

    @staticmethod
    def priced(made_before_ms: int, book: str | None = "v7", **changes: Any) -> Scene:
        """An order that was made so long before it was accepted, at the book's prices."""
        made_at = ACCEPTED_AT - made_before_ms
        id_ = f"{made_at >> 16:08x}-{made_at & 0xFFFF:04x}-7000-8000-000000000001"
        sold = replace(ORDER, shipping=395, total=ORDER.total + 395)
        order = moved(confirmed(), order_key(ADA, id_)).with_record(
            order=replace(sold, **changes), book=book
        )
        effects = (
            replace(one, amount=None if one.amount is None else sold.total) for one in order.effects
        )
        return replace(order, effects=tuple(effects))

    def test_an_order_at_the_prices_of_its_time_is_right(self) -> None:
        found = audited([self.priced(120_000)], book=self.BOOK)

        assert broken(found) == set()
        assert Promise.PRICED_BY_THE_STORE in judged(found)
        assert found.promises[Promise.PRICED_BY_THE_STORE].evidence == "1 orders priced again"

    @pytest.mark.parametrize(
        ("forged", "pointer"),
        [
            (
                {"lines": (ORDER.lines[0], Line("JAM-JAR", 1, 1))},
                "/lines/1/unit_price",
            ),
            ({"lines": (ORDER.lines[0], Line("JUG", 1, 100))}, "/lines/1/sku"),
            ({"shipping": 0}, "/shipping"),
            ({"tax": 1}, "/tax"),
            ({"discounts": (Discount("NOPE", 500),)}, "/discounts/0/coupon"),
        ],
    )
    def test_one_that_costs_something_else_is_named(
        self, forged: dict[str, Any], pointer: str
    ) -> None:
        order = self.priced(120_000, **forged)
        found = audited([order], book=self.BOOK)

        assert broken(found) == {Promise.PRICED_BY_THE_STORE}
        assert {one.key for one in found.broken} == {order.record.key}
        assert any(one.detail.startswith(pointer) for one in found.broken)

    def test_a_payment_that_paid_for_two_customers_is_named(self) -> None:
        """Each customer's order may have this id; the payment is one's."""
        paid = self.priced(120_000)
        again = moved(paid, order_key(BOB, paid.record.key.order_id))

        assert broken(audited([paid, paid_by("pay_02", again)], book=self.BOOK)) == set()
        found = audited([paid, again], book=self.BOOK)
        assert broken(found) == {Promise.PRICED_BY_THE_STORE}

    def test_its_own_time_counts(self) -> None:
        """The book sold that article until a minute before the order was accepted."""
        found = audited([self.priced(30_000)], book=self.BOOK)

        assert broken(found) == {Promise.PRICED_BY_THE_STORE}

    @pytest.mark.parametrize(("begins_before_ms", "right"), [(GRACE_MS, True), (10, False)])
    def test_but_within_the_grace_period_only(self, begins_before_ms: int, right: bool) -> None:
        """Of an order that was made before that, the time counts when it began."""
        jar = Article("JAM-JAR", (100, 100), available_from=Millis(ACCEPTED_AT - begins_before_ms))
        book = a_book(self.BOOK.articles["HEART-LIGHT"], jar, version="v7")

        assert (broken(audited([self.priced(2 * GRACE_MS)], book=book)) == set()) is right

    def test_what_no_book_can_tell_is_counted_and_not_judged(self) -> None:
        erased = replace(ORDER.address, name=ERASED)
        scenes = [
            self.priced(0, book=None),
            self.priced(1, book="v6"),
            self.priced(2, address=erased, tax=1),
        ]
        found = audited(scenes, book=self.BOOK)

        assert broken(found) == set()
        assert Promise.PRICED_BY_THE_STORE not in judged(found)
        evidence = found.promises[Promise.PRICED_BY_THE_STORE].evidence
        for count in ("1 by no book", "1 by a book that cannot be read", "1 erased"):
            assert count in evidence


class TestCouponWithinLimits:
    @staticmethod
    def tables(used: int) -> FakeTables:
        """One order with a coupon of the first N, whose counter counted so many."""
        tables = FakeTables([confirmed()])
        order = next(item for item in tables.items["orders"] if not items.is_progress(item))
        claimed = {**order, items.CLAIMS: {"SS": ["FIRST#0"]}}
        tables.items["orders"] = [
            claimed if item is order else item for item in tables.items["orders"]
        ]
        tables.items["coupons"] = [{"pk": {"S": "FIRST#0"}, "used": {"N": str(used)}}]
        return tables

    def test_uses_that_agree_with_the_orders_are_right(self) -> None:
        found = audited(self.tables(1))

        assert broken(found) == set()
        assert Promise.COUPON_WITHIN_LIMITS in judged(found)

    @pytest.mark.parametrize("used", [0, 2])
    def test_a_counter_that_counted_something_else_is_named(self, used: int) -> None:
        found = audited(self.tables(used))

        assert broken(found) == {Promise.COUPON_WITHIN_LIMITS}
        assert f"FIRST#0 has counted {used}" in str(found.broken[0])

    def test_a_use_without_any_order_is_named(self) -> None:
        tables = FakeTables([])
        tables.items["coupons"] = [{"pk": {"S": "FIRST#0"}, "used": {"N": "1"}}]

        assert broken(audited(tables)) == {Promise.COUPON_WITHIN_LIMITS}


def archive_all(tables: FakeTables, s3: FakeS3) -> None:
    """Every order leaves the table for the bucket."""
    stored = by_order(tables.items["orders"]).values()
    tables.items["orders"] = [*archived(s3, *((order, progress) for order, progress in stored))]


def moved(order: Scene, to: OrderKey) -> Scene:
    """The same order under another key."""
    return replace(
        order,
        record=replace(order.record, key=to),
        effects=tuple(replace(one, key=to) for one in order.effects),
    )


def paid_by(reference: str, scene: Scene) -> Scene:
    order = scene.record.order
    assert order
    payment = Payment(reference, order.total, order.currency, "k1.00")
    return scene.with_record(order=replace(order, payment=payment))


def test_the_last_change_is_the_latest_of_all_facts() -> None:
    assert confirmed().record.changed_at == ACCEPTED_AT + 300
