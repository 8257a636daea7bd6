"""relay: turns each change of the table into the commands and events that follow from it.

The table's stream is the outbox. No other function sends a command or an event first, so there is
no double write that a crash could tear apart; the watchdog only sends again. If commands cannot be
sent, the stream delivers the changes again. A change that cannot be read is dead-lettered, so that
a person sees it. Neither is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from orders.domain import events, saga
from orders.domain.events import Event
from orders.domain.order import OrderKey
from orders.domain.saga import Facts
from orders.failures import Failure
from orders.flow.changes import Change, OrderPlaced
from orders.ports import ChangeDeadLetters, Check, Checks, Command, Commands, Coupons, Events


@dataclass(frozen=True, slots=True)
class Calls:
    """What changes call for: commands to give, events to announce, orders whose coupons to give
    back."""

    commands: Sequence[Command] = ()
    events: Sequence[Event] = ()
    undone: Sequence[OrderKey] = ()


@dataclass(frozen=True, slots=True)
class Relay:
    commands: Commands
    events: Events
    checks: Checks
    coupons: Coupons
    #: For the handler: it sends the changes there that it cannot read.
    dead_letters: ChangeDeadLetters

    def send(self, changes: Iterable[Change]) -> Calls:
        """Send what these changes call for; returns it, for the log.

        Raises TransientFailure when commands could not be sent, PermanentFailure when AWS will
        never take some of them. Sending all of it again is safe: each downstream sees the same key,
        each consumer of events the same id.
        """
        each = [called_for(change) for change in changes]
        calls = Calls(
            [command for call in each for command in call.commands],
            [event for call in each for event in call.events],
            [key for call in each for key in call.undone],
        )
        self.commands.send(calls.commands)
        self._announce(calls.events)
        self._give_back(calls.undone)
        return calls

    def _give_back(self, undone: Sequence[OrderKey]) -> None:
        """Coupons must not hold up orders either. Each order that is undone has a check to come
        that gives back what was not given back here (orders.flow.watch)."""
        with suppress(Failure):
            self.coupons.give_back(undone)

    def _announce(self, events: Sequence[Event]) -> None:
        """A topic that is down must not hold up orders: what it didn't take, the watchdog announces
        later, and goes on trying."""
        try:
            self.events.publish(events)
        except Failure:
            keys = dict.fromkeys(event.key for event in events)
            self.checks.set([Check(key, force=True) for key in keys])


def called_for(change: Change) -> Calls:
    """What one change calls for. Pure."""
    if isinstance(change, OrderPlaced):
        order = change.order
        placed = Facts(held_until=order.held_until)
        # Who has to read the order anyway, for its address and payment, needs no goods along.
        goods = None if order.express else order.order
        return Calls(
            [Command(order.key, step, goods, order.trace) for step in sorted(saga.owed(placed))],
            [events.accepted(order.key, order.accepted_at)],
        )
    before, after = saga.owed(change.before), saga.owed(change.after)
    # What was owed before has been commanded before; giving it again would only multiply messages.
    # Sorted, for a set has no order of its own: the same change makes the same messages.
    steps = sorted(after - before)
    announced = events.became_true(change.key, change.before, change.after)
    undone = saga.undoing(change.after) and not saga.undoing(change.before)
    return Calls(
        [Command(change.key, step) for step in steps],
        announced,
        (change.key,) if undone else (),
    )
