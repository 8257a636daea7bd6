"""The use cases together, in memory: from a client's order to three downstreams that agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from orders.domain.events import EventType
from orders.domain.order import OrderKey
from orders.domain.saga import Outcome, Step
from orders.domain.status import status
from orders.flow.deliver import Deliver
from orders.flow.intake import Acknowledged, Intake
from orders.flow.relay import Relay
from orders.ports import Command
from simulation.world.outside import (
    AnsweringDownstream,
    FixedReceiptKeys,
    MemoryCommands,
    MemoryEvents,
    MemoryOverflow,
    MemoryUnrelayed,
    MemoryWatches,
    SetClock,
)
from simulation.world.table import MemoryOrders
from tests.builders import CUSTOMER, KEY, KEY_ID, NOW, content, order_id


class Service:
    def __init__(self, answer: Callable[[Command], Outcome] = lambda _: Outcome(NOW)) -> None:
        self.orders = MemoryOrders()
        self.intake = Intake(
            self.orders,
            MemoryOverflow(),
            FixedReceiptKeys({KEY_ID: KEY}),
            SetClock(NOW),
            frozenset({"GBP"}),
        )
        self.commands, self.events = MemoryCommands(), MemoryEvents()
        self.relay = Relay(self.commands, self.events, MemoryWatches(), MemoryUnrelayed())
        self.downstream = AnsweringDownstream(answer)
        self.deliver = Deliver(self.orders, self.downstream)

    def place(self) -> OrderKey:
        key = OrderKey(CUSTOMER, order_id())
        sent = content(key.order_id)
        result = self.intake.place(key, sent.order, sent.digest, wholesale_allowed=False)
        assert isinstance(result, Acknowledged)
        return key

    def run(self, copies: int = 1) -> None:
        """Relay and deliver until nothing moves any more, each message `copies` times."""
        while self.orders.stream or self.commands.sent:
            changes = [self.orders.stream.pop(0) for _ in range(len(self.orders.stream))]
            for _ in range(copies):
                self.relay.relay(changes)
            sent = [self.commands.sent.pop(0) for _ in range(len(self.commands.sent))]
            for command in sent:
                self.deliver.deliver(command)

    def status(self, key: OrderKey) -> str:
        progress = self.orders.progress(key)
        assert progress is not None
        return status(progress.facts).value

    @property
    def steps(self) -> Counter[Step]:
        return Counter(command.step for command in self.downstream.asked)


def refusing(*steps: Step) -> Callable[[Command], Outcome]:
    def answer(command: Command) -> Outcome:
        return Outcome(NOW, refusal=f"no_{command.step}" if command.step in steps else None)

    return answer


def test_a_healthy_order_is_confirmed_with_one_call_to_each_downstream() -> None:
    service = Service()
    key = service.place()
    service.run()
    assert service.status(key) == "confirmed"
    assert service.steps == {Step.RESERVE: 1, Step.SHIP: 1, Step.POST: 1}
    assert [event.type for event in service.events.published] == [
        EventType.ACCEPTED,
        EventType.CONFIRMED,
    ]


@pytest.mark.parametrize(
    ("refused", "calls"),
    [
        (Step.RESERVE, {Step.RESERVE, Step.REFUND}),
        (Step.SHIP, {Step.RESERVE, Step.SHIP, Step.POST, Step.RELEASE, Step.REFUND}),
        (
            Step.POST,
            {Step.RESERVE, Step.SHIP, Step.POST, Step.RECALL_SHIPMENT, Step.RELEASE, Step.REFUND},
        ),
    ],
)
def test_a_refused_order_is_undone_and_rejected(refused: Step, calls: set[Step]) -> None:
    service = Service(refusing(refused))
    key = service.place()
    service.run()
    assert service.status(key) == "rejected"
    assert service.steps == dict.fromkeys(calls, 1)


def test_an_order_cancelled_at_once_never_ships() -> None:
    service = Service()
    key = service.place()
    service.intake.cancel(key)
    service.run()
    assert service.status(key) == "cancelled"
    assert service.steps == {Step.RESERVE: 1, Step.RELEASE: 1, Step.REFUND: 1}


def test_a_confirmed_order_is_cancelled_when_fulfilment_agrees() -> None:
    service = Service()
    key = service.place()
    service.run()
    service.intake.cancel(key)
    service.run()
    assert service.status(key) == "cancelled"
    assert service.steps[Step.CANCEL_SHIPMENT] == 1
    assert service.steps[Step.REFUND] == 1


def test_a_confirmed_order_stays_so_when_it_is_too_late_to_cancel() -> None:
    service = Service(refusing(Step.CANCEL_SHIPMENT))
    key = service.place()
    service.run()
    service.intake.cancel(key)
    service.run()
    assert service.status(key) == "confirmed"
    assert service.steps[Step.REFUND] == 0


@pytest.mark.parametrize("refused", [None, Step.RESERVE, Step.SHIP, Step.POST])
def test_every_message_three_times_over_changes_nothing_but_the_number_of_calls(
    refused: Step | None,
) -> None:
    once = Service(refusing(*[refused] if refused else []))
    thrice = Service(refusing(*[refused] if refused else []))
    keys = once.place(), thrice.place()
    once.run()
    thrice.run(copies=3)
    assert once.status(keys[0]) == thrice.status(keys[1])
    assert set(once.steps) == set(thrice.steps)
