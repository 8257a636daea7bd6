"""100 clients that die after paying: 100 refunds or orders, none both, none neither, whatever the
table is, and with two runs and drain at it at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from orders.aws.table import DynamoOrders
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.payments import PLACEABLE_MS
from orders.domain.units import CustomerId, Millis
from orders.flow.drain import Drain
from orders.flow.reconcile import Ran, Reconcile
from orders.gateways.stripe import Stripe
from simulation.gateway.stripe import FakeStripe, StripeConnections
from simulation.world.runtime import SetClock
from simulation.world.table import MemoryOrders
from spillway.run.stack import Stack
from tests.builders import NOW, accepted, order_id
from tests.tables import make_table

CLIENTS = 100
DAY_LATER = Millis(NOW + PLACEABLE_MS + 1)


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.emulator)])
def orders(request: pytest.FixtureRequest) -> Iterator[DynamoOrders]:
    if request.param == "memory":
        yield MemoryOrders()
        return
    stack: Stack = request.getfixturevalue("stack")
    dynamodb = stack.client("dynamodb")
    name = make_table(dynamodb, "reconcile")
    yield DynamoOrders(dynamodb, name)
    dynamodb.delete_table(TableName=name)


class Lagging:
    """The overflow queue, whose count shows nothing of what is in it."""

    def is_empty(self) -> bool:
        return True


def test_each_of_a_hundred_has_either_an_order_or_the_money(orders: DynamoOrders) -> None:
    """Every third sent the order in time, of these every other one still waits in the overflow
    queue, where no count shows it, and is drained while two runs give money back."""
    stripe = FakeStripe(SetClock(NOW).now)
    paid = [_paid(stripe, number) for number in range(CLIENTS)]
    sent = paid[::3]
    for order in sent[::2]:
        orders.place(order)
    gateway = Stripe(StripeConnections(stripe), lambda: "rk_test_fake")  # type: ignore[arg-type]
    run = Reconcile(gateway, orders, Lagging(), SetClock(DAY_LATER), map, CLIENTS)

    def reconciled(_: int) -> Ran:
        return run.run(Millis(0), DAY_LATER, lambda _: None, give_back=True)

    with ThreadPoolExecutor(3) as at_once:
        runs = at_once.map(reconciled, range(2))
        drained = list(at_once.map(Drain(orders).place, sent[1::2]))
        assert [ran.payments for ran in runs] == [CLIENTS] * 2
    reconciled(3)

    back = {name: refunded == amount for name, _, amount, refunded in stripe.payments()}
    ordered = {_reference(order): orders.find(order.key) is not None for order in paid}
    assert [name for name in back if back[name] == ordered[name]] == []
    assert sum(ordered.values()) == len(sent[::2]) + drained.count("placed")
    assert len(stripe.refunds) == CLIENTS - sum(ordered.values())


def _paid(stripe: FakeStripe, number: int) -> AcceptedOrder:
    """The order that a client has paid for, as it would be accepted."""
    order = accepted(OrderKey(CustomerId(f"customer-{number}"), order_id()))
    payment = order.order.payment
    assert payment is not None
    named = {"customer_id": order.key.customer_id, "order_id": order.key.order_id}
    reference = stripe.pay(payment.amount, payment.currency, named)
    return replace(order, order=replace(order.order, payment=replace(payment, reference=reference)))


def _reference(order: AcceptedOrder) -> str:
    assert order.order.payment is not None
    return order.order.payment.reference
