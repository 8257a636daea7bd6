"""Stream records in, commands and events out; one poison record never holds up its shard."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from orders.aws import items
from orders.domain.order import AcceptedOrder, OrderKey, VoidId
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.failures import PermanentFailure, TransientFailure
from orders.flow.changes import FactsChanged, OrderPlaced
from orders.flow.relay import Relay
from orders.handlers.changes import BatchFailed, change_of
from orders.handlers.relay import handle
from orders.ports import Command
from simulation.world.runtime import (
    MemoryChangeDeadLetters,
    MemoryChecks,
    MemoryCommands,
    MemoryEvents,
    MemoryLog,
    SetClock,
)
from simulation.world.table import MemoryOrders
from tests.builders import NOW, accepted


def record(
    keys: dict[str, Any], new: dict[str, Any] | None, old: dict[str, Any] | None = None
) -> dict[str, Any]:
    """As Lambda hands it over: recorded from DynamoDB Streams, with this test's images in it."""
    images = {name: image for name, image in (("NewImage", new), ("OldImage", old)) if image}
    return {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "REMOVE" if not new else "MODIFY" if old else "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": NOW // 1000,
            "Keys": keys,
            **_as_json(images),
            "SequenceNumber": "4421584500000000017450439091",
            "SizeBytes": 812,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026",
    }


def _as_json(value: Any) -> Any:
    """Bytes become base64 text on the way through JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _as_json(inner) for name, inner in value.items()}
    return value


def progress_item(order: AcceptedOrder, facts: Facts) -> dict[str, Any]:
    item: dict[str, Any] = {
        **items.progress_key(order.key),
        **{step: items.outcome_attribute(outcome) for step, outcome in facts.outcomes.items()},
    }
    if facts.cancellation is not None:
        item[items.CANCELLATION] = items.cancellation_attribute(facts.cancellation)
    for news in facts.news.values():
        item = items.with_news(item, news)
    return item


def placed(order: AcceptedOrder) -> dict[str, Any]:
    return record(items.order_key(order.key), items.order_item(order))


def progressed(order: AcceptedOrder, before: Facts, after: Facts) -> dict[str, Any]:
    old = progress_item(order, before) if before != Facts() else None
    return record(items.progress_key(order.key), progress_item(order, after), old)


ORDER = accepted()
RESERVED = Facts({Step.RESERVE: Outcome(NOW, reference="RES-1")})
REFUSED = Facts(
    {**RESERVED.outcomes, Step.SHIP: Outcome(NOW, refusal="undeliverable")},
    Cancellation(NOW, before_reservation=False),
)


class Bench:
    def __init__(self, commands: MemoryCommands | None = None) -> None:
        self.commands = commands or MemoryCommands()
        self.events, self.log = MemoryEvents(), MemoryLog()
        self.relay_dead_letters = MemoryChangeDeadLetters()
        self.relay = Relay(
            self.commands,
            self.events,
            MemoryChecks(),
            MemoryOrders().coupons,
            self.relay_dead_letters,
        )

    def handle(self, *records: dict[str, Any]) -> None:
        handle({"Records": list(records)}, self.relay, SetClock(NOW), self.log)


def test_a_new_order_item_is_an_order_placed() -> None:
    assert change_of(placed(ORDER)) == OrderPlaced(ORDER)


@pytest.mark.parametrize(("before", "after"), [(Facts(), RESERVED), (RESERVED, REFUSED)])
def test_a_progress_item_is_a_change_of_facts(before: Facts, after: Facts) -> None:
    change = change_of(progressed(ORDER, before, after))
    assert change == FactsChanged(ORDER.key, before, after)


def test_a_removed_item_calls_for_nothing() -> None:
    assert change_of(record(items.order_key(ORDER.key), None, items.order_item(ORDER))) is None


def test_an_id_made_void_calls_for_nothing() -> None:
    void = items.void_item(VoidId(ORDER.key, NOW))
    assert change_of(record(items.order_key(ORDER.key), void)) is None


def test_an_order_item_that_is_written_over_is_not_placed_again() -> None:
    item = items.order_item(ORDER)
    assert change_of(record(items.order_key(ORDER.key), item, item)) is None


def imported(item: dict[str, Any], mark: str = "4711") -> dict[str, Any]:
    """The item as the migration from an older database writes it."""
    return {**item, items.IMPORTED: {"S": mark}}


@pytest.mark.parametrize("facts", [Facts(), RESERVED, REFUSED])
def test_an_order_that_is_brought_over_calls_for_nothing(facts: Facts) -> None:
    order, progress = items.order_item(ORDER), progress_item(ORDER, facts)
    assert change_of(record(items.order_key(ORDER.key), imported(order))) is None
    assert change_of(record(items.progress_key(ORDER.key), imported(progress))) is None
    for written_anew, there in ((order, order), (progress, progress_item(ORDER, Facts()))):
        change = record(items.order_key(ORDER.key), imported(written_anew, "b"), imported(there))
        assert change_of(change) is None


def test_what_the_service_does_to_an_order_that_was_brought_over_counts() -> None:
    before, after = (imported(progress_item(ORDER, facts)) for facts in (Facts(), RESERVED))
    change = change_of(record(items.progress_key(ORDER.key), after, before))
    assert change == FactsChanged(ORDER.key, Facts(), RESERVED)


def test_the_cancellation_of_an_archived_order_that_was_brought_over_counts() -> None:
    """The order comes back with the migration's mark, which the table had not a moment ago."""
    there = imported(progress_item(ORDER, RESERVED))
    stub = items.stub_item(ORDER.key, items.Location("2026/11/23", "19a7b3c4d5e", 0, 900))
    cancellation = Cancellation(NOW, before_reservation=False)
    back = items.reopened(there, stub, cancellation)
    assert change_of(record(items.progress_key(ORDER.key), back)) == FactsChanged(
        ORDER.key, RESERVED, replace(RESERVED, cancellation=cancellation)
    )
    order = imported(items.order_item(ORDER))
    assert change_of(record(items.order_key(ORDER.key), order, stub)) is None


def test_a_batch_is_relayed() -> None:
    bench = Bench()
    bench.handle(placed(ORDER), progressed(ORDER, Facts(), RESERVED))
    assert [command.step for command in bench.commands.sent] == ["reserve", "post", "ship"]
    assert bench.log.lines == []


def test_a_poison_record_is_dead_lettered_with_its_key_and_the_good_one_goes_on() -> None:
    bench = Bench()
    poison = placed(ORDER)
    poison["dynamodb"]["NewImage"]["content"] = {"B": base64.b64encode(b"?").decode()}
    bench.handle(poison, placed(accepted()))
    assert len(bench.commands.sent) == 1
    [(key, reason)] = bench.relay_dead_letters.dead_letters
    assert key == ORDER.key
    assert reason.startswith("error at")
    assert bench.log.lines[0]["outcome"] == "dead_lettered"


def test_a_batch_that_could_not_be_sent_raises_so_that_the_stream_brings_it_again() -> None:
    bench = Bench()
    bench.commands.failing = True
    with pytest.raises(TransientFailure):
        bench.handle(placed(ORDER))
    bench.commands.failing = False
    bench.handle(placed(ORDER))
    assert len(bench.commands.sent) == 1
    assert bench.log.lines[0]["outcome"] == "unsent"
    assert bench.log.lines[0]["records"] == 1


class TakesNone(MemoryCommands):
    """Never takes a command for one order."""

    def __init__(self, key: OrderKey) -> None:
        super().__init__()
        self.key = key

    def send(self, commands: Sequence[Command]) -> None:
        super().send([command for command in commands if command.key != self.key])
        if any(command.key == self.key for command in commands):
            raise PermanentFailure("SendMessageBatch: 1 not taken (InvalidMessageContents)")


def test_what_a_queue_will_never_take_is_dead_lettered_and_holds_up_no_other_order() -> None:
    orders = [accepted() for _ in range(3)]
    hopeless = orders[1].key
    bench = Bench(TakesNone(hopeless))
    bench.handle(*map(placed, orders))
    assert {command.key for command in bench.commands.sent} == {orders[0].key, orders[2].key}
    [(key, reason)] = bench.relay_dead_letters.dead_letters
    assert key == hopeless
    assert "InvalidMessageContents" in reason
    [line] = bench.log.lines
    assert (line["outcome"], line["order_id"]) == ("dead_lettered", hopeless.order_id)


def test_a_bug_in_relaying_is_raised_without_its_text_which_lambda_would_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()

    def stumble(_: object) -> None:
        raise KeyError("1 High Street, Leeds")

    monkeypatch.setattr(bench.commands, "send", stumble)
    with pytest.raises(BatchFailed, match="KeyError at stumble") as raised:
        bench.handle(placed(ORDER))
    assert raised.value.__suppress_context__
    assert bench.log.lines[0]["outcome"] == "bug"
    assert "High Street" not in str(bench.log.lines) + str(raised.value)
