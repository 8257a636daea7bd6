"""One run of `spillway payments reconcile`, with the operator's own credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3
from botocore.exceptions import ClientError

from infra.stage import GATEWAY_KEY
from orders.aws import items
from orders.aws.queues import SqsBuffered
from orders.aws.table import DynamoOrders
from orders.domain.keeping import DAY_MS
from orders.domain.order import OrderKey, order_id_time
from orders.domain.units import Millis
from orders.failures import Failure
from orders.flow.reconcile import Reconcile, Reconciled
from orders.gateways.stripe import Stripe
from orders.ports import Clock, Gateway
from orders.wiring import GATEWAY_SECONDS, SystemClock
from spillway.errors import SpillwayError
from spillway.operate.payments.report import Found, ReportFile, UnpaidOrder
from spillway.target.archive import READ_AT_ONCE
from spillway.target.reading import placed_here
from spillway.target.service import Service
from spillway.ui.progress import Bar, bar

_SYSTEM = SystemClock()


def reconciled(
    gateway: Gateway,
    service: Service,
    report: Path | None,
    *,
    give_back: bool,
    refunds_max: int,
    needs_an_order: bool = True,
    orders: bool = False,
    days: int | None = None,
    clock: Clock = _SYSTEM,
) -> Found:
    """Look at each payment that was begun in the last `days`, and write it into the report. With
    `orders` look at each order of the same time, too: whether the gateway has its payment.

    SpillwayError: the gateway or the table stopped answering. What was done is done, and the next
    run goes on.
    """
    found = Found(gave_back=give_back)
    on_record: dict[str, OrderKey | None] = {}
    queues = service.queues
    with (
        ReportFile(report) as file,
        bar("Looking for each payment's order") as progress,
        ThreadPoolExecutor(READ_AT_ONCE) as threads,
    ):

        def add(one: Reconciled) -> None:
            file.add(one)
            found.add(one)
            if orders:
                on_record[one.payment.reference] = one.payment.key
            progress.advance()

        run = Reconcile(
            gateway,
            DynamoOrders(service.dynamodb, service.tables["orders"], service.archive),
            SqsBuffered(service.sqs, queues["overflow"], queues["overflow_dead_letter"]),
            clock,
            threads.map,
            refunds_max,
            needs_an_order=needs_an_order,
        )
        now = clock.now()
        since = Millis(0 if days is None else now - days * DAY_MS)
        # A file may have times without an offset, which are ahead of UTC in half of the world.
        until = Millis(now + DAY_MS)
        try:
            found.ran = run.run(since, until, add, give_back=give_back)
            if orders and found.begins is not None and found.ends is not None:
                progress.start("Looking for each order's payment")
                for order in _orders(service, found.begins, found.ends, progress):
                    if not _is_paid(order, on_record, gateway):
                        file.add(order)
                        found.unpaid.append(order)
        except Failure as failure:
            raise SpillwayError(
                f"It could not be looked at to its end ({failure}): start it again."
            ) from failure
    return found


def _orders(service: Service, begins: Millis, ends: Millis, progress: Bar) -> Iterator[UnpaidOrder]:
    """The orders that were paid in this time. Reads the whole table."""
    for page in service.orders.pages():
        for item in placed_here(page):
            progress.advance()
            if items.is_progress(item) or order_id_time(items.key_of(item).order_id) < begins:
                continue
            order = items.accepted_order(item)
            paid = order.order.payment
            # On terms nothing was taken.
            if paid is not None and paid.terms is None and order.accepted_at <= ends:
                yield UnpaidOrder(order.key, paid, order.accepted_at)


def _is_paid(
    order: UnpaidOrder, on_record: Mapping[str, OrderKey | None], gateway: Gateway
) -> bool:
    """Whether the gateway has the payment that the order names, and has it for this order."""
    reference = order.payment.reference
    if reference in on_record:
        return on_record[reference] == order.key
    # It may have been begun before that time.
    payment = gateway.find(reference)
    return payment is not None and payment.key == order.key


def stripe_of(service: Service) -> Stripe:
    """Stripe with the stage's own key. SpillwayError: there is none."""
    name = f"/spillway/{service.stage}/{GATEWAY_KEY}"
    try:
        answer = service.client("ssm").get_parameter(Name=name, WithDecryption=True)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        raise SpillwayError(
            f"There is no parameter {name}: put a restricted key of Stripe there"
            " (docs/payments.md)."
        ) from None
    key = str(answer["Parameter"]["Value"])
    return Stripe(urllib3.PoolManager(timeout=GATEWAY_SECONDS), lambda: key)
