"""What the migration knows of itself, in a table of its own beside the orders table.

    migration          / state     phase, lease, where the copy and the log stand
    order/<old key>    / order     under which customer and id an old order lies ("the index")
    quarantine         / <old key> why it could not be migrated
    open               / <old key> migrated, and the saga has steps left for it

A table of its own, because audits, restores and the customers' reads then never meet any of this,
and because it is simply deleted when all is over. The index is what makes a changed or deleted row
find its order again when customer or time of the order have changed with it; it also answers the
question which order an old order number has become.

One process at a time works on a migration: it holds a lease, renews it, and writes nothing once it
cannot be sure of it any more.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from orders.domain.order import OrderKey
from spillway.errors import SpillwayError
from spillway.migrate.mapping import Reason
from spillway.migrate.source import Position

Phase = Literal["new", "copying", "following", "switched"]
PHASES: tuple[Phase, ...] = ("new", "copying", "following", "switched")

LEASE_SECONDS = 30
RENEW_SECONDS = 5
#: From here on the holder must not write: a request takes some seconds at most.
SURE_SECONDS = 20
TABLE_WAIT_SECONDS_MAX = 60
REASONS_MAX = 20
DETAIL_MAX = 200

STATE = {"pk": {"S": "migration"}, "sk": {"S": "state"}}

Item = Mapping[str, Any]


class LeaseLost(SpillwayError):
    pass


class Switched(LeaseLost):
    """Not a failure of `follow`: its end."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the migration is. `copied_to` is the last old key, as the database spells it, up to
    which every order has been copied; times are Unix ms."""

    phase: Phase = "new"
    start: Position | None = None
    server: str | None = None
    copied_to: str | None = None
    copied: int = 0
    followed: Position | None = None
    lag_ms: int = 0
    owner: str | None = None
    until: int = 0
    work: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An old order in the index. `stale`: where it lay before and may still lie, because it was
    being moved."""

    key: OrderKey
    stale: tuple[OrderKey, ...] = ()

    @property
    def everywhere(self) -> tuple[OrderKey, ...]:
        return (self.key, *self.stale)


@dataclass(slots=True)
class State:
    """The migration's table. `dynamodb` is a boto3 client."""

    dynamodb: Any
    table: str
    owner: str = field(default_factory=lambda: f"{socket.gethostname()}/{os.getpid()}")
    _sure_until: float = 0.0

    def make_table(self) -> None:
        """Make the table where it is not there yet."""
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
        deadline = time.monotonic() + TABLE_WAIT_SECONDS_MAX
        while self._status() != "ACTIVE":
            if time.monotonic() > deadline:
                raise SpillwayError(f"The table {self.table} is not ready yet: try again.")
            time.sleep(1)

    def _status(self) -> str:
        status: str = self.dynamodb.describe_table(TableName=self.table)["Table"]["TableStatus"]
        return status

    def standing(self) -> Standing:
        answer = self.dynamodb.get_item(TableName=self.table, Key=STATE, ConsistentRead=True)
        return _standing(answer.get("Item", {}))

    @contextmanager
    def lease(self, work: str, phases: Iterable[Phase]) -> Iterator[Standing]:
        """Be the only one at work. SpillwayError: another is, or the phase does not allow it."""
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
                self._update({"until": 0}, self._mine())

    def _take(self, work: str, phases: frozenset[Phase]) -> Standing:
        standing = self.standing()
        if standing.phase not in phases:
            raise SpillwayError(_not_now(work, standing.phase))
        now = _now()
        if standing.owner and standing.until > now and not self._dead(standing.owner):
            raise SpillwayError(
                f"`spillway migrate {standing.work}` is at work ({standing.owner}): end it first,"
                f" or wait {(standing.until - now) // 1000 + 1} s if it was killed."
            )
        same = ("#until = :seen", {":seen": {"N": str(standing.until)}})
        condition = same if standing.owner else ("attribute_not_exists(#owner)", {})
        try:
            self._renew({"owner": self.owner, "work": work}, condition)
        except ClientError as error:
            if not _refused(error):
                raise
            raise SpillwayError("Another `spillway migrate` has just begun: try again.") from error
        return replace(standing, owner=self.owner, work=work)

    def _dead(self, owner: str) -> bool:
        """A process of this machine that is no more: no need to wait for its lease to run out."""
        host, _, pid = owner.rpartition("/")
        if host != socket.gethostname() or not pid.isdigit():
            return False
        if int(pid) == os.getpid():
            return True
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def _keep(self, ended: threading.Event) -> None:
        while not ended.wait(RENEW_SECONDS):
            # What fails here shows in `ensure`, when the time that is sure has run out.
            with suppress(BotoCoreError, ClientError):
                self._renew({}, self._mine())

    def _renew(self, values: Mapping[str, object], condition: tuple[str, Item]) -> None:
        asked = time.monotonic()
        self._update({**values, "until": _now() + LEASE_SECONDS * 1000}, condition)
        self._sure_until = asked + SURE_SECONDS

    def ensure(self) -> None:
        """Called before each write. Raises LeaseLost when another process may be at work by now."""
        if time.monotonic() <= self._sure_until:
            return
        try:
            # Whoever takes over puts another name there: as long as it is ours, nobody has.
            self._renew({}, self._mine())
        except (BotoCoreError, ClientError) as error:
            raise LeaseLost(
                "This process lost its hold on the migration (it stood still, or the table did not"
                " answer): run it again, it continues where it was."
            ) from error

    def save(self, **values: object) -> None:
        """Note how far the work has come; names are those of `Standing`."""
        changes: dict[str, object] = {}
        for name, value in values.items():
            if isinstance(value, Position):
                changes |= {f"{name}_file": value.file, f"{name}_offset": value.offset}
            else:
                changes[name] = value
        try:
            self._update(changes, self._mine())
        except ClientError as error:
            if not _refused(error):
                raise
            if self.standing().phase == "switched":
                raise Switched("The switch has been made: nothing is left to follow.") from error
            raise LeaseLost("Another `spillway migrate` has taken over: this one ends.") from error

    def switch(self) -> None:
        """The switch is made: whoever follows notices at the next note and ends."""
        self._update(
            {"phase": "switched", "owner": None, "until": 0},
            ("#phase = :following", {":following": {"S": "following"}}),
        )

    def _mine(self) -> tuple[str, Item]:
        return "#owner = :me", {":me": {"S": self.owner}}

    def _update(self, values: Mapping[str, object], condition: tuple[str, Item]) -> None:
        clause, condition_values = condition
        removed = [name for name, value in values.items() if value is None]
        kept = {name: value for name, value in values.items() if value is not None}
        names = {"#owner": "owner", "#until": "until"}
        names = {mark: name for mark, name in names.items() if mark in clause}
        names |= {f"#{name}": name for name in values}
        expression = "SET " + ", ".join(f"#{name} = :v_{name}" for name in kept) if kept else ""
        if removed:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        self.dynamodb.update_item(
            TableName=self.table,
            Key=STATE,
            UpdateExpression=expression.strip(),
            ConditionExpression=clause,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={
                **{f":v_{name}": attribute(value) for name, value in kept.items()},
                **condition_values,
            },
        )

    def listed(self, kind: Literal["quarantine", "open"]) -> Iterator[Item]:
        """Every order in quarantine, or every open one."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :kind",
            ExpressionAttributeValues={":kind": {"S": kind}},
        )
        for page in pages:
            yield from page["Items"]


def index_key(old_key: str) -> dict[str, Any]:
    return {"pk": {"S": f"order/{old_key}"}, "sk": {"S": "order"}}


def index_item(old_key: str, entry: Entry) -> dict[str, Any]:
    item = {
        **index_key(old_key),
        "customer": {"S": entry.key.customer_id},
        "order": {"S": entry.key.order_id},
    }
    if entry.stale:
        pairs = [{"L": [{"S": key.customer_id}, {"S": key.order_id}]} for key in entry.stale]
        item["stale"] = {"L": pairs}
    return item


def entry_of(item: Item) -> tuple[str, Entry]:
    """The old key, and its entry."""
    stale = tuple(
        OrderKey(pair["L"][0]["S"], pair["L"][1]["S"]) for pair in item.get("stale", {"L": []})["L"]
    )
    key = OrderKey(item["customer"]["S"], item["order"]["S"])
    return item["pk"]["S"].removeprefix("order/"), Entry(key, stale)


def quarantine_key(old_key: str) -> dict[str, Any]:
    # An empty text is no key: rows without an order number have this one.
    return {"pk": {"S": "quarantine"}, "sk": {"S": old_key or "(none)"}}


def quarantine_item(old_key: str, reasons: Sequence[Reason]) -> dict[str, Any]:
    listed = [
        {"L": [{"S": reason.rule}, {"S": reason.detail[:DETAIL_MAX]}]}
        for reason in reasons[:REASONS_MAX]
    ]
    return {**quarantine_key(old_key), "reasons": {"L": listed}}


def quarantined_of(item: Item) -> tuple[str, tuple[Reason, ...]]:
    key = item["sk"]["S"]
    reasons = tuple(Reason(pair["L"][0]["S"], pair["L"][1]["S"]) for pair in item["reasons"]["L"])
    return "" if key == "(none)" else key, reasons


def open_key(old_key: str) -> dict[str, Any]:
    return {"pk": {"S": "open"}, "sk": {"S": old_key}}


def open_item(old_key: str, key: OrderKey) -> dict[str, Any]:
    return {
        **open_key(old_key),
        "customer": {"S": key.customer_id},
        "order": {"S": key.order_id},
    }


def attribute(value: object) -> dict[str, str]:
    return {"N": str(value)} if isinstance(value, int) else {"S": str(value)}


def _standing(item: Item) -> Standing:
    def number(name: str) -> int:
        return int(item[name]["N"]) if name in item else 0

    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    def position(name: str) -> Position | None:
        file = text(f"{name}_file")
        return Position(file, number(f"{name}_offset")) if file else None

    phase: Phase = next((known for known in PHASES if known == text("phase")), "new")
    return Standing(
        phase=phase,
        start=position("start"),
        server=text("server"),
        copied_to=text("copied_to"),
        copied=number("copied"),
        followed=position("followed"),
        lag_ms=number("lag_ms"),
        owner=text("owner"),
        until=number("until"),
        work=text("work") or "",
    )


def _not_now(work: str, phase: Phase) -> str:
    if phase == "switched":
        return (
            f"The switch has been made: `migrate {work}` would overwrite what customers have done"
            " since. `spillway migrate back` brings the new orders into the old database."
        )
    if phase == "following":
        return "The copy is complete: `spillway migrate follow` goes on, or `copy --again`."
    return "The copy is not complete: run `spillway migrate copy` first; it continues where it was."


def _refused(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")


def _now() -> int:
    return time.time_ns() // 1_000_000
