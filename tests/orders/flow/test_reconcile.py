"""Each payment that the gateway has taken is ordered or goes back: never both, never neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders.domain.order import AcceptedOrder, OrderKey, VoidId
from orders.domain.parcels import News, What
from orders.domain.payments import PLACEABLE_MS, Finding
from orders.domain.saga import Step
from orders.domain.units import Millis, OrderId
from orders.failures import TransientFailure
from orders.flow.drain import Drain
from orders.flow.reconcile import Ran, Reconcile, Reconciled, Return
from orders.gateways.stripe import Stripe
from simulation.gateway.stripe import FakeStripe, Fault, StripeConnections
from simulation.world.runtime import MemoryEvents, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, FREE, NOW, accepted, order_id, outcome

KEY = "rk_test_fake"
DAY_LATER = Millis(NOW + PLACEABLE_MS + 1)


class Buffered:
    """The overflow queue and its dead letters, as counted."""

    def __init__(self) -> None:
        self.orders: list[AcceptedOrder] = []

    def is_empty(self) -> bool:
        return not self.orders


class Shop:
    """A store with its gateway, a day after what was paid at `NOW`."""

    def __init__(self) -> None:
        self.clock = SetClock(NOW)
        self.faults: list[Fault | None] = []
        self.stripe = FakeStripe(self.clock.now, next_fault=self._fault)
        self.orders = MemoryOrders()
        self.buffered = Buffered()
        self.told: list[Reconciled] = []
        self.topic = MemoryEvents()

    def paid(self, key: OrderKey | None, amount: int = 905, currency: str = "GBP") -> str:
        metadata = {} if key is None else {"customer_id": key.customer_id, "order_id": key.order_id}
        return self.stripe.pay(amount, currency, metadata)

    def ordered(
        self, key: OrderKey, reference: str, *, terms: str | None = None, **fields: Any
    ) -> AcceptedOrder:
        """The order as its customer sent it, with this payment."""
        order = accepted(key, **fields)
        if order.order.payment is not None:
            payment = replace(order.order.payment, reference=reference, terms=terms)
            order = replace(order, order=replace(order.order, payment=payment))
        self.orders.place(order)
        return order

    def refunded_by_hand(self, reference: str) -> None:
        body = f"payment_intent={reference}".encode()
        self.stripe.answer("POST", "/v1/refunds", {"authorization": f"Bearer {KEY}"}, body)

    def reconcile(
        self, *, at: int = DAY_LATER, give_back: bool = True, most: int = 100, alone: bool = True
    ) -> Ran:
        self.clock.milliseconds = at
        self.told = []
        gateway = Stripe(StripeConnections(self.stripe), lambda: KEY)  # type: ignore[arg-type]
        run = Reconcile(
            gateway, self.orders, self.buffered, self.clock, map, most, self.topic, not alone
        )
        return run.run(Millis(0), Millis(at), self.told.append, give_back=give_back)

    def _fault(self, method: str, _path: str) -> Fault | None:
        return self.faults.pop(0) if self.faults and method == "POST" else None


@pytest.fixture
def shop() -> Shop:
    return Shop()


def key() -> OrderKey:
    return OrderKey(CUSTOMER, order_id())


def amount_of(order: AcceptedOrder) -> int:
    return order.order.total


def test_what_was_paid_and_ordered_stays(shop: Shop) -> None:
    ordered = key()
    reference = shop.paid(ordered, amount_of(accepted(ordered)))
    shop.ordered(ordered, reference)
    shop.reconcile()
    assert [(one.finding, one.returned) for one in shop.told] == [(Finding.ORDERED, None)]
    assert shop.stripe.refunded(reference) == 0


def test_while_the_order_may_still_come_nothing_goes_back(shop: Shop) -> None:
    reference = shop.paid(key())
    ran = shop.reconcile(at=NOW + PLACEABLE_MS)
    assert ran.findings == {Finding.WAITING: 1}
    assert shop.stripe.refunded(reference) == 0


def test_without_an_order_the_id_is_made_void_and_all_of_it_goes_back_once(shop: Shop) -> None:
    lost = key()
    reference = shop.paid(lost)
    assert shop.reconcile().returns == {Return.GIVEN_BACK: 1}
    assert isinstance(shop.orders.place(accepted(lost)), VoidId)
    assert shop.reconcile().returns == {Return.DONE_BEFORE: 1}
    assert shop.stripe.refunded(reference) == 905
    assert len(shop.stripe.refunds) == 1


def test_a_dry_run_changes_nothing(shop: Shop) -> None:
    lost = key()
    shop.paid(lost)
    assert shop.reconcile(give_back=False).returns == {Return.DUE: 1}
    assert shop.stripe.refunds == []
    assert shop.orders.place(accepted(lost)) is None


@pytest.mark.parametrize("drained", ["before", "meanwhile"])
def test_what_waits_in_the_overflow_queue_is_an_order(shop: Shop, drained: str) -> None:
    """It was acknowledged: its id stays good, however late it is drained."""
    ordered = key()
    reference = shop.paid(ordered, amount_of(accepted(ordered)))
    order = accepted(ordered)
    assert order.order.payment is not None
    order = replace(
        order, order=replace(order.order, payment=replace(order.order.payment, reference=reference))
    )
    shop.buffered.orders.append(order)
    assert shop.reconcile().returns == {Return.LATER: 1}
    assert shop.stripe.refunds == []
    if drained == "before":
        assert Drain(shop.orders).place(shop.buffered.orders.pop()) == "placed"
    else:
        # The queue is counted empty, and the order comes before the write that makes its id void.
        shop.buffered.orders.clear()
        drain, find = Drain(shop.orders), shop.orders.find

        def found_a_moment_too_early(key: OrderKey) -> AcceptedOrder | None:
            found = find(key)
            drain.place(order)
            return found

        shop.orders.find = found_a_moment_too_early  # type: ignore[method-assign]
    shop.reconcile()
    assert [(one.finding, one.returned) for one in shop.told] == [(Finding.ORDERED, None)]
    assert shop.stripe.refunds == []


def test_of_two_payments_for_an_order_the_one_that_it_does_not_name_goes_back(shop: Shop) -> None:
    ordered = key()
    first, second = (shop.paid(ordered, amount_of(accepted(ordered))) for _ in range(2))
    shop.ordered(ordered, second)
    ran = shop.reconcile()
    assert ran.findings == {Finding.ORDERED: 1, Finding.PAID_TWICE: 1}
    assert (shop.stripe.refunded(first), shop.stripe.refunded(second)) == (905, 0)
    assert shop.reconcile().returns == {Return.DONE_BEFORE: 1}


@pytest.mark.parametrize("terms", [None, "net30"])
def test_a_payment_for_an_order_for_which_none_is_taken_goes_back(
    shop: Shop, terms: str | None
) -> None:
    ordered = key()
    reference = shop.paid(ordered)
    if terms is None:
        shop.ordered(ordered, "", **FREE)
    else:
        # Whoever gives credit may call the decision as the gateway calls the payment.
        shop.ordered(ordered, reference, terms=terms)
    shop.reconcile()
    assert shop.stripe.refunded(reference) == 905


def test_a_payment_of_an_invoice_stays(shop: Shop) -> None:
    """It names the order as a payment at the checkout does, and comes when no order can be placed
    under its id any more. Of another amount, such as a part, a person must know."""
    ordered = key()
    shop.ordered(ordered, "decision-17", terms="net30")
    shop.clock.milliseconds = DAY_LATER + 1_000
    for amount in (905, 400):
        shop.paid(ordered, amount)
    ran = shop.reconcile(at=DAY_LATER + DAY_LATER - NOW)
    assert ran.findings == {Finding.ORDERED: 1, Finding.DIFFERS: 1}
    assert shop.stripe.refunds == []


def test_an_order_never_loses_its_only_payment(shop: Shop) -> None:
    """It names a payment that the gateway does not have, or that has gone back: the other one that
    was made for it is all that there is, and a person must look."""
    unknown, gone = key(), key()
    shop.ordered(unknown, "pi_of_another_account")
    shop.ordered(gone, own := shop.paid(gone))
    kept = [shop.paid(unknown), shop.paid(gone)]
    shop.refunded_by_hand(own)
    ran = shop.reconcile()
    assert ran.findings[Finding.UNPAID] == 2
    assert [shop.stripe.refunded(each) for each in kept] == [0, 0]


def test_what_its_order_says_otherwise_is_for_a_person(shop: Shop) -> None:
    for fields in ({"amount": 1}, {"currency": "EUR", "amount": amount_of(accepted())}):
        ordered = key()
        shop.ordered(ordered, shop.paid(ordered, **fields))
    assert shop.reconcile().findings == {Finding.DIFFERS: 2}
    assert shop.stripe.refunds == []


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("stands", Finding.RETURNED_AND_ORDERED),
        ("refused", Finding.ORDERED),
        # It stays confirmed.
        ("came back", Finding.ORDERED),
    ],
)
def test_money_that_is_back_has_no_order_that_stands(
    shop: Shop, then: str, expected: Finding
) -> None:
    ordered = key()
    order = accepted(ordered)
    reference = shop.paid(ordered, amount_of(order))
    shop.ordered(ordered, reference)
    shop.refunded_by_hand(reference)
    if then == "refused":
        shop.orders.record(ordered, {Step.RESERVE: outcome(NOW, refusal="out_of_stock")})
    if then == "came back":
        shop.orders.record_news(ordered, News("1", What.RETURNED, Millis(NOW), parcels=1))
    assert shop.reconcile().findings == {expected: 1}


def test_an_id_of_the_future_is_for_a_person(shop: Shop) -> None:
    """It can be neither placed nor made void: nobody would ever hear of the payment."""
    shop.paid(OrderKey(CUSTOMER, order_id(DAY_LATER + 2 * 60 * 60 * 1000)))
    assert shop.reconcile().findings == {Finding.FUTURE_ID: 1}


def test_what_is_back_is_not_counted_as_to_be_given_back(shop: Shop) -> None:
    for _ in range(3):
        shop.paid(key())
    assert shop.reconcile(most=3).returns == {Return.GIVEN_BACK: 3}
    shop.paid(key())
    assert shop.reconcile(most=1).returns == {Return.GIVEN_BACK: 1, Return.DONE_BEFORE: 3}
    assert shop.reconcile(give_back=False).returns == {Return.DONE_BEFORE: 4}


def test_what_was_given_back_by_hand_takes_no_order_any_more(shop: Shop) -> None:
    lost = key()
    shop.refunded_by_hand(shop.paid(lost))
    assert shop.reconcile().returns == {Return.DONE_BEFORE: 1}
    assert isinstance(shop.orders.place(accepted(lost)), VoidId)


def test_what_names_no_order_is_for_a_person(shop: Shop) -> None:
    shop.paid(None)
    shop.paid(OrderKey(CUSTOMER, OrderId("basket-17")))
    assert shop.reconcile().findings == {Finding.UNNAMED: 2}
    assert shop.stripe.refunds == []


@pytest.mark.parametrize("fault", ["too_many", "fails_after", "answer_lost", "key_in_use"])
def test_a_refund_whose_answer_is_lost_is_made_once(shop: Shop, fault: Fault) -> None:
    reference = shop.paid(key())
    shop.faults = [fault]
    assert shop.reconcile().returns == {Return.LATER: 1}
    ran = shop.reconcile()
    assert ran.returns.keys() <= {Return.GIVEN_BACK, Return.DONE_BEFORE}
    assert shop.stripe.refunded(reference) == 905
    assert len(shop.stripe.refunds) == 1


def test_more_than_a_run_may_give_back_is_not_given_back(shop: Shop) -> None:
    """A wrong stage looks as if nobody's order had arrived."""
    for _ in range(4):
        shop.paid(key())
    ran = shop.reconcile(most=3)
    assert (ran.held, ran.returns) == (True, {Return.DUE: 4})
    assert shop.stripe.refunds == []
    assert shop.reconcile(most=4).returns == {Return.GIVEN_BACK: 4}


def test_nothing_goes_back_where_no_payment_has_its_order(shop: Shop) -> None:
    """The checkout writes another name of the customer into its payments, say."""
    shop.paid(key())
    assert shop.reconcile(alone=False).returns == {Return.LATER: 1}
    assert shop.stripe.refunds == []
    ordered = key()
    shop.ordered(ordered, shop.paid(ordered, amount_of(accepted(ordered))))
    assert shop.reconcile(alone=False).returns == {Return.GIVEN_BACK: 1}


def test_nothing_goes_back_while_the_table_is_out(shop: Shop) -> None:
    shop.paid(key())

    def timed_out(void: VoidId) -> AcceptedOrder | None:
        raise TransientFailure(f"PutItem: {void.key.order_id} timed out")

    shop.orders.void = timed_out  # type: ignore[method-assign]
    assert shop.reconcile().returns == {Return.LATER: 1}
    assert shop.stripe.refunds == []


def test_each_run_announces_what_has_gone_back_with_the_same_content(shop: Shop) -> None:
    """At least once: a run may die between giving back and saying so."""
    shop.paid(lost := key())
    twice = key()
    shop.ordered(twice, shop.paid(twice, amount_of(accepted(twice))))
    for _ in range(2):
        shop.paid(twice)
    shop.reconcile()
    first = list(shop.topic.published)
    assert [(event.key, event.reason) for event in first] == [
        (lost, "no_order"),
        (twice, "paid_twice"),
        (twice, "paid_twice"),
    ]
    assert len({event.id for event in first}) == 3
    shop.reconcile()
    assert sorted(shop.topic.published[3:], key=str) == sorted(first, key=str)
