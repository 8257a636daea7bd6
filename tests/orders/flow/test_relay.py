"""relay sends exactly what a change calls for, and hands back what it could not send."""

from __future__ import annotations

import pytest

from orders.domain.events import EventType
from orders.domain.saga import DOWNSTREAMS, Facts, Outcome, Step
from orders.failures import TransientFailure
from orders.flow.relay import FactsChanged, OrderPlaced, Relay, called_for
from simulation.world.outside import MemoryCommands, MemoryEvents
from tests.builders import NOW, accepted

ORDER = accepted()
RESERVED = Facts({Step.RESERVE: Outcome(NOW)})
SHIPPED = Facts({**RESERVED.outcomes, Step.SHIP: Outcome(NOW)})


def test_a_new_order_is_to_be_reserved_and_announced() -> None:
    commands, events = called_for(OrderPlaced(ORDER))
    assert [(command.step, command.order) for command in commands] == [(Step.RESERVE, ORDER.order)]
    assert [event.type for event in events] == [EventType.ACCEPTED]


def test_a_reservation_calls_for_shipping_and_posting_side_by_side() -> None:
    commands, events = called_for(FactsChanged(ORDER.key, Facts(), RESERVED))
    assert {command.step for command in commands} == {Step.SHIP, Step.POST}
    assert events == []


def test_a_command_under_way_is_not_given_again() -> None:
    """With the shipment known and the posting still under way, the posting is still owed, and was
    commanded before: another message for it would be pure cost."""
    assert called_for(FactsChanged(ORDER.key, RESERVED, SHIPPED)) == ([], [])


def test_the_same_change_calls_for_the_same_messages_in_the_same_order() -> None:
    change = FactsChanged(ORDER.key, Facts(), RESERVED)
    assert called_for(change) == called_for(change)


def test_a_batch_is_sent_whole() -> None:
    commands, events = MemoryCommands(), MemoryEvents()
    Relay(commands, events).relay([OrderPlaced(ORDER), FactsChanged(ORDER.key, Facts(), RESERVED)])
    assert [command.step for command in commands.sent] == [Step.RESERVE, Step.POST, Step.SHIP]
    assert len(events.published) == 1


def test_what_could_not_be_sent_is_handed_back() -> None:
    commands, events = MemoryCommands(failing=True), MemoryEvents()
    with pytest.raises(TransientFailure):
        Relay(commands, events).relay([OrderPlaced(ORDER)])
    assert events.published == []


def test_there_is_a_queue_for_every_downstream() -> None:
    assert set(DOWNSTREAMS) == {"inventory", "fulfilment", "accounting"}
