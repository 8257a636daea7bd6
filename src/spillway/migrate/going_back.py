"""back: after the switch, write new and changed orders into the old table.

The stream only says which orders have changed; each is then read as it is now and written so, which
makes repetition and order harmless. Which order has which old number is kept in a table beside the
old one, in the same transaction as the old rows: an order can be written twice by no crash. Where
each shard stands lies there too, so that all that `back` knows is in one place.

An order that the old table cannot hold (a customer it never knew, an emoji in a Latin-1 column) is
noted in `spillway_back` with the reason and in the quarantine file, and tried again when it
changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.connections import Connection

from orders.aws import items
from orders.aws.items import Item
from orders.domain.order import OrderKey
from spillway.errors import SpillwayError
from spillway.migrate.config import Back, Config
from spillway.migrate.connection import Account, SourceAway, code_of, connected, run
from spillway.migrate.inverse import Inverse, Unwritable, Values
from spillway.migrate.items import imprint_of, touched
from spillway.migrate.mapping import Reason, Unmapped
from spillway.migrate.quarantine import Quarantine
from spillway.migrate.source import Table, describe, quoted
from spillway.migrate.state import State
from spillway.migrate.streaming import Page, Stream
from spillway.migrate.target import Writer

IDLE_SECONDS = 0.5
RECONNECT_SECONDS = 2.0
#: A value that the old column can't hold: bad text, too long, out of range, no default, and so on.
UNWRITABLE = frozenset({1048, 1264, 1265, 1292, 1364, 1366, 1406, 1452, 3819, 4025})
REASON_MAX = 250

ORDERS = """CREATE TABLE IF NOT EXISTS spillway_back (
    seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE,
    customer VARCHAR(256) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    order_id CHAR(36) CHARACTER SET ascii NOT NULL,
    old_key VARCHAR(64) NULL,
    reason VARCHAR(250) CHARACTER SET utf8mb4 NULL,
    PRIMARY KEY (order_id, customer)
) ENGINE = InnoDB"""
SHARDS = """CREATE TABLE IF NOT EXISTS spillway_back_shards (
    shard VARCHAR(128) CHARACTER SET ascii PRIMARY KEY,
    place VARCHAR(64) CHARACTER SET ascii NOT NULL
) ENGINE = InnoDB"""

#: Told after each round: orders written in all, and the age in seconds of the last change.
OnProgress = Callable[[int, float], None]


@dataclass(slots=True)
class GoBack:
    config: Config
    back: Back
    account: Account
    state: State
    writer: Writer
    streams: Any
    orders_table: str
    customers: Callable[[Connection[Any], str], str | None]
    on_progress: OnProgress
    quarantine: Quarantine
    stop: threading.Event = field(default_factory=threading.Event)
    written: int = 0

    def run(self, *, until_caught_up: bool = False, resync: bool = False) -> int:
        """Endless, or until the stream has nothing more. Returns the number of orders written."""
        with self.state.lease("back", ["switched"]):
            while not self.stop.is_set():
                try:
                    with self._session() as session:
                        if resync:
                            self._resync(session)
                            resync = False
                        if self._rounds(session, until_caught_up=until_caught_up):
                            break
                except SourceAway:
                    self.stop.wait(RECONNECT_SECONDS)
        return self.written

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        with connected(self.account, write=True) as connection:
            run(connection, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
            run(connection, ORDERS)
            run(connection, SHARDS)
            table = describe(connection, self.config)
            inverse = Inverse(
                self.config,
                self.back,
                lambda subject: self.customers(connection, subject),
                table.utc_columns,
            )
            yield _Session(connection, self.config, self.back, table, inverse)

    def _rounds(self, session: _Session, *, until_caught_up: bool) -> bool:
        kept = run(session.connection, "SELECT shard, place FROM spillway_back_shards")
        stream = Stream(
            self.streams, self._stream_arn(), {str(shard): str(place) for shard, place in kept}
        )
        while not self.stop.is_set():
            found = False
            for page in stream.round():
                found = True
                self._page(session, page)
            if not found:
                if until_caught_up:
                    return True
                self.on_progress(self.written, 0.0)
                self.stop.wait(IDLE_SECONDS)
        return True

    def _page(self, session: _Session, page: Page) -> None:
        keys = dict.fromkeys(
            items.key_of(record["dynamodb"]["Keys"])
            for record in page.records
            if _by_customers(record)
        )
        self._write(session, list(keys))
        if page.place is not None:
            run(
                session.connection,
                "REPLACE INTO spillway_back_shards (shard, place) VALUES (%s, %s)",
                (page.shard, page.place),
            )
        if page.records:
            at = page.records[-1]["dynamodb"]["ApproximateCreationDateTime"]
            seconds = time.time() - (at.timestamp() if hasattr(at, "timestamp") else float(at))
            self.on_progress(self.written, max(0.0, seconds))

    def _resync(self, session: _Session) -> None:
        """Go over the whole table; then the stream from where it is now kept."""
        run(session.connection, "DELETE FROM spillway_back_shards")
        pages = self.state.dynamodb.get_paginator("scan").paginate(
            TableName=self.orders_table, ConsistentRead=True
        )
        for page in pages:
            keys = dict.fromkeys(items.key_of(item) for item in page["Items"])
            self._write(session, list(keys))
            self.on_progress(self.written, 0.0)

    def _write(self, session: _Session, keys: Sequence[OrderKey]) -> None:
        wanted = [one for key in keys for one in (items.order_key(key), items.progress_key(key))]
        found = {
            (items.key_of(item), items.is_progress(item)): item
            for item in self.writer.get(self.orders_table, wanted)
        }
        for key in keys:
            order = found.get((key, False))
            if order is None:
                continue
            self.state.ensure()
            reason = session.write(order, found.get((key, True)))
            if reason is not None:
                unmapped = Unmapped(f"{key.customer_id}/{key.order_id}", (Reason("back", reason),))
                self.quarantine.add([unmapped])
            self.written += 1

    def _stream_arn(self) -> str:
        description = self.state.dynamodb.describe_table(TableName=self.orders_table)["Table"]
        arn = description.get("LatestStreamArn")
        if not arn:
            raise SpillwayError("The orders table has no stream: is it the right one?")
        return str(arn)


@dataclass(frozen=True, slots=True)
class _Session:
    """Writes orders through one connection, each in a transaction of its own."""

    connection: Connection[Any]
    config: Config
    back: Back
    table: Table
    inverse: Inverse

    def write(self, order: Item, progress: Item | None) -> str | None:
        """Why it could not be written; None where it was."""
        self.connection.begin()
        try:
            if items.IMPORTED in order:
                self._update_old(order[items.IMPORTED]["S"], progress)
            else:
                self._upsert_new(order, progress)
        except (Unwritable, pymysql.err.MySQLError) as error:
            self.connection.rollback()
            if isinstance(error, pymysql.err.MySQLError) and code_of(error) not in UNWRITABLE:
                raise
            return self._note_unwritable(items.key_of(order), str(error)[:REASON_MAX])
        self.connection.commit()
        return None

    def _update_old(self, old_key: str, progress: Item | None) -> None:
        """An order from the old table: only what the new service has done to it since."""
        if progress is None or imprint_of(progress) is None or not touched(progress):
            return
        self._update(old_key, self.inverse.status_values(items.facts(progress)))

    def _upsert_new(self, order: Item, progress: Item | None) -> None:
        accepted, facts = items.accepted_order(order), items.facts(progress)
        key = accepted.key
        found = run(
            self.connection,
            "SELECT old_key FROM spillway_back WHERE order_id = %s AND customer = %s FOR UPDATE",
            (key.order_id, key.customer_id),
        )
        if found and found[0][0] is not None:
            self._update(found[0][0], self.inverse.status_values(facts))
            return
        rows = self.inverse.rows(accepted, facts)
        if not found:
            run(
                self.connection,
                "INSERT INTO spillway_back (customer, order_id) VALUES (%s, %s)",
                (key.customer_id, key.order_id),
            )
        old_key = self._insert(key, rows)
        run(
            self.connection,
            "UPDATE spillway_back SET old_key = %s, reason = NULL"
            " WHERE order_id = %s AND customer = %s",
            (old_key, key.order_id, key.customer_id),
        )

    def _insert(self, key: OrderKey, rows: Iterable[Values]) -> str:
        column, number = self.config.order.key, self._number(key)
        for row in rows:
            values = row if number is None else {column: number, **row}
            names = ", ".join(map(quoted, values))
            marks = ", ".join(["%s"] * len(values))
            with self.connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO {quoted(self.config.source.table)} ({names}) VALUES ({marks})",  # noqa: S608 -- names, quoted
                    tuple(values.values()),
                )
                made = cursor.lastrowid
        return str(made) if number is None else number

    def _number(self, key: OrderKey) -> str | None:
        """The order number to write; None where MySQL makes it."""
        if self.back.key == "auto_increment":
            return None
        if self.back.key == "order_id":
            return key.order_id
        seq = run(
            self.connection,
            "SELECT seq FROM spillway_back WHERE order_id = %s AND customer = %s",
            (key.order_id, key.customer_id),
        )
        return str((self.back.first_key or 0) + int(seq[0][0] or 0))

    def _update(self, old_key: str, values: Values) -> None:
        if not values:
            return
        assignments = ", ".join(f"{quoted(name)} = %s" for name in values)
        key: object = int(old_key) if self.table.key_is_number else old_key
        run(
            self.connection,
            f"UPDATE {quoted(self.config.source.table)} SET {assignments}"  # noqa: S608 -- names, quoted
            f" WHERE {quoted(self.config.order.key)} = %s",
            (*values.values(), key),
        )

    def _note_unwritable(self, key: OrderKey, reason: str) -> str:
        run(
            self.connection,
            "INSERT INTO spillway_back (customer, order_id, reason) VALUES (%s, %s, %s)"
            " ON DUPLICATE KEY UPDATE reason = VALUES(reason)",
            (key.customer_id, key.order_id, reason),
        )
        return reason


def _by_customers(record: Any) -> bool:
    """Not one of the migration's own writes, nor a removal."""
    after = record["dynamodb"].get("NewImage")
    if after is None:
        return False
    return not items.written_by_import(record["dynamodb"].get("OldImage"), after)
