"""Orders leave the table for the archive, and are read, cancelled and left alone as before: one
suite for the models in memory and for DynamoDB and S3 on the emulator."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
import urllib3

from orders.aws import archive_file, bucket, items
from orders.aws.archive import ArchiveReader
from orders.aws.archiving import JOURNAL_KEY, DynamoArchiving
from orders.aws.table import DynamoOrders
from orders.domain.keeping import DAY_MS
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.parcels import News, What
from orders.domain.saga import Facts, Outcome, Step, settled
from orders.domain.status import Status, status
from orders.domain.units import CustomerId, Millis
from orders.failures import TransientFailure
from orders.flow.archive import Archive, Ran
from orders.ports import Archived, Progress
from simulation.world.calls import client_error
from simulation.world.runtime import SetClock
from simulation.world.table import MemoryOrders
from spillway.run.stack import Stack
from tests.builders import CUSTOMER, FREE, NOW, accepted, line, order_id, order_key
from tests.tables import make_table

DAYS = 60
#: When everything that was settled at NOW is due.
LATER = NOW + (DAYS + 1) * DAY_MS


@dataclass
class Keeping:
    """A table of orders and its archive. Tests share them, so each has customers of its own."""

    orders: DynamoOrders
    archiving: DynamoArchiving
    clock: SetClock
    object_keys: Callable[[], Iterable[str]]

    def run(self) -> Ran:
        archive = Archive(self.archiving, self.clock, DAYS, imported=False, run_seconds=900)
        ran = archive.run(0, 1)
        assert ran is not None
        return ran

    def stub(self, key: OrderKey) -> items.Item | None:
        """What is in the order's place, if it is a stub."""
        answer = self.orders.client.get_item(
            TableName=self.orders.table, Key=items.order_key(key), ConsistentRead=True
        )
        return answer["Item"] if items.is_stub(answer["Item"]) else None

    def lines(self, key: OrderKey) -> list[items.Location]:
        """The order's lines, in whichever object."""
        found = []
        for object_key in {*self.object_keys()} - {JOURNAL_KEY}:
            content, _ = self.archiving.bucket.find(object_key) or (b"", None)
            found.append(archive_file.lines_in(object_key, content).get(key))
        return [each for each in found if each is not None]

    @property
    def without_archive(self) -> DynamoOrders:
        return DynamoOrders(self.orders.client, self.orders.table)


@pytest.fixture(scope="module")
def on_emulator(stack: Stack) -> Iterator[Keeping]:
    dynamodb, s3 = stack.client("dynamodb"), stack.client("s3")
    table, name = make_table(dynamodb, "archiving"), f"archiving-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    pool = urllib3.PoolManager()
    url = f"{s3.meta.endpoint_url}/{name}"
    objects = bucket.Bucket(url, pool, lambda _m, _u, headers, _b: {**headers})
    clock = SetClock(NOW)
    yield Keeping(
        DynamoOrders(dynamodb, table, ArchiveReader(objects, clock, map)),
        DynamoArchiving(
            dynamodb, table, objects, clock, random.random, map, time.sleep, run_ms=900_000
        ),
        clock,
        lambda: [each["Key"] for each in s3.list_objects_v2(Bucket=name).get("Contents", ())],
    )
    dynamodb.delete_table(TableName=table)


@pytest.fixture(params=["memory", pytest.param("aws", marks=pytest.mark.emulator)])
def keeping(request: pytest.FixtureRequest) -> Keeping:
    if request.param == "memory":
        orders = MemoryOrders()
        return Keeping(orders, orders.archiving, orders.clock, lambda: orders.bucket.objects)
    found: Keeping = request.getfixturevalue("on_emulator")
    return found


def fresh() -> OrderKey:
    return order_key(f"{CUSTOMER}-{uuid.uuid4().hex[:8]}", order_id())


def confirmed(keeping: Keeping, key: OrderKey | None = None, **fields: Any) -> AcceptedOrder:
    """An order that has settled at NOW."""
    order = accepted(key or fresh(), **fields)
    keeping.orders.place(order)
    for number, step in enumerate((Step.RESERVE, Step.SHIP, Step.POST)):
        keeping.orders.record(order.key, {step: Outcome(NOW, reference=f"REF-{number}")})
    return order


def archived(keeping: Keeping, key: OrderKey | None = None) -> Progress:
    """The same, months later; returns how it was read before it left."""
    order = confirmed(keeping, key)
    before = keeping.orders.progress(order.key)
    keeping.clock.milliseconds = LATER
    keeping.run()
    assert before is not None
    assert keeping.stub(order.key)
    return before


def returned(keeping: Keeping) -> AcceptedOrder:
    order = confirmed(keeping)
    keeping.orders.record_news(order.key, News("1", What.SHIPPED, NOW, "DHL", "00340", 1))
    keeping.orders.record_news(order.key, News("1", What.RETURNED, NOW, parcels=1))
    return order


def test_an_order_is_not_archived_while_the_refund_of_its_return_is_owed(
    keeping: Keeping,
) -> None:
    order = returned(keeping)
    keeping.clock.milliseconds = LATER
    keeping.run()
    assert keeping.stub(order.key) is None
    keeping.orders.record(order.key, {Step.REFUND: Outcome(NOW)})
    before = keeping.orders.progress(order.key)
    keeping.run()
    assert keeping.stub(order.key)
    after = keeping.orders.progress(order.key)
    assert before is not None
    assert after == replace(before, archived=True)
    assert len(after.facts.news) == 2


def test_an_archived_order_is_read_as_before(keeping: Keeping) -> None:
    before = archived(keeping)
    key = before.order.key
    assert keeping.orders.progress(key) == replace(before, archived=True)
    assert keeping.orders.find(key) == before.order
    # The same again is met as the same: a retry, or a clash.
    assert keeping.orders.place(before.order) == before.order
    assert len(keeping.lines(key)) == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_the_history_has_archived_orders_in_their_places(keeping: Keeping, limit: int) -> None:
    customer = fresh().customer_id
    placed = [confirmed(keeping, order_key(customer, order_id())) for _ in range(4)]
    keeping.clock.milliseconds = LATER
    keeping.run()
    placed += [accepted(order_key(customer, order_id(LATER)), **FREE) for _ in range(3)]
    for order in placed[4:]:
        keeping.orders.place(order)
    seen: list[Progress] = []
    before = None
    while True:
        page, before = keeping.orders.history(CustomerId(customer), limit, before)
        seen += page
        if before is None:
            break
    assert [each.order for each in seen] == placed[::-1]
    assert [each.archived for each in seen] == [False] * 3 + [True] * 4
    assert {status(each.facts) for each in seen[3:]} == {Status.CONFIRMED}


def test_what_has_not_settled_for_long_stays(keeping: Keeping) -> None:
    young, open_ = confirmed(keeping), accepted(fresh())
    keeping.orders.place(open_)
    keeping.orders.record(open_.key, {Step.RESERVE: Outcome(NOW)})
    keeping.clock.milliseconds = NOW + DAYS * DAY_MS - 1
    keeping.run()
    assert keeping.stub(young.key) is None
    keeping.clock.milliseconds = LATER
    keeping.run()
    assert keeping.stub(young.key)
    assert keeping.stub(open_.key) is None


def test_a_cancellation_brings_an_order_back_with_all_that_it_had(keeping: Keeping) -> None:
    before = archived(keeping)
    key, at = before.order.key, Millis(LATER + 5)
    facts = keeping.orders.reopen(key, at)
    assert facts.cancellation is not None
    assert not facts.cancellation.before_reservation
    assert facts == replace(before.facts, cancellation=facts.cancellation)
    assert keeping.orders.progress(key) == Progress(before.order, facts)
    # A second one finds it back.
    with pytest.raises(TransientFailure, match="brought back"):
        keeping.orders.reopen(key, at)
    # When it has settled for long it leaves again, and its former line is taken out.
    keeping.orders.record(key, {Step.CANCEL_SHIPMENT: Outcome(at, refusal="too_late")})
    keeping.clock.milliseconds = LATER + (DAYS + 1) * DAY_MS
    keeping.run()
    stub = keeping.stub(key)
    assert stub is not None
    assert keeping.lines(key) == [items.location_of(stub)]
    after = keeping.orders.progress(key)
    assert after is not None
    assert settled(after.facts)
    assert after.facts.cancellation == facts.cancellation


@dataclass
class Behind:
    """A client whose cheaper reads are a moment old, as DynamoDB's may be."""

    client: Any
    old: items.Item

    def get_item(self, **request: Any) -> Any:
        return self.client.get_item(**request) if request["ConsistentRead"] else {"Item": self.old}


def test_a_delivery_does_not_take_an_order_that_came_back_for_an_archived_one(
    keeping: Keeping,
) -> None:
    """It would drop what is owed since the cancellation, until the watchdog sends it again."""
    before = archived(keeping)
    stub = keeping.stub(before.order.key)
    assert stub is not None
    keeping.orders.reopen(before.order.key, Millis(LATER + 5))
    behind = DynamoOrders(Behind(keeping.orders.client, stub), keeping.orders.table)
    assert behind.find(before.order.key) == before.order


def test_a_cancellation_that_meets_the_archive_is_asked_for_again(keeping: Keeping) -> None:
    """It was read as an order in the table: alone there, the request would look as if it had come
    before the reservation."""
    key = archived(keeping).order.key
    with pytest.raises(TransientFailure):
        keeping.orders.request_cancellation(key, Millis(LATER), reserved=True)
    assert keeping.orders.progress(key) is not None
    assert keeping.orders.batch_get_progress([key]) == {key: Facts()}


@pytest.mark.parametrize("step", [Step.RESERVE, Step.SHIP])
def test_a_command_that_comes_months_late_records_nothing(keeping: Keeping, step: Step) -> None:
    key = archived(keeping).order.key
    with pytest.raises(Archived):
        keeping.orders.record(key, {step: Outcome(Millis(LATER), reference="AGAIN")})
    assert keeping.orders.batch_get_progress([key]) == {key: Facts()}
    for asking in (keeping.without_archive.find, keeping.without_archive.progress):
        with pytest.raises(Archived):
            asking(key)
    with pytest.raises(Archived):
        keeping.orders.record_news(key, News("1", What.RETURNED, Millis(LATER), parcels=1))
    # One whose order is in the table is recorded as ever.
    late = accepted(fresh())
    keeping.orders.place(late)
    outcome = Outcome(Millis(LATER), reference="LATE")
    assert keeping.orders.record(late.key, {step: outcome}) == Facts({step: outcome})
    again = Outcome(Millis(LATER + 1), reference="OTHER")
    assert keeping.orders.record(late.key, {step: again}) == Facts({step: outcome})


def test_what_changes_while_a_run_is_under_way_stays_and_its_line_goes(keeping: Keeping) -> None:
    cancelled, erased, told, unchanged = (confirmed(keeping) for _ in range(4))
    keeping.clock.milliseconds = LATER
    archiving = keeping.archiving
    assert archiving.begin()
    ours = {cancelled.key, erased.key, told.key, unchanged.key}
    due = [each for page in archiving.pages(0, 1) for each in page if each.key in ours]
    batch = archiving.batch(due)
    archiving.announce(batch)
    archiving.store(batch)
    keeping.orders.request_cancellation(cancelled.key, Millis(LATER), reserved=True)
    keeping.orders.client.update_item(
        TableName=keeping.orders.table,
        Key=items.order_key(erased.key),
        UpdateExpression="SET digest = :digest",
        ExpressionAttributeValues={":digest": {"B": bytes(16)}},
    )
    # Its attribute has a name that nobody could have asked about.
    news = News("1", What.DELIVERED, Millis(LATER))
    keeping.orders.record_news(told.key, news)
    moved = archiving.move(batch)
    archiving.tidy(batch, moved)
    archiving.end()
    assert set(moved) == {unchanged.key}
    stayed = (cancelled, erased, told)
    assert [keeping.stub(order.key) for order in stayed] == [None] * 3
    assert [len(keeping.lines(order.key)) for order in (*stayed, unchanged)] == [0, 0, 0, 1]
    assert keeping.orders.facts(told.key).news == {news.key: news}
    assert keeping.orders.find(unchanged.key) == unchanged


def test_a_transaction_that_was_only_disturbed_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a write of another order in it, or by too many writes to its part of the table."""
    orders, why = MemoryOrders(), ["TransactionConflict", "ThrottlingError"]
    keeping = Keeping(orders, orders.archiving, orders.clock, lambda: orders.bucket.objects)
    order = confirmed(keeping)
    keeping.clock.milliseconds = LATER

    class Disturbed:
        def transact_write_items(self, **request: Any) -> Any:
            if not why:
                return orders.client.transact_write_items(**request)
            reasons = [{"Code": "None"}, {"Code": why.pop(0)}]
            raise client_error(
                "TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons
            )

        def __getattr__(self, call: str) -> Any:
            return getattr(orders.client, call)

    monkeypatch.setattr(keeping.archiving, "client", Disturbed())
    slept: list[float] = []
    monkeypatch.setattr(keeping.archiving, "sleep", slept.append)
    assert keeping.run() == Ran(archived=1)
    assert keeping.stub(order.key)
    assert slept == [0.75, 1.5]


def test_a_run_that_was_cut_off_is_put_right_by_the_next(keeping: Keeping) -> None:
    order = confirmed(keeping)
    keeping.clock.milliseconds = LATER
    archiving = keeping.archiving
    assert archiving.begin()
    due = [each for page in archiving.pages(0, 1) for each in page if each.key == order.key]
    batch = archiving.batch(due)
    archiving.announce(batch)
    archiving.store(batch)
    # Another one waits until the time of this one is certainly over.
    assert not archiving.begin()
    assert len(keeping.lines(order.key)) == 1
    keeping.clock.milliseconds = LATER + DAY_MS
    keeping.run()
    stub = keeping.stub(order.key)
    assert stub is not None
    assert keeping.lines(order.key) == [items.location_of(stub)]
    assert keeping.orders.find(order.key) == order


def test_the_line_of_an_order_that_the_table_has_not_is_kept(keeping: Keeping) -> None:
    """A restore under way, or the wrong table: the line is all that is left of the order."""
    order, other = confirmed(keeping), confirmed(keeping)
    keeping.clock.milliseconds = LATER
    archiving = keeping.archiving
    assert archiving.begin()
    ours = {order.key, other.key}
    batch = archiving.batch(
        [each for page in archiving.pages(0, 1) for each in page if each.key in ours]
    )
    archiving.announce(batch)
    archiving.store(batch)
    gone = [items.order_key(order.key), items.progress_key(order.key)]
    keeping.orders.client.transact_write_items(
        TransactItems=[{"Delete": {"TableName": keeping.orders.table, "Key": key}} for key in gone]
    )
    assert {*archiving.move(batch)} == {other.key}
    archiving.tidy(batch, {other.key})
    archiving.end()
    assert [len(keeping.lines(key)) for key in (order.key, other.key)] == [1, 1]


def test_more_than_one_run_puts_right_what_one_has_no_time_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders = MemoryOrders()
    names = tuple(f"orders/2026/11/23/{number:03}.jsonl" for number in range(170))
    journal = {"run": "of-a-restore", "until": 0, "objects": names}
    orders.archiving.bucket.put(JOURNAL_KEY, msgspec.json.encode(journal))
    looked_at: list[str] = []

    def look(_: DynamoArchiving, key: str) -> None:
        looked_at.append(key)
        if len(looked_at) == 120:
            raise TransientFailure("time is over")

    monkeypatch.setattr(DynamoArchiving, "_take_out_unnamed", look)
    with pytest.raises(TransientFailure):
        orders.archiving.begin()
    orders.clock.milliseconds += DAY_MS
    assert orders.archiving.begin()
    assert looked_at[120:] == [*names[100:]]


def test_a_line_that_cannot_be_read_is_an_outage_and_no_gap(keeping: Keeping) -> None:
    key = archived(keeping).order.key
    stub = keeping.stub(key)
    assert stub is not None
    location = items.location_of(stub)
    for wrong in (replace(location, length=9), replace(location, run="nowhere")):
        keeping.orders.client.put_item(
            TableName=keeping.orders.table, Item=items.stub_item(key, wrong)
        )
        with pytest.raises(TransientFailure, match="the archive"):
            keeping.orders.progress(key)
        with pytest.raises(TransientFailure, match="the archive"):
            keeping.orders.history(key.customer_id, 10, None)


def test_many_orders_leave_together(keeping: Keeping) -> None:
    """More than one transaction takes, of two sizes, with one that has changed among them."""
    customer = fresh().customer_id
    lines = [line(f"SKU-{number}", 1, 510) for number in range(40)]
    placed = [
        confirmed(
            keeping, order_key(customer, order_id()), **({} if number % 9 else {"lines": lines})
        )
        for number in range(60)
    ]
    keeping.clock.milliseconds = LATER
    ran = keeping.run()
    assert ran.archived >= len(placed)
    assert all(keeping.stub(order.key) for order in placed)
    page, _ = keeping.orders.history(customer, 100, None)
    assert [each.order for each in page] == placed[::-1]


def test_the_parts_of_a_table_have_each_order_once(keeping: Keeping) -> None:
    placed = {confirmed(keeping).key for _ in range(12)}
    in_part = [
        [order.key for page in keeping.archiving.pages(part, 5) for order in page]
        for part in range(5)
    ]
    found = [key for part in in_part for key in part if key in placed]
    assert len(found) == len(placed)
    assert {*found} == placed
    assert sum(1 for part in in_part if placed & {*part}) > 1


def test_an_object_is_written_on_condition_and_read_in_parts(keeping: Keeping) -> None:
    objects, key = keeping.archiving.bucket, f"orders/2026/11/23/{uuid.uuid4().hex}.jsonl"
    assert objects.find(key) is None
    first = objects.put(key, b"0123456789")
    assert first is not None
    assert objects.put(key, b"another") is None
    assert objects.find(key) == (b"0123456789", first)
    assert objects.get_part(key, "bytes=3-5") == b"345"
    with pytest.raises(TransientFailure, match="416"):
        objects.get_part(key, "bytes=10-12")
    second = objects.put(key, b"9876543210", replaces=first)
    assert second not in (None, first)
    assert objects.put(key, b"0123456789", replaces=first) is None
    assert objects.find(key) == (b"9876543210", second)
