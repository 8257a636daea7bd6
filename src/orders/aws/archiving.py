"""The `Archiving` port: orders leave DynamoDB for S3.

    orders/2026/11/23/<run>.jsonl   orders (orders.aws.archive_file)
    run.json                        the run that is under way, and the objects that it changes

`run.json` keeps a second run out until its time is over, and is the journal of what may be half
done: a line that no stub names is personal data that no erasure finds. So a run first reads each
object that an earlier run did not finish, and takes those lines out of it. It does so only when
that run's time is over: a transaction of unknown outcome has then taken effect or never will.

Objects are never overwritten but on condition of their entity tag: an erasure overwrites them too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, cast

import msgspec
from botocore.exceptions import ClientError
from msgspec.structs import replace

from orders.aws import archive_file, items
from orders.aws.archive_file import ArchiveObject, LineInvalid, NotArchivable
from orders.aws.bucket import Bucket
from orders.aws.clients import Client, translate_aws_errors
from orders.aws.items import Item, Location
from orders.aws.table import BATCH_GET_MAX, CONDITION_FAILED, cancellation_reasons
from orders.domain.order import OrderKey
from orders.domain.units import Millis
from orders.failures import TransientFailure
from orders.ports import ArchiveBatch, Clock, ConcurrentMap, Jitter, StoredOrder

JOURNAL_KEY = "run.json"
#: Orders in one transaction, which takes 100 operations and 4 MB.
TOGETHER_MAX = 50
TOGETHER_BYTES_MAX = 1024 * 1024
#: How often an object is read again that something else has changed meanwhile, and a transaction
#: sent that was only disturbed.
_TRIES = 5
#: Before a transaction is sent again, twice as long each time: up to so many seconds. Neighbours in
#: a scan share a part of the table, which takes 1,000 write units a second, other orders' too.
_PAUSE_SECONDS = 1.0
#: Why a transaction was cancelled that the table may take a moment later.
_DISTURBED = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
#: After so many objects of an earlier run the journal says how far it is. A restore may name
#: thousands, which no run gets through at once.
_TIDIED_TOGETHER = 50
#: So long after its time a run is certainly over, and what it sent has taken effect or never will.
_MARGIN_MS = 15 * 60 * 1000

# One operation of a transaction: {"Put": {...}} or {"Delete": {...}}.
Operation = dict[str, dict[str, Any]]


class _Journal(msgspec.Struct):
    """`run` has a name of its own. `until`: no other begins before, Unix milliseconds."""

    run: str
    until: int
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Batch:
    """`former`: the objects with lines that these orders had before they were reopened."""

    orders: Mapping[OrderKey, StoredOrder]
    objects: Sequence[ArchiveObject]
    former: frozenset[str]

    @property
    def keys(self) -> Collection[OrderKey]:
        return self.orders.keys()


@dataclass(slots=True)
class DynamoArchiving:
    """For one run at a time: nothing here is locked. `run_ms`: how long a run takes at most."""

    client: Client
    table: str
    bucket: Bucket
    clock: Clock
    jitter: Jitter
    concurrent_map: ConcurrentMap
    #: Waits so many seconds.
    sleep: Callable[[float], object]
    run_ms: int
    _tag: str | None = None
    _journal: _Journal = field(default_factory=lambda: _Journal("", 0))

    # The journal

    def begin(self) -> bool:
        now = self.clock.now()
        found = self.bucket.find(JOURNAL_KEY)
        before = _Journal("", 0)
        self._tag = None
        if found is not None:
            content, self._tag = found
            before = msgspec.json.decode(content, type=_Journal)
        if now < before.until:
            return False
        until = now + self.run_ms + _MARGIN_MS
        if not self._write_journal(_Journal(self._new_name(), until, before.objects)):
            return False
        left = before.objects
        while left:
            for key in left[:_TIDIED_TOGETHER]:
                self._take_out_unnamed(key)
            left = left[_TIDIED_TOGETHER:]
            if left:
                self._go_on(replace(self._journal, objects=left))
        return True

    def announce(self, batch: ArchiveBatch) -> None:
        made = _made(batch)
        keys = {each.key for each in made.objects} | made.former
        self._go_on(replace(self._journal, objects=tuple(sorted(keys))))

    def end(self) -> None:
        self._go_on(_Journal(self._journal.run, 0))

    def _go_on(self, journal: _Journal) -> None:
        if not self._write_journal(journal):
            raise TransientFailure("another run has begun")

    def _write_journal(self, journal: _Journal) -> bool:
        """False where another run has written it."""
        content = msgspec.json.encode(journal)
        tag = self.bucket.put(JOURNAL_KEY, content, replaces=self._tag)
        if tag is None:
            # By a first try whose answer was lost, or by another run.
            found = self.bucket.find(JOURNAL_KEY)
            if found is None or found[0] != content:
                return False
            tag = found[1]
        self._journal, self._tag = journal, tag
        return True

    def _new_name(self) -> str:
        """Of a run, or of one of its objects: by time, and its own."""
        return f"{self.clock.now():x}{int(self.jitter() * 0x10000):04x}"

    # From the table

    def pages(self, segment: int, of: int) -> Iterator[Sequence[StoredOrder]]:
        # An order and its progress are next to each other, but a page may end between the two.
        begun: Item | None = None
        start: dict[str, Any] = {}
        while True:
            with translate_aws_errors("Scan"):
                answer = self.client.scan(
                    TableName=self.table, Segment=segment, TotalSegments=of, **start
                )
            page = []
            for item in answer["Items"]:
                if not items.is_progress(item):
                    begun = None if items.is_stub(item) or items.is_void(item) else item
                elif begun is not None and items.key_of(begun) == items.key_of(item):
                    page.append(_stored(begun, item))
            yield page
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def line_bytes(self, order: StoredOrder) -> int:
        content = items.binary(order.items[0]["content"])
        with suppress(zlib.error):
            return len(zlib.decompress(content))
        return len(content)

    def batch(self, orders: Sequence[StoredOrder]) -> ArchiveBatch:
        run = self._new_name()
        of_day: dict[str, dict[OrderKey, bytes]] = {}
        archivable = {}
        former = set()
        for stored in orders:
            order, progress = stored.items
            with suppress(NotArchivable):
                line = archive_file.line_of(order, progress)
                day = archive_file.day_of(Millis(int(order["accepted_at"]["N"])))
                of_day.setdefault(day, {})[stored.key] = line
                archivable[stored.key] = stored
                if items.REOPENED in progress:
                    former.add(archive_file.object_key(items.location_of(progress)))
        objects = [archive_file.new_object(day, run, lines) for day, lines in of_day.items()]
        return _Batch(archivable, objects, frozenset(former))

    # Both

    def store(self, batch: ArchiveBatch) -> None:
        def put(each: ArchiveObject) -> None:
            if self.bucket.put(each.key, each.content) is None:
                # By a first try whose answer was lost; else nothing refers to what is there.
                self._must_be_there(each)

        list(self.concurrent_map(put, _made(batch).objects))

    def move(self, batch: ArchiveBatch) -> Collection[OrderKey]:
        made = _made(batch)
        locations = dict(chain.from_iterable(each.locations.items() for each in made.objects))
        moved: set[OrderKey] = set()
        for together in _together(made.orders.values()):
            moved |= self._move(together, locations)
        return moved

    def tidy(self, batch: ArchiveBatch, moved: Collection[OrderKey]) -> None:
        made = _made(batch)
        of_stayed = {each.key for each in made.objects if not each.locations.keys() <= {*moved}}
        for key in sorted(of_stayed | made.former):
            self._take_out_unnamed(key)

    def _must_be_there(self, each: ArchiveObject) -> None:
        found = self.bucket.find(each.key)
        if found is None or found[0] != each.content:
            raise TransientFailure(f"{each.key} is another object")

    def _move(
        self, orders: Sequence[StoredOrder], locations: Mapping[OrderKey, Location]
    ) -> set[OrderKey]:
        """All of them at once; without those that have changed, where some have."""
        pauses = iter(range(_TRIES - 1))
        while orders:
            operations = [self._moving(stored, locations[stored.key]) for stored in orders]
            failed = self._transact(list(chain.from_iterable(operations)))
            if CONDITION_FAILED in failed:
                orders = [
                    stored
                    for place, stored in enumerate(orders)
                    if CONDITION_FAILED not in failed[2 * place : 2 * place + 2]
                ]
                continue
            why = {*failed} - {"None"}
            if not why:
                break
            before = next(pauses, None)
            if before is None or why - _DISTURBED:
                raise TransientFailure(f"TransactWriteItems: {', '.join(sorted(why))}")
            self.sleep(_PAUSE_SECONDS * 2**before * (1 + self.jitter()) / 2)
        return {stored.key for stored in orders}

    def _transact(self, operations: Sequence[Operation]) -> Sequence[str]:
        """What became of each operation; nothing where all were done."""
        with translate_aws_errors("TransactWriteItems"):
            try:
                self.client.transact_write_items(TransactItems=operations)
            except ClientError as error:
                return [each["Code"] for each in cancellation_reasons(error)]
        return ()

    def _moving(self, stored: StoredOrder, location: Location) -> tuple[Operation, Operation]:
        order, progress = stored.items
        put = {
            "TableName": self.table,
            "Item": items.stub_item(stored.key, location),
            # True while nobody has erased the customer from it.
            "ConditionExpression": "content = :content AND digest = :digest",
            "ExpressionAttributeValues": {":content": order["content"], ":digest": order["digest"]},
        }
        delete = {"TableName": self.table, "Key": items.progress_key(stored.key)}
        return {"Put": put}, {"Delete": delete | _unchanged(progress)}

    def _take_out_unnamed(self, key: str) -> None:
        """Take the lines out of an object that no stub names."""
        for _ in range(_TRIES):
            found = self.bucket.find(key)
            if found is None:
                return
            content, tag = found
            try:
                lines = archive_file.lines_in(key, content)
            except LineInvalid as problem:
                raise TransientFailure(f"the archive, {key}: {problem}") from problem
            named = self._named(lines.keys())
            # An order is never deleted. One that the table has not may be the last to come back
            # in a restore, or the table is another one: its line is all that is left of it.
            unnamed = [at for order, at in lines.items() if named.get(order, at) != at]
            if not unnamed:
                return
            if self.bucket.put(key, archive_file.without(content, unnamed), replaces=tag):
                return
        raise TransientFailure(f"{key} was changed each time")

    def _named(self, keys: Iterable[OrderKey]) -> Mapping[OrderKey, Location | None]:
        """The lines that these orders' stubs name; None of one that is itself in the table. What
        the table does not have is left out."""
        wanted = [items.order_key(key) for key in keys]
        named: dict[OrderKey, Location | None] = {}
        for start in range(0, len(wanted), BATCH_GET_MAX):
            request: Any = {"Keys": wanted[start : start + BATCH_GET_MAX], "ConsistentRead": True}
            with translate_aws_errors("BatchGetItem"):
                answer = self.client.batch_get_item(RequestItems={self.table: request})
            if answer.get("UnprocessedKeys"):
                raise TransientFailure("BatchGetItem: not all keys were read")
            for item in answer["Responses"][self.table]:
                named[items.key_of(item)] = items.location_of(item) if items.is_stub(item) else None
        return named


def _made(batch: ArchiveBatch) -> _Batch:
    return cast("_Batch", batch)


def _stored(order: Item, progress: Item) -> StoredOrder:
    return StoredOrder(
        key=items.key_of(order),
        facts=items.facts(progress),
        imported=items.IMPORTED in order,
        holds_coupons=items.CLAIMS in order and items.COUPONS_RETURNED not in progress,
        items=(order, progress),
    )


def _together(orders: Iterable[StoredOrder]) -> Iterator[Sequence[StoredOrder]]:
    """Those that one transaction can move."""
    together: list[StoredOrder] = []
    size = 0
    for stored in orders:
        content = len(stored.items[0]["content"]["B"])
        size += content
        if together and (len(together) == TOGETHER_MAX or size > TOGETHER_BYTES_MAX):
            yield together
            together, size = [], content
        together.append(stored)
    if together:
        yield together


def _unchanged(progress: Item) -> dict[str, Any]:
    """A condition, as part of a request: nothing was written to it since it was read."""
    names = [name for name in archive_file.PROGRESS_NAMES if name not in ("pk", "sk")]
    parts, values = [], {}
    for number, name in enumerate(names):
        if name in progress:
            parts.append(f"#n{number} = :v{number}")
            values[f":v{number}"] = progress[name]
        else:
            parts.append(f"attribute_not_exists(#n{number})")
    return {
        "ConditionExpression": " AND ".join(parts),
        "ExpressionAttributeNames": {f"#n{number}": name for number, name in enumerate(names)},
        "ExpressionAttributeValues": values,
    }
