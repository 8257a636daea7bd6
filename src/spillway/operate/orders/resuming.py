"""Hands orders that have lost their commands to the watchdog, which commands every owed step.

If relay misses a change of the table, no command is sent for it; if relay misses a new order, the
watchdog does not know the order either. The table still says what is owed. So the orders are found
there, and handed to the watchdog.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders.aws.messages import check_message_of
from orders.aws.queues import BATCH_MAX
from orders.domain.order import OrderKey
from orders.ports import Check
from spillway.errors import SpillwayError
from spillway.operate.batches import in_batches
from spillway.operate.orders.reading import still_open
from spillway.target.service import Service
from spillway.ui.formatting import counted

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


@dataclass(slots=True)
class Resumed:
    """`handed_over`: orders given to the watchdog, or with `dry_run` those that would be.
    `younger`: unsettled orders that were skipped because they are under way."""

    handed_over: int = 0
    younger: int = 0

    def sentence(self, *, dry_run: bool) -> str:
        orders = counted(self.handed_over, "order")
        if not self.handed_over:
            result = "No order is owed a step"
        elif dry_run:
            result = f"{orders} would be handed to the watchdog; nothing was changed"
        else:
            result = f"{orders} handed to the watchdog: check again in a minute"
        skipped = f" ({self.younger:,} younger skipped)" if self.younger else ""
        return f"{result}{skipped}."


def resume(
    service: Service, keys: Iterable[OrderKey], *, before: int | None = None, dry_run: bool
) -> Resumed:
    """Hand over those of the orders that have not settled.

    `before`: only if they were accepted before that moment (Unix milliseconds).
    """
    done = Resumed()
    due: list[OrderKey] = []
    for key in keys:
        record = still_open(service, key)
        if record is None:
            continue
        if before is not None and (record.accepted_at or 0) >= before:
            done.younger += 1
            continue
        done.handed_over += 1
        due.append(key)
        if len(due) == BATCH_MAX and not dry_run:
            hand_over(service.sqs, service.queues["watchdog"], due)
            due.clear()
    if not dry_run:
        hand_over(service.sqs, service.queues["watchdog"], due)
    return done


def hand_over(sqs: SQSClient, url: str, keys: Sequence[OrderKey]) -> None:
    """Have the watchdog command every owed step of these orders now.

    Safe to repeat: every downstream sees one idempotency key. `url` is the watchdog's queue.
    SpillwayError: the queue did not take all.
    """
    entries = [
        # The queue's own delay is for orders that have just been placed.
        {"MessageBody": check_message_of(Check(key, force=True)), "DelaySeconds": 0}
        for key in keys
    ]
    if in_batches(sqs.send_message_batch, url, entries):
        raise SpillwayError(
            "The watchdog's queue did not take all orders: run it again, which is safe."
        )
