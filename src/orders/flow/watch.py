"""The watch: has the watchdog check each order that was placed and did not settle at once.

It reads the table's stream for itself, later than relay and in large batches, so an order has a
check to come whatever relay could not send. Most orders settle within the batch in which they were
placed, and cost no check: no message, no read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.saga import Facts
from orders.flow.changes import Change, OrderPlaced
from orders.ports import ChangeDeadLetters, Check, Checks


@dataclass(frozen=True, slots=True)
class Watch:
    checks: Checks
    #: For the handler: it sends the orders there whose check the queue will never take.
    dead_letters: ChangeDeadLetters

    def send(self, changes: Iterable[Change]) -> None:
        """Set the checks that these changes call for.

        Raises TransientFailure when they could not be set, PermanentFailure when AWS will never
        take some of them. Setting all of them again is safe: a check too many is a read.
        """
        self.checks.set(to_check(changes))


def to_check(changes: Iterable[Change]) -> list[Check]:
    """The checks that a batch calls for: one of each order that was placed, reopened or returned in
    it, and that is owed something at its end. Pure.

    One of each that is undone by then, too: what relay could not give back of its coupons, the
    watchdog does. Any other order either had settled before the batch, or has a check to come from
    when it was placed or reopened.
    """
    opened: set[OrderKey] = set()
    latest: dict[OrderKey, Facts] = {}
    for change in changes:
        if isinstance(change, OrderPlaced):
            opened.add(change.key)
            latest.setdefault(change.key, Facts(held_until=change.order.held_until))
            continue
        if saga.at_rest(change.before) and not saga.at_rest(change.after):
            opened.add(change.key)
        latest[change.key] = change.after
    return [
        Check(key)
        for key, facts in latest.items()
        if key in opened and (not saga.at_rest(facts) or saga.undoing(facts))
    ]
