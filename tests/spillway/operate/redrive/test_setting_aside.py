"""A dead letter is set aside only when no order needs it, and is in a file before it is deleted."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from orders.aws import items
from orders.aws.messages import check_message_of, message_of, overflow_message_of
from orders.domain.order import OrderKey, VoidId
from orders.domain.saga import Facts, Outcome, Step
from orders.ports import Check, Command
from spillway.errors import SpillwayError
from spillway.operate.redrive.setting_aside import SetAside, set_aside, set_aside_before
from tests.builders import CUSTOMER, NOW, accepted, order_id
from tests.spillway.operate.fakes import QUEUES, FakeTable, outcome_of, service
from tests.spillway.operate.redrive.fake_sqs import FakeSqs, Message

KEY = OrderKey(CUSTOMER, order_id())
RESERVED = Facts({Step.RESERVE: Outcome(NOW)})


def letters(queue: str, *bodies: str) -> FakeSqs:
    return FakeSqs({QUEUES[f"{queue}_dead_letter"]: [Message(body, NOW) for body in bodies]})


def aside(
    sqs: FakeSqs,
    folder: Path,
    *,
    queue: str = "accounting",
    table: FakeTable | None = None,
    n: int = 0,
) -> SetAside:
    [messages] = sqs.queues.values()
    aws = service(sqs=sqs, dynamodb=table or FakeTable())
    id_ = str(messages[n].message_id)
    return set_aside(aws, queue, id_, "not ours:\n a  test", folder=folder)


def test_the_whole_message_is_kept_with_the_reason_and_only_then_deleted(tmp_path: Path) -> None:
    sqs = letters("accounting", "one", '{"name": "Ada"}', "three")
    done = aside(sqs, tmp_path / "new", n=1)
    kept = json.loads(done.path.read_text())
    assert (kept["body"], kept["queue"]) == ('{"name": "Ada"}', "accounting")
    assert kept["set_aside_because"] == "not ours: a test"
    assert stat.S_IMODE(done.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(done.path.parent.stat().st_mode) == 0o700
    [left] = sqs.queues.values()
    assert [(one.body, one.visible) for one in left] == [("one", True), ("three", True)]


def test_a_message_that_could_not_be_deleted_is_in_both_places(tmp_path: Path) -> None:
    sqs = letters("accounting", "stays")
    sqs.refuse_delete.add("stays")
    with pytest.raises(SpillwayError, match="did not delete"):
        aside(sqs, tmp_path)
    [left] = sqs.queues.values()
    assert [one.visible for one in left] == [True]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("queue", "body", "table", "needed"),
    [
        ("accounting", message_of(Command(KEY, Step.POST)), "reserved", True),
        ("inventory", message_of(Command(KEY, Step.RESERVE)), "reserved", False),
        ("accounting", message_of(Command(KEY, Step.POST)), "nothing", False),
        ("overflow", overflow_message_of(accepted(KEY)), "nothing", True),
        ("overflow", overflow_message_of(accepted(KEY)), "reserved", False),
        ("overflow", overflow_message_of(accepted(KEY)), "void", False),
        ("watchdog", check_message_of(Check(KEY)), "reserved", True),
        ("relay", check_message_of(Check(KEY)), "reserved", True),
        ("watchdog", "{}", "reserved", False),
    ],
    ids=[
        "a step that is owed",
        "a step that is done",
        "no such order",
        "the only copy of an order",
        "another order under its id",
        "its id is void",
        "a check",
        "a change",
        "nothing of ours",
    ],
)
def test_what_an_order_still_needs_is_never_set_aside(
    queue: str, body: str, table: str, needed: bool, tmp_path: Path
) -> None:
    stored = FakeTable()
    if table == "reserved":
        stored.add(accepted(KEY), outcome_of(RESERVED))
    if table == "void":
        stored.items.append(items.void_item(VoidId(KEY, NOW)))
    sqs = letters(queue, body)
    if not needed:
        assert aside(sqs, tmp_path, queue=queue, table=stored).path.exists()
        return
    with pytest.raises(SpillwayError, match=f"Order {KEY.order_id} still needs"):
        aside(sqs, tmp_path, queue=queue, table=stored)
    [left] = sqs.queues.values()
    assert [one.visible for one in left] == [True]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501])
def test_a_reason_must_be_given(reason: str, tmp_path: Path) -> None:
    sqs = letters("accounting", "one")
    with pytest.raises(SpillwayError, match="why"):
        set_aside(service(sqs=sqs), "accounting", "1", reason, folder=tmp_path)
    assert sqs.requests == []


def test_a_message_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    sqs = letters("accounting", "one")
    with pytest.raises(SpillwayError, match="no dead letter m9"):
        set_aside(service(sqs=sqs), "accounting", "m9", "gone", folder=tmp_path)


def test_what_was_set_aside_is_found_later_and_setting_it_aside_again_is_no_error(
    tmp_path: Path,
) -> None:
    sqs = letters("accounting", "one", "two")
    [messages] = sqs.queues.values()
    first_id = str(messages[0].message_id)
    aws = service(sqs=sqs, dynamodb=FakeTable())
    first = set_aside(aws, "accounting", first_id, "a test", folder=tmp_path, now=lambda: 1.0)
    later = set_aside(
        aws, "accounting", str(messages[0].message_id), "also", folder=tmp_path, now=lambda: 2.0
    )
    (tmp_path / "broken.json").write_text("{")
    assert set_aside_before(aws, tmp_path) == [later, first]
    again = set_aside(aws, "accounting", first_id, "once more", folder=tmp_path)
    assert again == first
    assert json.loads(first.path.read_text())["set_aside_because"] == "a test"
