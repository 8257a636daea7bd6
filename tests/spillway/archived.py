"""Orders that have left the table, and the bucket that they are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orders.aws import archive_file, items
from orders.aws.items import Attribute, Item
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.units import Millis
from simulation.world.bucket import Bucket, S3Client
from simulation.world.calls import Calls
from simulation.world.dynamodb import About, DynamoClient, Table
from simulation.world.faults import Faults
from simulation.world.scheduler import Scheduler
from spillway.target.archive import Archive
from spillway.target.reading import OrdersTable

BUCKET = "the-archive"
RUN = "19a7b3c4d5e"


class FakeS3(S3Client):
    """A boto3 client of one bucket. `before_put` is called once, when something is to be stored:
    what others do meanwhile."""

    def __init__(self) -> None:
        super().__init__(Bucket(), BUCKET)
        self.objects = self.bucket.objects
        self.gets = 0
        self.before_put: Callable[[], None] = lambda: None

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.gets += 1
        return super().get_object(**request)

    def put_object(self, **request: Any) -> dict[str, Any]:
        meanwhile, self.before_put = self.before_put, lambda: None
        meanwhile()
        return super().put_object(**request)


class _Meanwhile:
    """A client before whose next call of a name something else happens, once."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.before: dict[str, Callable[[], object]] = {}

    def __getattr__(self, call: str) -> Any:
        self.before.pop(call, lambda: None)()
        return getattr(self._client, call)


class KeptOrders:
    """An orders table in memory, with an archive, and its copy from a backup."""

    def __init__(self) -> None:
        scheduler = Scheduler(0)
        calls = Calls(scheduler, Faults(0, {}, 0), None)
        self.s3 = FakeS3()
        self.table, self.copy = (
            Table(name, lambda: scheduler.now, lambda *_: None) for name in ("orders", "copy")
        )
        tables = {table.name: table for table in (self.table, self.copy)}
        self.client = _Meanwhile(DynamoClient(calls, tables, 6.0, About(None)))
        self.archive = archive_in(self.s3)
        self.orders = OrdersTable(self.client, "orders", self.archive)

    def add(self, order: AcceptedOrder, facts: Mapping[str, Any]) -> tuple[Item, Item]:
        """`facts` as attributes of its progress."""
        stored = items.order_item(order), {**items.progress_key(order.key), **facts}
        self.put(*stored)
        return stored

    def put(self, *stored: Item) -> None:
        for item in stored:
            self.table.put((item["pk"]["S"], item["sk"]["S"]), item)

    def at(self, key: OrderKey) -> Item:
        """What the table has in the order's place."""
        item = self.table.get((key.customer_id, key.order_id))
        assert item is not None
        return item

    def move(self, *orders: tuple[Item, Item]) -> list[dict[str, Attribute]]:
        """Archive these orders as a run does; returns their stubs."""
        stubs = archived(self.s3, *orders)
        for _, progress in orders:
            self.table.delete((progress["pk"]["S"], progress["sk"]["S"]))
        self.put(*stubs)
        return stubs


def archive_in(s3: FakeS3) -> Archive:
    return Archive(lambda: s3, lambda: BUCKET)


def no_archive() -> Archive:
    """Of a stage that never had one."""

    def never() -> Any:
        raise AssertionError("nothing was archived")

    return Archive(never, never)


def archived(s3: FakeS3, *orders: tuple[Item, Item], run: str = RUN) -> list[dict[str, Attribute]]:
    """Put orders, each with its progress, into the bucket as the archive's run does; returns what
    takes their place in the table."""
    stubs = []
    for day, lines in _by_day(orders).items():
        made = archive_file.new_object(day, run, lines)
        s3.objects[made.key] = made.content
        stubs += [items.stub_item(key, at) for key, at in made.locations.items()]
    return stubs


def leave(dynamodb: Any, table: str, s3: FakeS3, key: OrderKey) -> None:
    """One order leaves a table for the bucket."""
    order, progress = OrdersTable(dynamodb, table, no_archive()).items_of(key)
    # A run of its own: an object is made once.
    [stub] = archived(s3, (order, progress), run=f"{RUN}-{len(s3.objects)}")
    dynamodb.put_item(TableName=table, Item=stub)
    dynamodb.delete_item(TableName=table, Key=items.progress_key(key))


def _by_day(orders: tuple[tuple[Item, Item], ...]) -> Mapping[str, dict[OrderKey, bytes]]:
    days: dict[str, dict[OrderKey, bytes]] = {}
    for order, progress in orders:
        day = archive_file.day_of(Millis(int(order["accepted_at"]["N"])))
        line = archive_file.line_of(order, progress)
        days.setdefault(day, {})[items.key_of(order)] = line
    return days
