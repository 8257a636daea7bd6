"""Orders that nothing looks after any more are handed to the watchdog, and no others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from orders.aws.messages import check_of
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.saga import Facts, Outcome, Step
from orders.domain.units import Millis
from orders.ports import Check
from spillway.errors import SpillwayError
from spillway.operate.orders.reading import Scan, open_orders
from spillway.operate.orders.resuming import Resumed, resume
from tests.builders import CUSTOMER, NOW, accepted, order_id
from tests.spillway.operate.fakes import QUEUES, FakeTable, outcome_of, service

CONFIRMED = Facts({step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)})


@dataclass
class Watchdog:
    """SQS, as far as one queue of it is sent to. `takes`: how many messages before it refuses."""

    takes: int = 1_000
    checks: list[Check] = field(default_factory=list)

    def send_message_batch(self, QueueUrl: str, Entries: Any) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == QUEUES["watchdog"]
        assert len(Entries) <= 10
        assert {entry["DelaySeconds"] for entry in Entries} == {0}
        taken = Entries[: self.takes - len(self.checks)]
        self.checks += [check_of(entry["MessageBody"]) for entry in taken]
        return {
            "Failed": [
                {"Id": entry["Id"], "Code": "InternalError"} for entry in Entries[len(taken) :]
            ]
        }


def order(accepted_at: int = NOW) -> AcceptedOrder:
    return accepted(OrderKey(CUSTOMER, order_id()), Millis(accepted_at))


def resumed(table: FakeTable, watchdog: Watchdog, *, dry_run: bool = False) -> Resumed:
    aws = service(dynamodb=table, sqs=watchdog)
    return resume(aws, open_orders(Scan(aws)), before=NOW + 1, dry_run=dry_run)


@pytest.fixture
def table() -> FakeTable:
    return FakeTable(page=7)


def test_all_that_is_owed_something_is_handed_over_once_and_nothing_else(table: FakeTable) -> None:
    open_ = [order() for _ in range(23)]
    for one in open_:
        table.add(one)
        table.add(order(), outcome_of(CONFIRMED))
    table.add(order(accepted_at=NOW + 1))
    watchdog = Watchdog()
    assert resumed(table, watchdog) == Resumed(handed_over=23, younger=1)
    assert sorted(watchdog.checks, key=str) == sorted(
        (Check(one.key, force=True) for one in open_), key=str
    )


def test_a_dry_run_counts_and_sends_nothing(table: FakeTable) -> None:
    table.add(order())
    watchdog = Watchdog()
    assert resumed(table, watchdog, dry_run=True) == Resumed(handed_over=1)
    assert watchdog.checks == []


def test_what_the_queue_does_not_take_is_not_passed_over(table: FakeTable) -> None:
    for _ in range(15):
        table.add(order())
    with pytest.raises(SpillwayError, match="did not take all"):
        resumed(table, Watchdog(takes=12))


def test_one_order_is_handed_over_unless_it_has_settled(table: FakeTable) -> None:
    open_, settled = order(), order()
    table.add(open_)
    table.add(settled, outcome_of(CONFIRMED))
    watchdog = Watchdog()
    aws = service(dynamodb=table, sqs=watchdog)
    assert resume(aws, [open_.key], dry_run=False) == Resumed(handed_over=1)
    assert resume(aws, [settled.key], dry_run=False) == Resumed()
    assert [check.key for check in watchdog.checks] == [open_.key]


@pytest.mark.parametrize(
    ("done", "dry_run", "facts"),
    [
        (Resumed(), False, ["No order"]),
        (Resumed(younger=2), False, ["No order", "2 younger"]),
        (Resumed(1), True, ["1 order ", "nothing"]),
        (Resumed(1_200), False, ["1,200 orders", "watchdog"]),
    ],
)
def test_one_sentence_says_what_was_done(done: Resumed, dry_run: bool, facts: list[str]) -> None:
    sentence = done.sentence(dry_run=dry_run)
    assert all(fact in sentence for fact in facts)
