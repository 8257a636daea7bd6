"""relay: the table's stream is the outbox. What has changed there becomes the commands now owed
and the events now true.

Nothing else ever sends a command or an event, so there is no double write that a crash could tear
apart. A change that could not be sent is handed back to the stream, which brings it again; one that
cannot be understood is set aside where a person sees it. Neither is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orders.domain import events, saga
from orders.domain.events import Event
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.saga import Facts, Step
from orders.ports import Command, Commands, Events


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """A new order lies in the table."""

    order: AcceptedOrder


@dataclass(frozen=True, slots=True)
class FactsChanged:
    """An order's progress was written."""

    key: OrderKey
    before: Facts
    after: Facts


Change = OrderPlaced | FactsChanged


@dataclass(frozen=True, slots=True)
class Relay:
    commands: Commands
    events: Events

    def relay(self, changes: Iterable[Change]) -> tuple[Sequence[Command], Sequence[Event]]:
        """Send what these changes call for; returns it, for the log.

        Raises TransientFailure when anything could not be sent. Sending all of it again is safe:
        each downstream sees the same key, each consumer of events the same id.
        """
        commands: list[Command] = []
        announced: list[Event] = []
        for change in changes:
            new_commands, new_events = called_for(change)
            commands += new_commands
            announced += new_events
        # Commands first: they move orders on, events only tell of it.
        self.commands.send(commands)
        self.events.publish(announced)
        return commands, announced


def called_for(change: Change) -> tuple[list[Command], list[Event]]:
    """What one change calls for. Pure."""
    if isinstance(change, OrderPlaced):
        order = change.order
        return (
            [Command(order.key, step, order.order) for step in _in_order(saga.owed(Facts()))],
            [events.accepted(order.key, order.accepted_at)],
        )
    event = events.became_true(change.key, change.before, change.after)
    return (
        [
            Command(change.key, step)
            for step in _in_order(saga.newly_owed(change.before, change.after))
        ],
        [event] if event else [],
    )


def _in_order(steps: Iterable[Step]) -> list[Step]:
    """A set has no order of its own: with one, the same change makes the same messages."""
    return sorted(steps)
