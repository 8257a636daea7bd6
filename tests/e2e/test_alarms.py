"""Each alarm rings for the fault that it is for, tells its topic, and is over after it.

Only where no outside fault can cause the violation, because a guard of the service prevents
it, is the line written that the service would write then. One alarm has no measure on the
emulator, how far relay is behind; tests/infra/test_operations.py holds its template.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest

from infra.alarms import (
    CLASHES_MAX,
    RELAY_ERRORS_MAX,
    SERVER_ERRORS_MAX,
    UNCHECKED_SECONDS,
    alarms,
)
from infra.stage import load
from orders.aws.messages import overflow_message_of
from orders.domain.order import AcceptedOrder
from orders.domain.units import Millis
from orders.handlers.wire import Content, content_of
from spillway.operate.status.alarms import Alarm, read_alarms
from spillway.operate.status.evaluating import evaluate_alarms
from spillway.operate.status.parts import read_parts
from spillway.plan.cost.running import held_back
from spillway.run.stack import Stack
from spillway.target.reading import read_runs
from spillway.target.service import Service
from tests.builders import order_id, order_key
from tests.e2e.shop import Customer, faulty
from tests.e2e.test_overflow_and_watchdog import REFUSED_PUT, dead_letters
from tests.waiting import eventually

HOUR_MS = 3_600_000
#: Longer than the longest that any local alarm looks back.
LATER_SECONDS = 3_600
QUEUES = ("inventory", "fulfilment", "accounting", "overflow", "watchdog")


@pytest.fixture(scope="module")
def told(stack: Stack) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the alarms' topic has told since it was asked last."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    url = sqs.create_queue(QueueName=f"alarms-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    [topic] = [t["TopicArn"] for t in sns.list_topics()["Topics"] if "-alarms" in t["TopicArn"]]
    made = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    def receive() -> list[dict[str, Any]]:
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(json.loads(message["Body"])["Message"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    yield receive
    sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=url)


def alarm(service: Service, name: str) -> Alarm:
    [found] = [alarm for alarm in read_alarms(service) if alarm.name == name]
    return found


def rings(service: Service, name: str) -> bool:
    return alarm(service, name).state == "ALARM"


def is_well(service: Service, name: str) -> bool:
    return alarm(service, name).state == "OK"


def is_over(service: Service, name: str) -> bool:
    """As it will be seen when nothing more has happened for a while."""
    evaluate_alarms(service, now=lambda: time.time() + LATER_SECONDS)
    states = service.cloudwatch.describe_alarms(AlarmNames=[service.resource_name(name)])
    return bool(states["MetricAlarms"][0]["StateValue"] == "OK")


def check(service: Service, told: Callable[[], list[dict[str, Any]]], *names: str) -> None:
    """These alarms ring, tell so, and are over later."""
    for name in names:
        eventually(partial(rings, service, name))
    assert_told(service, told, "ALARM", names)
    for name in names:
        eventually(partial(is_over, service, name))
    assert_told(service, told, "OK", names)


def assert_told(
    service: Service, told: Callable[[], list[dict[str, Any]]], state: str, names: tuple[str, ...]
) -> None:
    seen: set[str] = set()

    def look() -> set[str]:
        seen.update(one["AlarmName"] for one in told() if one["NewStateValue"] == state)
        return seen

    eventually(look, {service.resource_name(name) for name in names}.issubset)


def an_hour_ago(shopper: Customer) -> AcceptedOrder:
    """An order that was accepted an hour ago."""
    id_ = order_id(time.time_ns() // 1_000_000 - HOUR_MS)
    _, body = shopper.order()
    content = content_of(json.dumps(body).encode())
    assert isinstance(content, Content)
    key = order_key(shopper.id, id_)
    accepted_at = time.time_ns() // 1_000_000 - HOUR_MS
    return AcceptedOrder(key, Millis(accepted_at), content.digest, content.order)


def overflow(stack: Stack, order: AcceptedOrder) -> None:
    stack.client("sqs").send_message(
        QueueUrl=stack.queues["overflow"], MessageBody=overflow_message_of(order)
    )


@contextmanager
def refused(stack: Stack, **rules: Any) -> Iterator[None]:
    with ExitStack() as faults:
        faults.enter_context(stack.proxy.inject(**REFUSED_PUT, **rules))
        yield


def test_an_acknowledged_order_that_does_not_come_into_the_table(
    stack: Stack, shopper: Customer, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    order = an_hour_ago(shopper)
    with refused(stack, function="drain"):
        overflow(stack, order)
        check(service, told, "acknowledged-is-durable")
    eventually(lambda: shopper.http.get(f"/orders/{order.key.order_id}").status_code == 200)
    assert shopper.settled(order.key.order_id)["status"] == "confirmed"


def test_an_order_that_does_not_settle_and_is_half_done_because_a_key_is_refused(
    stack: Stack, shopper: Customer, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    order = an_hour_ago(shopper)
    with faulty(stack, "accounting", misconfigured="wrong_key"):
        overflow(stack, order)
        check(service, told, "always-settles", "never-half-done", "needs-a-fix")
    assert not dead_letters(stack, "accounting")
    assert shopper.settled(order.key.order_id)["status"] == "confirmed"


def test_a_client_that_uses_its_ids_for_other_orders(
    stack: Stack, shopper: Customer, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    id_, body = shopper.order()
    assert shopper.put(id_, body).status_code == 201
    moved = {**body, "address": {**body["address"], "city": "York"}}
    # The alarm counts within 30 s here: wherever its periods meet, one of two has enough.
    for _ in range(2 * CLASHES_MAX):
        assert shopper.put(id_, moved).status_code == 409
    check(service, told, "one-order-per-id")


def test_customers_who_are_turned_away(
    stack: Stack, shopper: Customer, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    id_, body = shopper.order()
    queue_down = {"service": "sqs", "operation": "SendMessage", "cut": True}
    with refused(stack, function="intake"), stack.proxy.inject(**queue_down, function="intake"):
        for _ in range(2 * SERVER_ERRORS_MAX):
            assert shopper.put(id_, body).status_code == 503
    check(service, told, "customers-turned-away")


def test_a_message_that_no_function_can_read(
    stack: Stack, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    """In all queues at once: the alarms take as long for one as for five."""
    names = tuple(f"{queue}-dead-letters" for queue in QUEUES)
    for queue in QUEUES:
        stack.client("sqs").send_message(QueueUrl=stack.queues[queue], MessageBody="{poison")
    for name in names:
        eventually(partial(rings, service, name))
    assert_told(service, told, "ALARM", names)
    for queue in QUEUES:
        assert eventually(partial(dead_letters, stack, queue))
    for name in names:
        eventually(partial(is_well, service, name))
    assert_told(service, told, "OK", names)


def test_a_change_that_relay_cannot_read(
    stack: Stack, shopper: Customer, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    dynamodb, table = stack.client("dynamodb"), stack.tables["orders"]
    poison = order_id(time.time_ns() // 1_000_000)
    keys = {"pk": {"S": shopper.id}, "sk": {"S": poison}}
    dynamodb.put_item(TableName=table, Item={**keys, "content": {"B": b"?"}})
    try:
        eventually(lambda: rings(service, "relay-dead-letters"))
    finally:
        dynamodb.delete_item(TableName=table, Key=keys)
    assert_told(service, told, "ALARM", ("relay-dead-letters",))
    assert eventually(lambda: dead_letters(stack, "relay"))
    eventually(partial(is_well, service, "relay-dead-letters"))


def test_relay_and_watchdog_that_nothing_runs(
    stack: Stack, shopper: Customer, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    id_, body = shopper.order()
    # It still learns from the stream what to check.
    with held_back(stack, "watchdog", "sqs"):
        with held_back(stack, "relay"):
            assert stopped(service) == ["relay", "watchdog"]
            eventually(lambda: time.time() - last_run_of_relay(service) > 1)
            # As it will be seen when relay's last run lies just outside what the alarm looks at.
            since = last_run_of_relay(service) + 0.01
            assert shopper.put(id_, body).status_code == 201
            eventually(lambda: rings_at(since + relay_looks_back(), service, "relay-stopped"))
            assert_told(service, told, "ALARM", ("relay-stopped",))
        assert shopper.settled(id_)["status"] == "confirmed"
        later = time.time() + UNCHECKED_SECONDS
        eventually(lambda: rings_at(later, service, "watchdog-stopped"))
    names = ("relay-stopped", "watchdog-stopped")
    assert stopped(service) == []
    assert all(is_well(service, name) for name in names)
    assert_told(service, told, "OK", names)


def test_drain_that_nothing_runs(
    stack: Stack, shopper: Customer, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    order = an_hour_ago(shopper)
    with held_back(stack, "drain"):
        overflow(stack, order)
        later = time.time() + load("local").alarms.buffered_seconds
        eventually(lambda: rings_at(later, service, "drain-stopped"))
        assert_told(service, told, "ALARM", ("drain-stopped",))
    eventually(lambda: shopper.http.get(f"/orders/{order.key.order_id}").status_code == 200)
    assert shopper.settled(order.key.order_id)["status"] == "confirmed"
    eventually(partial(is_well, service, "drain-stopped"))


def stopped(service: Service) -> list[str]:
    return [part.name for part in read_parts(service, time.time()) if part.stopped]


def last_run_of_relay(service: Service) -> float:
    runs = read_runs(service.logs, service.log_group("relay"), 0)
    return max(runs, default=0) / 1000


def relay_looks_back() -> float:
    [alarm] = [one for one in alarms(load("local")) if one.name == "relay-stopped"]
    return alarm.period_seconds * alarm.periods


def rings_at(when: float, service: Service, name: str) -> bool:
    """Whether it will ring at that time (Unix seconds), when nothing more has happened."""
    evaluate_alarms(service, now=lambda: when)
    states = service.cloudwatch.describe_alarms(AlarmNames=[service.resource_name(name)])
    return bool(states["MetricAlarms"][0]["StateValue"] == "ALARM")


#: Violations that a guard of the service prevents: the function, its line, and how many ring.
GUARDED = {
    "one-effect-per-step": ("deliver-inventory", "contradicted", 1),
    "own-orders-only": ("reads", "foreign_order", 1),
    "zero-idle": ("relay", "unsent", RELAY_ERRORS_MAX),
}


def test_the_line_of_a_violation_that_a_guard_prevents(
    stack: Stack, service: Service, told: Callable[[], list[dict[str, Any]]]
) -> None:
    for function, outcome, times in GUARDED.values():
        write_lines(stack, service.log_group(function), function, outcome, times)
    check(service, told, *GUARDED)


def write_lines(stack: Stack, group: str, function: str, outcome: str, times: int) -> None:
    logs, stream = stack.client("logs"), uuid.uuid4().hex
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = time.time_ns() // 1_000_000
    line = {"step": function.partition("-")[0], "outcome": outcome}
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[
            {"timestamp": now, "message": json.dumps({"at": now + n, **line})} for n in range(times)
        ],
    )
