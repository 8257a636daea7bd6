"""Each function may do exactly what it does: every permission is taken away once, which is seen,
and every one is used, so that none is left over.

On a stack of its own: a function that has read its secrets does not ask for them again for minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from orders.aws import items
from orders.aws.archiving import JOURNAL_KEY
from orders.aws.messages import batch_messages_of, check_message_of, message_of
from orders.domain.saga import Step
from orders.downstream.keys import correlation_id
from orders.ports import Check, Command
from spillway.errors import SpillwayError
from spillway.operate.coupons.codes import generate
from spillway.run.stack import Stack, running
from spillway.target.service import Service, of_stack
from tests.builders import accepted, line, order_body, order_id, order_key
from tests.e2e.old_orders import AGE_MS, make_old, place_without_intake, run_archive
from tests.e2e.shop import Customer, faulty
from tests.needs import starts
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.timeout(2 * PATIENCE_SECONDS)

DAY_MS = 24 * 60 * 60 * 1000
DOWNSTREAMS = ("inventory", "fulfilment", "accounting")
DELIVERIES = tuple(f"deliver-{downstream}" for downstream in DOWNSTREAMS)

#: What Lambda does on a function's behalf, by AWS's own list for each kind of source. The emulator
#: does it without asking for permission, so that it can't be proven here.
BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
}


@pytest.fixture(scope="module")
@starts("emulator")
def own_stack() -> Iterator[Stack]:
    with running() as started:
        yield started


def provable(permission: dict[str, Any]) -> bool:
    source = f":spillway-local-{permission['function'].removeprefix('deliver-')}"
    source = source.replace(":spillway-local-drain", ":spillway-local-overflow")
    source = source.replace(":spillway-local-outcomes", ":spillway-local-outcomes-fulfilment")
    asks_its_own_source = permission["action"] == "sqs:GetQueueAttributes" and permission[
        "resource"
    ].endswith(source)
    # S3 looks at it only to say whether an object that is not there is missing or forbidden.
    listing = permission["action"] == "s3:ListBucket"
    return permission["action"] not in BY_LAMBDA and not asks_its_own_source and not listing


def unseen(stack: Stack) -> list[str]:
    """Permissions whose absence has not been seen yet, or that nothing has used."""
    return [
        f"{one['function']} {one['action']} on {one['resource'].rpartition(':')[2]}"
        for one in stack.proxy.permissions()
        if provable(one) and not (one["refused"] and one["used"])
    ]


def test_every_permission_is_missed_when_it_is_gone_and_none_is_left_over(
    own_stack: Stack,
) -> None:
    shopper, wholesale = Customer(own_stack, "shopper"), Customer(own_stack, "wholesale")
    own_stack.proxy.deny_permissions_once()
    began = time.monotonic()
    while missing := unseen(own_stack):
        assert time.monotonic() - began < PATIENCE_SECONDS, missing
        functions = {one.partition(" ")[0] for one in missing}
        use(own_stack, shopper, wholesale, functions)
    assert own_stack.proxy.denied() == []
    # And with them all in place an order goes its way.
    assert shopper.settled(shopper.place())["status"] == "confirmed"


def use(stack: Stack, shopper: Customer, wholesale: Customer, functions: set[str]) -> None:
    """Have these functions do all that they may."""
    if functions & {"intake", "reads"}:
        ask_everything_of_the_api(shopper)
        use_limited_coupons(stack, shopper)
    if functions & {*DELIVERIES, "relay"}:
        wholesale.put(*large_order(wholesale))
    if functions & {"intake", "drain"}:
        overflow(stack, shopper)
    if functions & {*DELIVERIES, "drain", "relay", "watchdog"}:
        send_what_cannot_be_read(stack, shopper)
    if functions & {*DELIVERIES, "watchdog"}:
        watch_orders_that_wait(stack, shopper)
    if functions & {"relay", "watchdog"}:
        give_coupons_back(stack, shopper)
    if functions & {"relay"}:
        refuse_events(stack, shopper)
    if functions & {"archive", "intake", "reads", *DELIVERIES}:
        archive_orders(stack, shopper)
    if functions & {"outcomes"}:
        tell_of_parcels(stack, shopper)


def ask_everything_of_the_api(customer: Customer) -> None:
    id_, body = customer.order()
    customer.put(id_, body)
    customer.cancel(id_)
    customer.http.get(f"/orders/{id_}")
    customer.http.get("/orders")
    # Whether an order as old as this one is a retry, only the table knows.
    old = order_id(time.time_ns() // 1_000_000 - 2 * DAY_MS)
    customer.put(old, order_body(old, **customer.keys))


def use_limited_coupons(stack: Stack, customer: Customer) -> None:
    """Of the first to come, and with a single-use code: by the price book that `up` published,
    at what the quote says."""
    [code] = generate(Service("local", stack.client, stack.tables, {}), "THANKS", 0, 1)
    for coupon in ("FIRST100", code):
        with suppress(AssertionError):  # a quote that is not permitted yet
            mug = {"sku": "MUG-SAGE", "quantity": 1}
            customer.put(*customer.order_by_the_book(mug, coupon))


def large_order(customer: Customer) -> tuple[str, dict[str, Any]]:
    """Too large for a command: each delivery has to read it."""
    id_ = order_id(time.time_ns() // 1_000_000)
    lines = [line(f"{number * 2_654_435_761 % 2**32:08x}", 1 + number % 7) for number in range(900)]
    return id_, order_body(id_, lines, **customer.keys)


def overflow(stack: Stack, customer: Customer) -> None:
    """Long enough for drain to be refused too, and to postpone what it has."""
    with stack.proxy.inject(
        service="dynamodb", operation="PutItem", refuse="ProvisionedThroughputExceededException"
    ):
        customer.put(*customer.order())
        time.sleep(2)


def send_what_cannot_be_read(stack: Stack, customer: Customer) -> None:
    for name in (*DOWNSTREAMS, "overflow", "watchdog"):
        send(stack, name, "not a message of ours")
    item = {"pk": {"S": customer.id}, "sk": {"S": order_id()}, "content": {"S": "not an order"}}
    stack.client("dynamodb").put_item(TableName=stack.tables["orders"], Item=item)


def watch_orders_that_wait(stack: Stack, customer: Customer) -> None:
    """One that waits for inventory, and one that waits for the two others."""
    with faulty(stack, "accounting", outage=True), faulty(stack, "fulfilment", outage=True):
        reserved, body = customer.order()
        customer.put(reserved, body)
        time.sleep(1)
        with faulty(stack, "inventory", outage=True):
            waiting, body = customer.order()
            customer.put(waiting, body)
            # What a batch message leaves open is requeued.
            send_pack(stack, "inventory", Command(order_key(customer.id, waiting), Step.RESERVE))
            send_pack(stack, "fulfilment", Command(order_key(customer.id, reserved), Step.SHIP))
            send_pack(stack, "accounting", Command(order_key(customer.id, reserved), Step.POST))
            # A check ends at the first question that it may not ask: the next one asks another.
            for _ in range(4):
                for id_ in (reserved, waiting):
                    key = order_key(customer.id, id_)
                    send(stack, "watchdog", check_message_of(Check(key)))
                    send(stack, "watchdog", check_message_of(Check(key, force=True)))
                time.sleep(0.5)


def give_coupons_back(stack: Stack, customer: Customer) -> None:
    """By relay, and by the watchdog where relay was refused."""
    dynamodb, tables = stack.client("dynamodb"), stack.tables
    with faulty(stack, "inventory", outage=True):
        orders = [customer.order() for _ in range(2)]
        for id_, body in orders:
            customer.put(id_, body)
            key = order_key(customer.id, id_)
            claim = {"pk": {"S": f"ONCE/customer/{customer.id}"}, "order_id": {"S": id_}}
            dynamodb.put_item(
                TableName=tables["coupons"], Item={**claim, "customer_id": {"S": customer.id}}
            )
            dynamodb.put_item(
                TableName=tables["coupons"], Item={"pk": {"S": "FIRST#0"}, "used": {"N": "1"}}
            )
            dynamodb.update_item(
                TableName=tables["orders"],
                Key=items.order_key(key),
                UpdateExpression="SET claims = :claims",
                ExpressionAttributeValues={":claims": {"SS": ["ONCE/customer", "FIRST#0"]}},
            )
            customer.cancel(id_)
    for id_, _ in orders:
        customer.settled(id_)
        send(stack, "watchdog", check_message_of(Check(order_key(customer.id, id_))))
    time.sleep(1)


def refuse_events(stack: Stack, customer: Customer) -> None:
    """Relay leaves to the watchdog what the topic does not take."""
    with stack.proxy.inject(service="sns", operation="PublishBatch", refuse="InternalError"):
        customer.put(*customer.order())
        time.sleep(1)


def archive_orders(stack: Stack, customer: Customer) -> None:
    """And read one there, and cancel it. A run that was refused something leaves its objects in the
    journal, and the next one looks through them."""
    id_ = customer.place()
    customer.settled(id_)
    make_old(stack, customer, id_)
    s3, bucket = stack.client("s3"), of_stack(stack).output("ArchiveBucketName")
    for _ in range(3):
        run_archive(stack)
        with suppress(s3.exceptions.NoSuchKey):
            written = s3.get_object(Bucket=bucket, Key=JOURNAL_KEY)["Body"].read()
            journal = json.loads(written) | {"until": 0}
            s3.put_object(Bucket=bucket, Key=JOURNAL_KEY, Body=json.dumps(journal))
    customer.http.get(f"/orders/{id_}")
    customer.cancel(id_)
    # The outcomes of an order as old as this one are recorded only while it is in the table.
    old = order_id(time.time_ns() // 1_000_000 - AGE_MS)
    place_without_intake(stack, accepted(order_key(customer.id, old)))
    time.sleep(2)


def tell_of_parcels(stack: Stack, customer: Customer) -> None:
    """By callback and by queue: of an order, of one as old as those that are archived, and what
    nobody can read."""
    id_, old = customer.place(), order_id(time.time_ns() // 1_000_000 - AGE_MS)
    place_without_intake(stack, accepted(order_key(customer.id, old)))
    for about in (id_, old):
        customer.settled(about)
    with suppress(SpillwayError):  # a callback that was refused something
        stack.tell_of_parcel(customer_id=customer.id, order_id=id_, status="shipped", parcel="1")
    for about in (id_, old):
        command = Command(order_key(customer.id, about), Step.SHIP)
        told = {"correlation_id": correlation_id(command), "status": "delivered", "parcel": "2"}
        send(stack, "outcomes-fulfilment", json.dumps(told))
    send(stack, "outcomes-fulfilment", "nothing that anybody can read")
    time.sleep(1)


def send_pack(stack: Stack, downstream: str, command: Command) -> None:
    [batch] = batch_messages_of([message_of(command)] * 2, 2)
    send(stack, downstream, batch)


def send(stack: Stack, queue: str, body: str) -> None:
    stack.client("sqs").send_message(QueueUrl=stack.queues[queue], MessageBody=body, DelaySeconds=0)
