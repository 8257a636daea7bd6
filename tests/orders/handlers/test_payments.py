"""A run of payments: which it looks at, and what it says of them without naming a payment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders.domain.keeping import DAY_MS
from orders.domain.order import OrderKey
from orders.domain.payments import PLACEABLE_MS
from orders.failures import Misconfigured
from orders.flow.reconcile import Reconcile
from orders.gateways.stripe import Stripe
from orders.handlers.payments import HOUR_MS, LOOKS, PaymentsFailed, handle
from orders.settings import PaymentsSettings
from simulation.gateway.stripe import FakeStripe, StripeConnections
from simulation.world.runtime import MemoryLog, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, NOW, accepted, order_id

KEY = "rk_test_fake"
SETTINGS = PaymentsSettings(
    orders_table="orders",
    archive_bucket="archive",
    overflow_queue_url="overflow",
    overflow_dead_letter_queue_url="overflow-dead-letters",
    events_topic_arn="t",
    events_published="payment_returned",
    gateway="stripe",
    gateway_url="https://stripe",
    gateway_key_parameter="/gateway-key",
    window_days=3,
    refunds_max=2,
    run_seconds=900,
)


class Buffered:
    def __init__(self) -> None:
        self.messages = 0

    def is_empty(self) -> bool:
        return not self.messages


class Function:
    def __init__(self) -> None:
        self.clock, self.log, self.key = SetClock(NOW), MemoryLog(), KEY
        self.stripe = FakeStripe(self.clock.now)
        gateway = Stripe(StripeConnections(self.stripe), lambda: self.key, "https://stripe")  # type: ignore[arg-type]
        orders, self.buffered = MemoryOrders(), Buffered()
        self.reconcile = Reconcile(
            gateway, orders, self.buffered, self.clock, map, SETTINGS.refunds_max
        )
        self.orders = orders

    def paid(
        self,
        hours_ago: float,
        *,
        named: bool = True,
        key: OrderKey | None = None,
        amount: int = 905,
    ) -> str:
        self.clock.milliseconds = at = NOW - round(hours_ago * HOUR_MS)
        key = key or OrderKey(CUSTOMER, order_id(at))
        names = {"customer_id": key.customer_id, "order_id": key.order_id}
        id_ = self.stripe.pay(amount, "GBP", names if named else {})
        self.clock.milliseconds = NOW
        return id_

    def ordered(self, hours_ago: float) -> None:
        """Somebody has their order: only then is it the right stage."""
        order = accepted(OrderKey(CUSTOMER, order_id(NOW - round(hours_ago * HOUR_MS))))
        assert order.order.payment is not None
        reference = self.paid(hours_ago, key=order.key, amount=order.order.payment.amount)
        payment = replace(order.order.payment, reference=reference)
        self.orders.place(replace(order, order=replace(order.order, payment=payment)))

    def run(self, event: dict[str, Any] | None = None) -> list[tuple[object, dict[str, Any]]]:
        self.log.lines.clear()
        handle(event or {}, self.reconcile, SETTINGS, self.log)
        return [(line["outcome"], line) for line in self.log.lines]


@pytest.fixture
def function() -> Function:
    return Function()


def test_an_hour_looks_at_what_has_become_old_enough(function: Function) -> None:
    oldest = PLACEABLE_MS / HOUR_MS + LOOKS
    for hours_ago in (24.9, 25.1, oldest - 0.1, oldest + 0.1):
        function.paid(hours_ago)
    function.ordered(26)
    outcome, fields = function.run()[-1]
    assert (outcome, fields["payments"], fields["given_back"]) == ("reconciled", 3, 2)


@pytest.mark.parametrize("event", [{}, {"days": 3}])
def test_the_first_run_of_a_day_and_an_operator_look_at_all_of_the_window(
    function: Function, event: dict[str, Any]
) -> None:
    function.paid(3 * 24 - 12)
    if not event:
        function.clock.milliseconds = NOW // DAY_MS * DAY_MS
    assert function.run(event)[-1][1]["payments"] == 1


def test_what_goes_back_is_told_without_its_payment(function: Function) -> None:
    reference = function.paid(26)
    function.ordered(26)
    (given_back, told), (_, run) = function.run()
    assert (given_back, told["reason"], run["given_back"]) == ("given_back", "no_order", 1)
    assert reference not in str(told)
    # Another run has nothing to tell of it.
    assert [outcome for outcome, _ in function.run()] == ["reconciled"]


def test_what_only_a_person_can_decide_is_counted_for_the_alarm(function: Function) -> None:
    function.paid(26, named=False)
    (for_a_person, told), (_, run) = function.run()
    assert (for_a_person, told["reason"], run["for_a_person"]) == ("for_a_person", "unnamed", 1)


def test_what_waits_for_a_day_too_long_is_for_a_person(function: Function) -> None:
    """Somebody has left a dead letter of the overflow queue where it is."""
    function.paid(26)
    function.buffered.messages = 1
    (postponed, _), (_, run) = function.run({"days": 3})
    assert (postponed, run.get("for_a_person")) == ("postponed", None)
    function.paid(49)
    assert function.run({"days": 3})[-1][1]["for_a_person"] == 1


def test_too_many_at_once_ring_and_stay(function: Function) -> None:
    for _ in range(3):
        function.paid(26)
    [(outcome, run)] = function.run()
    assert (outcome, run["for_a_person"]) == ("too_many", 3)
    assert function.stripe.refunds == []


def test_a_wrong_key_of_the_gateway_fails_the_run_and_rings(function: Function) -> None:
    function.key = "revoked"
    with pytest.raises(Misconfigured, match="401"):
        function.run()
    assert function.log.lines[-1]["outcome"] == "misconfigured"


def test_a_bug_is_named_by_its_place_alone(function: Function) -> None:
    function.paid(26)
    broken = Reconcile(None, MemoryOrders(), Buffered(), function.clock, map, 2)  # type: ignore[arg-type]
    with pytest.raises(PaymentsFailed, match="AttributeError at _run"):
        handle({}, broken, SETTINGS, function.log)
    assert function.log.lines[-1]["outcome"] == "bug"
