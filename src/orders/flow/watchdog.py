"""watchdog: look at an order some time after it was taken, and see to it that it settles.

Promise: `always_settles`. Everything before this keeps it already: what is owed lies in a queue
that tries for a day. This is for what nobody thought of: a message lost to a purged queue, a
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
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, Facts, Step
from orders.failures import TransientFailure
from orders.ports import Backlogs, Command, Commands, Events, Orders, Watch, Watches


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. `owed`: the steps still owed; `sent`: those of them that were sent again.

    settled  nothing is owed
    stuck    something is
    gone     there is no such order (it was erased)

    `look_again`: with the same watch, ever less often. `facts`: as they were found.
    """

    result: Literal["settled", "stuck", "gone"]
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
    watches: Watches

    def glance(self, watches: Sequence[Watch]) -> Mapping[OrderKey, Facts]:
        """What a look at many orders at once tells of them, for `check`.

        Nearly all have settled, and in an outage nearly all wait for the same downstream: neither
        needs a request of its own.
        """
        try:
            return self.orders.glance([watch.key for watch in watches if not watch.insist])
        except TransientFailure:
            # Each is read by itself then, and says of itself whether that failed.
            return {}

    def check(self, watch: Watch, glanced: Facts | None = None) -> Checked:
        """`glanced`: the order's facts as of a moment ago, where they are known.

        Raises TransientFailure to be called again with the same watch.
        """
        if glanced is not None and not watch.insist:
            waiting = sorted(saga.owed(glanced))
            if not waiting:
                return Checked("settled")
            if not any(map(self._is_lost, waiting)):
                return Checked("stuck", waiting, look_again=True, facts=glanced)
        progress = self.orders.progress(watch.key)
        if progress is None:
            return Checked("gone")
        if watch.insist:
            order = progress.order
            self.events.publish(events.all_true(order.key, order.accepted_at, progress.facts))
        owed = sorted(saga.owed(progress.facts))
        if not owed:
            return Checked("settled")
        sent = [step for step in owed if watch.insist or self._is_lost(step)]
        # Without the order, which deliver then reads: its age is known there only so.
        self.commands.send([Command(watch.key, step) for step in sent])
        if watch.insist:
            # Once is enough: from here on it is watched like any other.
            self.watches.set([Watch(watch.key)])
        return Checked("stuck", owed, sent, not watch.insist, progress.facts)

    def _is_lost(self, step: Step) -> bool:
        return self.backlogs.is_empty(DOWNSTREAM_OF[step])
