"""One run of `spillway payments reconcile`, with the operator's own credentials."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orders.aws.queues import SqsBuffered
from orders.aws.table import DynamoOrders
from orders.domain.units import Millis
from orders.failures import Failure
from orders.flow.reconcile import Reconcile, Reconciled
from orders.ports import Clock, Gateway
from orders.wiring import SystemClock
from spillway.errors import SpillwayError
from spillway.operate.payments.report import Found, ReportFile
from spillway.target.archive import READ_AT_ONCE
from spillway.target.service import Service
from spillway.ui.progress import bar

_SYSTEM = SystemClock()
_EVER = Millis(0)


def reconciled(
    gateway: Gateway,
    service: Service,
    report: Path | None,
    *,
    give_back: bool,
    refunds_max: int,
    since: Millis = _EVER,
    clock: Clock = _SYSTEM,
) -> Found:
    """Look at each payment that was begun since then, and write it into the report.

    SpillwayError: the gateway or the table stopped answering. What was done is done, and the next
    run goes on.
    """
    found = Found(gave_back=give_back)
    queues = service.queues
    with (
        ReportFile(report) as file,
        bar("Looking for each payment's order") as progress,
        ThreadPoolExecutor(READ_AT_ONCE) as threads,
    ):

        def add(one: Reconciled) -> None:
            file.add(one)
            found.add(one)
            progress.advance()

        run = Reconcile(
            gateway,
            DynamoOrders(service.dynamodb, service.tables["orders"], service.archive),
            SqsBuffered(service.sqs, queues["overflow"], queues["overflow_dead_letter"]),
            clock,
            threads.map,
            refunds_max,
        )
        try:
            found.ran = run.run(since, clock.now(), add, give_back=give_back)
        except Failure as failure:
            raise SpillwayError(
                f"It could not be looked at to its end ({failure}): start it again."
            ) from failure
    return found
