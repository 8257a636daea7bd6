"""watchdog: look at an order some time after it was taken, and see to it that it settles.

Promise: `always_settles`. Everything before this keeps it already: what is owed is in a queue
that retries for a day. This is for the unforeseen: a message lost to a purged queue, a
deployment that forgot a permission, a bug since mended.

What is owed is sent again only to a downstream for which nothing waits. Where commands wait or are
being tried, this order's is among them, and another copy would only multiply messages, most of all
in an outage; where dead letters lie, a person must look first, and redrives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from orders.domain import events, saga
from orders.domain.keeping import may_be_archived
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, Approval, Facts, Step
from orders.domain.units import Millis
from orders.failures import TransientFailure
from orders.ports import (
    Archived,
    Backlogs,
    Check,
    Checks,
    Clock,
    Command,
    Commands,
    Coupons,
    Events,
    Orders,
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. `owed`: the steps still owed; `sent`: those of them that were sent again.

    settled  nothing is owed
    stuck    something is
    held     it awaits its approval, or was just decided about
    gone     there is no such order (it was erased)

    `look_again`: with the same check, with backoff. `facts`: as they were found.
    """

    result: Literal["settled", "stuck", "held", "gone"]
    owed: Sequence[Step] = ()
    sent: Sequence[Step] = ()
    look_again: bool = False
    facts: Facts = field(default_factory=Facts, compare=False)


@dataclass(frozen=True, slots=True)
class Watchdog:
    orders: Orders
    backlogs: Backlogs
    commands: Commands
    events: Events
    checks: Checks
    coupons: Coupons
    clock: Clock

    def batch_get_progress(self, checks: Sequence[Check], now: Millis) -> Mapping[OrderKey, Facts]:
        """What a look at many orders at once tells of them, for `check`.

        Nearly all have settled, and in an outage nearly all wait for the same downstream: neither
        needs a request of its own. One that may have left the table does: it has no facts there.
        """
        keys = [
            check.key
            for check in checks
            if not check.force and not may_be_archived(check.key.order_id, now)
        ]
        try:
            return self.orders.batch_get_progress(keys)
        except TransientFailure:
            # Each is then read alone, and its own read may fail.
            return {}

    def check(self, check: Check, fetched: Facts | None = None) -> Checked:
        """`fetched`: the order's facts as of a moment ago, where they are known.

        Raises TransientFailure to be called again with the same check.
        """
        if fetched is not None and not check.force:
            waiting = sorted(saga.owed(fetched))
            if not waiting:
                return self._without_commands(check, fetched)
            if not any(map(self._is_lost, waiting)):
                return Checked("stuck", waiting, look_again=True, facts=fetched)
        try:
            progress = self.orders.progress(check.key)
        except Archived:
            return Checked("settled")
        if progress is None:
            return Checked("gone")
        if check.force:
            order = progress.order
            self.events.publish(events.all_true(order.key, order.accepted_at, progress.facts))
        owed = sorted(saga.owed(progress.facts))
        if not owed:
            return self._without_commands(check, progress.facts)
        sent = [step for step in owed if check.force or self._is_lost(step)]
        # Without the order, which deliver then reads: its age is known there only so.
        self.commands.send([Command(check.key, step) for step in sent])
        if check.force:
            # Once is enough: from here on it is watched like any other.
            self.checks.set([Check(check.key)])
        return Checked("stuck", owed, sent, not check.force, progress.facts)

    def _without_commands(self, check: Check, facts: Facts) -> Checked:
        """Of an order that no step is owed to."""
        if not saga.awaits_approval(facts):
            return self._settled(check.key, facts)
        now = self.clock.now()
        if facts.held_until is not None and now >= facts.held_until:
            # Relay takes it from here.
            facts = self.orders.decide(check.key, Approval(now, "expired"))
        if check.force:
            self.checks.set([Check(check.key)])
        return Checked("held", look_again=not check.force, facts=facts)

    def _settled(self, key: OrderKey, facts: Facts) -> Checked:
        """Nothing is owed to the order; what it used up of coupons it may still owe."""
        if saga.undoing(facts):
            self.coupons.give_back([key])
        return Checked("settled")

    def _is_lost(self, step: Step) -> bool:
        return self.backlogs.is_empty(DOWNSTREAM_OF[step])
