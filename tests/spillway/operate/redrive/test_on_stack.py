"""Redrive on the deployed service: whatever is moved back, however often and whenever, each order
settles and nothing is done twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from orders.aws.messages import message_of
from orders.aws.queues import SqsChangeDeadLetters, SqsDeadLetters
from orders.domain.order import Order
from orders.domain.saga import DOWNSTREAM_OF, Step
from orders.handlers.wire import Content, content_of
from orders.ports import Command
from spillway.operate.redrive.dead_letters import SOURCES, source_of
from spillway.operate.redrive.moving import Redrive
from spillway.operate.redrive.stream import EXPIRED
from spillway.run.stack import Stack
from spillway.target.reading import read_depths
from tests.builders import order_id, order_key
from tests.e2e.shop import Customer, effects, faulty
from tests.spillway.operate.redrive.test_dead_letters import failure_record
from tests.waiting import eventually

#: The least sequence number that there can be.
FIRST = "0" * 29 + "1"
CONFIRMED = {"reserve": 1, "ship": 1, "post": 1}


@pytest.fixture(autouse=True)
def nothing_left_behind(stack: Stack) -> Iterator[None]:
    """Other tests want these queues empty."""
    yield
    for name, url in stack.queues.items():
        if name.endswith("dead_letter"):
            stack.client("sqs").purge_queue(QueueUrl=url)


def redriven(stack: Stack, *names: str, dry_run: bool = False, sqs: Any = None) -> Redrive:
    work = Redrive(
        sqs or stack.client("sqs"),
        stack.client("dynamodbstreams"),
        [source_of(stack.queues, name) for name in names or SOURCES],
        dry_run,
    )
    work.run()
    return work


def lying(stack: Stack, name: str) -> int:
    answer = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.queues[f"{name}_dead_letter"],
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def dead_letter(
    stack: Stack, customer: Customer, id_: str, step: Step, order: Order | None
) -> None:
    """As deliver does it when a downstream's answer breaks the contract."""
    dead_letters = stack.queues[f"{DOWNSTREAM_OF[step]}_dead_letter"]
    command = Command(order_key(customer.id, id_), step, order)
    SqsDeadLetters(stack.client("sqs"), dead_letters).dead_letter(
        message_of(command), "POST: answered 401"
    )


def placed(customer: Customer) -> tuple[str, Order]:
    id_, body = customer.order()
    content = content_of(json.dumps(body).encode())
    assert isinstance(content, Content)
    assert customer.put(id_, body).status_code == 201
    return id_, content.order


def waiting(stack: Stack, name: str) -> int:
    depths = read_depths(stack.client("sqs"), {name: stack.queues[name]})
    return sum(depth.messages for depth in depths)


def when_worked_off(stack: Stack, *names: str) -> None:
    eventually(lambda: not any(waiting(stack, name) for name in names))


def failure_record_about(stack: Stack, first: str, last: str) -> str:
    """What Lambda sends to the destination of the table's stream."""
    dynamodb = stack.client("dynamodb")
    table = dynamodb.describe_table(TableName=stack.tables["orders"])["Table"]
    stream = stack.client("dynamodbstreams").describe_stream(StreamArn=table["LatestStreamArn"])
    description = stream["StreamDescription"]
    return failure_record(
        streamArn=description["StreamArn"],
        shardId=description["Shards"][0]["ShardId"],
        startSequenceNumber=first,
        endSequenceNumber=last,
    )


def changes_of(stack: Stack, order_id: str) -> list[str]:
    """The sequence numbers of an order's changes in the table's stream."""
    streams = stack.client("dynamodbstreams")
    where = json.loads(failure_record_about(stack, FIRST, FIRST))["DDBStreamBatchInfo"]
    page = streams.get_shard_iterator(
        StreamArn=where["streamArn"], ShardId=where["shardId"], ShardIteratorType="TRIM_HORIZON"
    )
    numbers: list[str] = []
    iterator = page["ShardIterator"]
    while records := (page := streams.get_records(ShardIterator=iterator))["Records"]:
        numbers += [
            record["dynamodb"]["SequenceNumber"]
            for record in records
            if record["dynamodb"]["Keys"]["sk"]["S"].startswith(order_id)
        ]
        iterator = page["NextShardIterator"]
    return numbers


class Announcements:
    """What the order-events topic says to one who began to listen a moment ago."""

    def __init__(self, sqs: Any, url: str) -> None:
        self.sqs, self.url = sqs, url
        self.heard: set[str] = set()

    def eventually(self, *ids: str) -> None:
        eventually(lambda: self._listen() >= set(ids))

    def _listen(self) -> set[str]:
        answer = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        )
        for message in answer.get("Messages", ()):
            self.heard.add(json.loads(message["Body"])["id"])
        return self.heard


@contextmanager
def announcements(stack: Stack) -> Iterator[Announcements]:
    sqs, sns = stack.client("sqs"), stack.client("sns")
    topics = sns.list_topics()["Topics"]
    topic = next(t["TopicArn"] for t in topics if t["TopicArn"].endswith("order-events"))
    url = sqs.create_queue(QueueName=f"listener-{order_id()}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    subscription = sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )
    try:
        yield Announcements(sqs, url)
    finally:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=url)


def test_a_command_dead_lettered_and_redriven_twice_has_one_effect(
    stack: Stack, shopper: Customer
) -> None:
    with faulty(stack, "accounting", outage=True):
        id_, order = placed(shopper)
        dead_letter(stack, shopper, id_, Step.POST, order)
    first = redriven(stack, "accounting").found["accounting"]
    second = redriven(stack, "accounting").found["accounting"]

    assert [(reason, group.moved) for reason, group in first.groups.items()] == [
        ("POST: answered 401", 1)
    ]
    assert second.dead_letters == 0
    assert shopper.settled(id_)["status"] == "confirmed"
    dead_letter(stack, shopper, id_, Step.POST, order)
    assert redriven(stack, "accounting").found["accounting"].moved == 1
    when_worked_off(stack, "accounting")
    assert effects(stack, shopper, id_) == CONFIRMED


def test_a_dry_run_leaves_every_dead_letter_where_it_is_and_visible(
    stack: Stack, shopper: Customer
) -> None:
    id_, order = placed(shopper)
    for _ in range(12):
        dead_letter(stack, shopper, id_, Step.SHIP, order)

    found = redriven(stack, "fulfilment", dry_run=True).found["fulfilment"]

    assert found.dead_letters == 12
    assert [key.order_id for key in found.groups["POST: answered 401"].orders] == [id_]
    assert lying(stack, "fulfilment") == 12


def test_redriven_while_orders_come_in_every_order_settles_and_nothing_is_doubled(
    stack: Stack, shopper: Customer
) -> None:
    before = [placed(shopper) for _ in range(4)]
    assert all(shopper.settled(id_)["status"] == "confirmed" for id_, _ in before)
    stop = threading.Event()
    moved: list[int] = []

    def order_and_dead_letter(number: int) -> str:
        id_, order = placed(shopper)
        dead_letter(stack, shopper, id_, Step.RESERVE, order)
        done_id, done_order = before[number % len(before)]
        for step in (Step.RESERVE, Step.SHIP, Step.POST):
            dead_letter(stack, shopper, done_id, step, done_order)
        return id_

    def redrive_on_and_on() -> None:
        while not stop.is_set():
            moved.extend(one.moved for one in redriven(stack).found.values())

    with ThreadPoolExecutor(5) as people:
        operator = people.submit(redrive_on_and_on)
        ids = list(people.map(order_and_dead_letter, range(16)))
        stop.set()
        operator.result()
    moved.extend(one.moved for one in redriven(stack).found.values())

    assert sum(moved) == len(ids) * 4
    assert all(shopper.settled(id_)["status"] == "confirmed" for id_ in ids)
    when_worked_off(stack, "inventory", "fulfilment", "accounting")
    for id_ in [*ids, *(id_ for id_, _ in before)]:
        assert effects(stack, shopper, id_) == CONFIRMED


def test_an_interrupted_redrive_doubles_nothing_and_loses_nothing(
    stack: Stack, shopper: Customer
) -> None:
    class CtrlC:
        """SQS, and an operator who loses patience after the letters were sent."""

        def __getattr__(self, name: str) -> Any:
            if name == "delete_message_batch":
                raise KeyboardInterrupt
            return getattr(stack.client("sqs"), name)

    with faulty(stack, "inventory", outage=True):
        orders = [placed(shopper) for _ in range(3)]
        for id_, order in orders:
            dead_letter(stack, shopper, id_, Step.RESERVE, order)
    with pytest.raises(KeyboardInterrupt):
        redriven(stack, "inventory", sqs=CtrlC())
    assert lying(stack, "inventory") == 3

    assert redriven(stack, "inventory").found["inventory"].moved == 3
    assert lying(stack, "inventory") == 0
    assert all(shopper.settled(id_)["status"] == "confirmed" for id_, _ in orders)
    when_worked_off(stack, "inventory")
    assert all(effects(stack, shopper, id_) == CONFIRMED for id_, _ in orders)


def test_relays_dead_letter_settles_the_order_and_announces_it(
    stack: Stack, shopper: Customer
) -> None:
    sqs = stack.client("sqs")
    other_id, other_order = placed(shopper)
    shopper.settled(other_id)
    when_worked_off(stack, "inventory")
    # A dead letter of another order bids the watchdog wait for a person.
    dead_letter(stack, shopper, other_id, Step.RESERVE, other_order)
    with faulty(stack, "inventory", outage=True):
        id_, _ = placed(shopper)
        eventually(lambda: waiting(stack, "inventory") > 0)
        # What was owed is lost, as if relay had never sent it.
        sqs.purge_queue(QueueUrl=stack.queues["inventory"])
    dead_letters = SqsDeadLetters(sqs, stack.queues["relay_dead_letter"])
    SqsChangeDeadLetters(dead_letters).dead_letter(
        order_key(shopper.id, id_), "KeyError in items.py:98"
    )
    with announcements(stack) as heard:
        found = redriven(stack, "relay").found["relay"]

        assert (found.moved, lying(stack, "relay")) == (1, 0)
        assert shopper.settled(id_)["status"] == "confirmed"
        heard.eventually(f"{shopper.id}/{id_}/accepted", f"{shopper.id}/{id_}/confirmed")
    assert effects(stack, shopper, id_) == CONFIRMED


def test_a_failure_record_is_read_back_from_the_stream(stack: Stack, shopper: Customer) -> None:
    id_, _ = placed(shopper)
    shopper.settled(id_)
    sqs = stack.client("sqs")
    dead_letters = stack.queues["relay_dead_letter"]
    changes = changes_of(stack, id_)
    body = failure_record_about(stack, changes[0], changes[-1])
    sqs.send_message(QueueUrl=dead_letters, MessageBody=body)
    with announcements(stack) as heard:
        found = redriven(stack, "relay").found["relay"]

        assert (found.dead_letters, found.moved) == (1, 1)
        heard.eventually(f"{shopper.id}/{id_}/accepted", f"{shopper.id}/{id_}/confirmed")
    assert lying(stack, "relay") == 0


def test_a_failure_record_about_records_that_expired_is_kept(stack: Stack) -> None:
    dead_letters = stack.queues["relay_dead_letter"]
    body = failure_record_about(stack, FIRST, FIRST)
    stack.client("sqs").send_message(QueueUrl=dead_letters, MessageBody=body)

    found = redriven(stack, "relay").found["relay"]

    assert (found.moved, found.not_moved) == (0, {EXPIRED: 1})
    assert lying(stack, "relay") == 1
