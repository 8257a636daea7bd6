"""The migration's own table.

    migration          / state     phase, lease, and how far the copy and the log have come
    migration          / verified  what the last `verify` has found
    order/<old key>    / order     the customer and id of a migrated order ("the index")
    quarantine         / <old key> why an order could not be migrated
    open               / <old key> migrated, and the saga has steps left for it

It is a separate table, so that audits, restores and customers' reads never meet any of this, and so
that you can delete it when the migration is over. A row that changed or vanished finds its order by
the index, even when the order's customer or time have changed with it. The index also shows which
order an old order number has become.

Only one process works on a migration at a time: it holds a lease, renews it, and stops writing as
soon as it is not sure of it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any, Literal

import msgspec
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from orders.domain.order import OrderKey
from spillway.errors import SpillwayError
from spillway.migrate.new.target import expecting, refused
from spillway.migrate.old.mapping import Reason
from spillway.migrate.old.position import Position

Phase = Literal["new", "copying", "following", "switched"]

LEASE_SECONDS = 30
RENEW_SECONDS = 5
#: After that time the holder must renew before it writes: a request takes some seconds at most.
SURE_SECONDS = 20
TABLE_WAIT_SECONDS_MAX = 60
#: Bytes of an old order number: a sort key of DynamoDB has 1,024.
NUMBER_BYTES_MAX = 1_000
REASONS_MAX = 20
DETAIL_MAX = 200

STATE = {"pk": {"S": "migration"}, "sk": {"S": "state"}}
VERIFIED = {"pk": {"S": "migration"}, "sk": {"S": "verified"}}
_POSITIONS = ("start", "followed", "described", "changed")

Item = Mapping[str, Any]
_stored, _read = TypeSerializer().serialize, TypeDeserializer().deserialize


class LeaseLost(SpillwayError):
    pass


class Switched(LeaseLost):
    """Not a failure of `follow`: its end."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the migration is. Every order up to `copied_to`, an old key as the database spells
    it, has been copied. `changed` is the end of the last transaction that changed the old table.
    `sent` is 1 as soon as the customers were sent to the new service. `waiting` orders could not be
    written by `back`. Times are Unix ms.

    Of the log: `log_made` (Unix s) is when the file of `followed`, or of `start`, was begun, and
    `described` where the table was described by which it was read. `heard_at` is when the server
    last said something, a heartbeat or more, and `changed_at` when it last said that the old table
    changed."""

    phase: Phase = "new"
    #: The old table with its database; None in a state of before this version.
    source: str | None = None
    #: How its rows were read: `Config.reads`.
    reads: str | None = None
    start: Position | None = None
    server: str | None = None
    copied_to: str | None = None
    copied: int = 0
    followed: Position | None = None
    log_made: int | None = None
    described: Position | None = None
    heard_at: int = 0
    changed: Position | None = None
    changed_at: int = 0
    switched_at: int = 0
    sent: int = 0
    waiting: int = 0
    lag_ms: int = 0
    owner: str | None = None
    until: int = 0
    work: str = ""
    #: When the owner began.
    since: int = 0

    def check_reads(self, reads: str) -> None:
        """SpillwayError: what was read until now was read in another way."""
        if self.reads not in (None, reads):
            raise SpillwayError(
                f"Until now the old table was read with {self.reads}, and the configuration says"
                f" {reads}: set it back, or run `spillway migrate copy --again` when the copy is"
                " complete. Nothing is lost."
            )

    def at_work(self, work: str) -> bool:
        """A process that does this work holds the lease now."""
        return self.work == work and self.until >= now_ms()


@dataclass(frozen=True, slots=True)
class Verified:
    """What a `verify` has found, in numbers. `at` is Unix ms."""

    at: int
    result: Literal["equal", "differs", "unsure"]
    summary: str
    old_orders: int
    new_orders: int
    differences: int
    sampled: bool = False
    back: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An old order in the index. `stale`: former places, which may still have the order because a
    move from there may be under way."""

    key: OrderKey
    stale: tuple[OrderKey, ...] = ()

    @property
    def everywhere(self) -> tuple[OrderKey, ...]:
        return (self.key, *self.stale)


@dataclass(slots=True)
class State:
    dynamodb: Any
    table: str
    #: The old table of the configuration; empty where none matters.
    source: str = ""
    owner: str = field(default_factory=lambda: f"{socket.gethostname()}/{os.getpid()}")
    _sure_until: float = 0.0

    def make_table(self) -> None:
        with suppress(self.dynamodb.exceptions.ResourceInUseException):
            self.dynamodb.create_table(
                TableName=self.table,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
                Tags=[{"Key": "purpose", "Value": "spillway migrate"}],
            )
        try:
            self.dynamodb.get_waiter("table_exists").wait(
                TableName=self.table,
                WaiterConfig={"Delay": 1, "MaxAttempts": TABLE_WAIT_SECONDS_MAX},
            )
        except WaiterError as error:
            raise SpillwayError(f"The table {self.table} is not ready yet: try again.") from error

    def standing(self) -> Standing:
        """SpillwayError: no migration has begun, because the table does not exist; or the one that
        has is of another old table. Its orders would all be taken for removed ones."""
        standing = _standing(self._item(STATE))
        if self.source and standing.source not in (None, self.source):
            raise SpillwayError(
                f"{self.table} is the state of a migration from {standing.source}, and not from"
                f" {self.source}: correct the configuration, or begin with an empty orders table"
                " and without that state."
            )
        return standing

    def verified(self) -> Verified | None:
        item = self._item(VERIFIED)
        return msgspec.convert(_plain(item), Verified) if item else None

    def note_verified(self, verified: Verified) -> None:
        item = {name: _stored(value) for name, value in asdict(verified).items()}
        self.dynamodb.put_item(TableName=self.table, Item={**VERIFIED, **item})

    def _item(self, key: Item) -> Item:
        try:
            answer = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        except self.dynamodb.exceptions.ResourceNotFoundException as error:
            raise SpillwayError(
                f"Nothing is migrated yet: this account and Region have no table {self.table}."
                " `spillway migrate copy` makes it."
            ) from error
        item: Item = answer.get("Item", {})
        return item

    @contextmanager
    def lease(self, work: str, phases: Iterable[Phase]) -> Iterator[Standing]:
        """Be the only process at work. SpillwayError: another is, or the phase forbids it."""
        standing = self._take(work, frozenset(phases))
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(ended,), daemon=True)
        keeper.start()
        try:
            yield standing
        finally:
            ended.set()
            keeper.join()
            with suppress(BotoCoreError, ClientError):
                self._update({"owner": self.owner}, {"until": 0})

    def _take(self, work: str, phases: frozenset[Phase]) -> Standing:
        standing = self.standing()
        if standing.phase not in phases:
            raise SpillwayError(_not_now(work, standing.phase))
        now = now_ms()
        if standing.owner and standing.until > now and not self._dead(standing.owner):
            raise SpillwayError(
                f"`spillway migrate {standing.work}` is at work ({standing.owner}): end it first,"
                f" or wait {(standing.until - now) // 1000 + 1} s if it was killed."
            )
        seen = {"until": standing.until} if standing.owner else {"owner": None}
        try:
            source = {"source": self.source} if self.source else {}
            self._renew(seen, {"owner": self.owner, "work": work, "since": now, **source})
        except ClientError as error:
            if not refused(error):
                raise
            raise SpillwayError("Another `spillway migrate` has just begun: try again.") from error
        return replace(standing, owner=self.owner, work=work)

    def _dead(self, owner: str) -> bool:
        """It was a process of this machine that has ended: its lease need not run out."""
        host, _, pid = owner.rpartition("/")
        if host != socket.gethostname() or not pid.isdigit():
            return False
        try:
            os.kill(int(pid), 0)
        except OSError as error:
            return isinstance(error, ProcessLookupError)
        return int(pid) == os.getpid()

    def _keep(self, ended: threading.Event) -> None:
        while not ended.wait(RENEW_SECONDS):
            # When this fails, `ensure` notices as soon as the sure time has run out.
            with suppress(BotoCoreError, ClientError):
                self._renew({"owner": self.owner})

    def _renew(self, expected: Item, values: Item | None = None) -> None:
        asked = time.monotonic()
        self._update(expected, {**(values or {}), "until": now_ms() + LEASE_SECONDS * 1000})
        self._sure_until = asked + SURE_SECONDS

    def ensure(self) -> None:
        """Called before each write. Raises LeaseLost when another process may be at work by now."""
        if time.monotonic() <= self._sure_until:
            return
        try:
            # A process that takes over writes its own name there: while it is ours, none has.
            self._renew({"owner": self.owner})
        except (BotoCoreError, ClientError) as error:
            raise LeaseLost(
                "This process lost its hold on the migration (it was paused, or the table did not"
                " answer): run it again. It continues where it was."
            ) from error

    def save(self, **values: object) -> None:
        """Note how far the work has come; names are those of `Standing`."""
        changes: dict[str, object] = {}
        for name, value in values.items():
            if isinstance(value, Position):
                changes |= {f"{name}_file": value.file, f"{name}_offset": value.offset}
            elif name in _POSITIONS:
                changes |= {f"{name}_file": None, f"{name}_offset": None}
            else:
                changes[name] = value
        try:
            self._update({"owner": self.owner}, changes)
        except ClientError as error:
            if not refused(error):
                raise
            if self.standing().phase == "switched":
                raise Switched("The switch has been made: nothing is left to follow.") from error
            raise LeaseLost("Another `spillway migrate` has taken over: this one ends.") from error

    def switch(self) -> None:
        """The switch is made: a process that follows notices when it saves next, and ends."""
        switched = {"phase": "switched", "switched_at": now_ms(), "owner": None, "until": 0}
        try:
            self._update({"phase": "following"}, switched)
        except ClientError as error:
            if not refused(error):
                raise
            raise SpillwayError(
                "Another process has just changed the migration's state: run `cutover` again."
            ) from error

    def note_sent(self) -> None:
        self._update({"phase": "switched"}, {"sent": 1})

    def note_waiting(self, orders: int) -> None:
        """For `status`. Who has lost the lease notices that by `ensure`."""
        with suppress(BotoCoreError, ClientError):
            self._update({"owner": self.owner}, {"waiting": orders})

    def _update(self, expected: Item, values: Item) -> None:
        """Set these values, and remove those that are None, where the expected ones are stored
        (None: not at all). At least one value is not None."""
        request = expecting(
            {name: None if value is None else _stored(value) for name, value in expected.items()}
        )
        kept = {name: _stored(value) for name, value in values.items() if value is not None}
        removed = [f"#{name}" for name in values if name not in kept]
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in kept)
        request["UpdateExpression"] = update + (f" REMOVE {', '.join(removed)}" if removed else "")
        request["ExpressionAttributeNames"] |= {f"#{name}": name for name in values}
        request.setdefault("ExpressionAttributeValues", {}).update(
            {f":{name}": value for name, value in kept.items()}
        )
        self.dynamodb.update_item(TableName=self.table, Key=STATE, **request)

    def listed(self, kind: Literal["quarantine", "open"]) -> Iterator[Item]:
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :kind",
            ExpressionAttributeValues={":kind": {"S": kind}},
        )
        for page in pages:
            yield from page["Items"]

    def known(self) -> Iterator[list[str]]:
        """The old keys in the index and in quarantine, page by page."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="begins_with(pk, :order) OR pk = :quarantine",
            ExpressionAttributeValues={
                ":order": {"S": "order/"},
                ":quarantine": {"S": "quarantine"},
            },
        )
        for page in pages:
            yield [
                (quarantined_of if "reasons" in item else entry_of)(item)[0]
                for item in page["Items"]
            ]


def index_key(old_key: str) -> dict[str, Any]:
    """SpillwayError: no item can have so long a number. What else is noted of it comes later."""
    size = len(old_key.encode())
    if size > NUMBER_BYTES_MAX:
        raise SpillwayError(
            f"The order number {old_key[:40]}... has {size:,} bytes, more than the"
            f" {NUMBER_BYTES_MAX:,} that can be moved: shorten it, or leave such rows out with"
            " source.where, as CHAR_LENGTH(number) < 200."
        )
    return {"pk": {"S": f"order/{old_key}"}, "sk": {"S": "order"}}


def index_item(old_key: str, entry: Entry) -> dict[str, Any]:
    item = {**index_key(old_key), **_place(entry.key)}
    if entry.stale:
        item["stale"] = _stored([astuple(key) for key in entry.stale])
    return item


def entry_of(item: Item) -> tuple[str, Entry]:
    """The old key, and its entry."""
    stale = tuple(OrderKey(*pair) for pair in _read(item.get("stale", {"L": []})))
    return item["pk"]["S"].removeprefix("order/"), Entry(place_of(item), stale)


def quarantine_key(old_key: str) -> dict[str, Any]:
    # DynamoDB allows no empty key: rows without an order number get this one.
    return {"pk": {"S": "quarantine"}, "sk": {"S": old_key or "(none)"}}


def quarantine_item(old_key: str, reasons: Sequence[Reason]) -> dict[str, Any]:
    listed = [(reason.rule, reason.detail[:DETAIL_MAX]) for reason in reasons[:REASONS_MAX]]
    return {**quarantine_key(old_key), "reasons": _stored(listed)}


def quarantined_of(item: Item) -> tuple[str, tuple[Reason, ...]]:
    key = item["sk"]["S"]
    reasons = tuple(Reason(*pair) for pair in _read(item["reasons"]))
    return "" if key == "(none)" else key, reasons


def open_key(old_key: str) -> dict[str, Any]:
    return {"pk": {"S": "open"}, "sk": {"S": old_key}}


def open_item(old_key: str, key: OrderKey) -> dict[str, Any]:
    return {**open_key(old_key), **_place(key)}


def place_of(item: Item) -> OrderKey:
    """The order that an item of the index, or of the open orders, names."""
    return OrderKey(item["customer"]["S"], item["order"]["S"])


def _place(key: OrderKey) -> dict[str, Any]:
    return {"customer": {"S": key.customer_id}, "order": {"S": key.order_id}}


def _plain(item: Item) -> dict[str, Any]:
    """A whole number as one: the SDK reads every number as a Decimal."""
    return {
        name: int(value["N"]) if "N" in value else next(iter(value.values()))
        for name, value in item.items()
    }


def _standing(item: Item) -> Standing:
    values = _plain(item)
    for name in _POSITIONS:
        if f"{name}_file" in values:
            values[name] = Position(values[f"{name}_file"], values[f"{name}_offset"])
    return msgspec.convert(values, Standing)


def comparable(phase: Phase, *, back: bool) -> None:
    """SpillwayError: in this phase there is nothing to compare."""
    if back and phase != "switched":
        raise SpillwayError(
            "The switch is not made yet: compare with `spillway migrate verify`, without --back."
        )
    if not back and phase == "switched":
        raise SpillwayError(
            "The switch has been made: compare with `spillway migrate verify --back` now."
        )
    if phase in ("new", "copying"):
        raise SpillwayError(_not_now("verify", phase))


def _not_now(work: str, phase: Phase) -> str:
    if phase == "switched":
        return (
            f"The switch has been made: `migrate {work}` would overwrite what customers have done"
            " since. `spillway migrate back` writes the new orders into the old database."
        )
    if phase == "following":
        return "The copy is complete: run `spillway migrate follow`, or `copy --again`."
    return "The copy is not complete: run `spillway migrate copy` first. It continues where it was."


def now_ms() -> int:
    return time.time_ns() // 1_000_000
