"""The payment gateway of a run: it has what every customer paid, also of those who died then."""

from __future__ import annotations

import random
from itertools import cycle

from orders.aws.queues import SqsBuffered
from orders.aws.table import DynamoOrders
from orders.domain.order import OrderKey
from orders.domain.units import CustomerId, Millis, OrderId
from orders.flow.reconcile import Reconcile
from orders.gateways.stripe import Stripe
from orders.wiring import SystemClock
from simulation.gateway.stripe import FakeStripe, StripeConnections
from spillway.ids import order_id
from spillway.prove.audit.payments import PaymentOnRecord
from spillway.prove.demo.result import Run, now
from spillway.run.stack import Stack
from spillway.target.service import of_stack

#: Nobody waits for a day: these have paid, and died, so long before the run.
DIED_BEFORE_MS = 26 * 60 * 60 * 1000
_KEY = "rk_test_demo"


def reconcile(stack: Stack, done: Run) -> None:
    """Hold what was paid against the orders, as a stage's hourly function does, and keep the
    gateway's record. Nothing is kept where orders wait outside the table: then nobody can say."""
    service = of_stack(stack)
    queues = service.queues
    buffered = SqsBuffered(service.sqs, queues["overflow"], queues["overflow_dead_letter"])
    if not done.placed or not buffered.is_empty():
        return
    gateway = FakeStripe(now, _KEY)
    _pay(gateway, done)
    run = Reconcile(
        Stripe(StripeConnections(gateway), lambda: _KEY),  # type: ignore[arg-type]
        DynamoOrders(service.dynamodb, service.tables["orders"], service.archive),
        buffered,
        SystemClock(),
        map,
        returns_max=done.plan.died,
        # All may have been refused.
        needs_an_order=False,
    )
    run.run(Millis(0), Millis(now() + 1_000), lambda _: None, give_back=True)
    done.payments = [
        PaymentOnRecord(
            reference,
            OrderKey(CustomerId(named["customer_id"]), OrderId(named["order_id"])),
            amount,
            back,
        )
        for reference, named, amount, back in gateway.payments()
    ]


def _pay(gateway: FakeStripe, done: Run) -> None:
    for order in done.placed:
        paid = order.order.payment
        if paid is not None:
            gateway.pay(paid.amount, paid.currency, _named(order.key), id_=paid.reference)
    rng = random.Random(f"died {done.plan.seed} {done.began_at}")  # noqa: S311 -- not secrets
    for _, order in zip(range(done.plan.died), cycle(done.placed), strict=False):
        id_ = order_id(now() - DIED_BEFORE_MS, rng)
        key = OrderKey(order.key.customer_id, id_)
        gateway.pay(order.order.total or 1, order.order.currency, _named(key))


def _named(key: OrderKey) -> dict[str, str]:
    return {"customer_id": key.customer_id, "order_id": key.order_id}
