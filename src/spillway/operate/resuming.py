"""Hands orders that nothing looks after any more to the watchdog, which commands all that is owed.

A change of the table that relay never saw leaves no command, and an order that relay never saw at
all leaves no watch either. The table still says what is owed; so whoever finds such orders there
has them looked at once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orders.aws.messages import check_message_of
from orders.aws.queues import BATCH_MAX, batches
from orders.domain.order import OrderKey
from orders.ports import Check
from spillway.errors import SpillwayError
from spillway.operate.orders import OnItems, ReadThrough, still_open
from spillway.target.service import Service


@dataclass(slots=True)
class Resumed:
    """`handed_over`: orders that the watchdog was given, or with `dry_run` would be; `younger`:
    unsettled ones that were left alone because they are under way."""

    handed_over: int = 0
    younger: int = 0

    def told(self, *, dry_run: bool) -> str:
        orders = "1 order" if self.handed_over == 1 else f"{self.handed_over:,} orders"
        if not self.handed_over:
            said = "Nothing is owed"
        elif dry_run:
            said = f"Something is owed to {orders}; nothing was changed"
        else:
            said = f"The watchdog has {orders} to see to: look again in a minute"
        left = f" ({self.younger:,} younger left alone)" if self.younger else ""
        return f"{said}{left}."


def resume_one(service: Service, key: OrderKey, *, dry_run: bool) -> Resumed:
    """Hand one order over, unless nothing is owed to it."""
    if still_open(service, key) is None:
        return Resumed()
    if not dry_run:
        hand_over(service.sqs, service.queues["watchdog"], [key])
    return Resumed(handed_over=1)


def resume_all(service: Service, *, before: int, on_items: OnItems, dry_run: bool) -> Resumed:
    """Hand over all unsettled orders that were accepted before `before` (Unix milliseconds), as
    the table is read through. Memory grows by a key for each unsettled order."""
    done = Resumed()
    due: list[OrderKey] = []

    def flush() -> None:
        if not dry_run:
            hand_over(service.sqs, service.queues["watchdog"], due)
        done.handed_over += len(due)
        due.clear()

    for key in ReadThrough(service, on_items):
        record = still_open(service, key)
        if record is None:
            continue
        if (record.accepted_at or 0) >= before:
            done.younger += 1
            continue
        due.append(key)
        if len(due) == BATCH_MAX:
            flush()
    flush()
    return done


def hand_over(sqs: Any, url: str, keys: Sequence[OrderKey]) -> None:
    """Have the watchdog command what each order owes, at once. Safe to repeat: every downstream
    sees one key. `sqs` is a boto3 client, `url` the watchdog's queue.

    Raises SpillwayError: the queue did not take all.
    """
    for batch in batches(keys):
        entries = [
            {
                "Id": str(place),
                "MessageBody": check_message_of(Check(key, force=True)),
                # Not the queue's own delay, which is for orders that have just been placed.
                "DelaySeconds": 0,
            }
            for place, key in enumerate(batch)
        ]
        if sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed"):
            raise SpillwayError(
                "The watchdog's queue did not take all: run it again, nothing is done twice."
            )
