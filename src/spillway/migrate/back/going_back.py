"""back: after the switch, write new and changed orders into the old table.

The stream only says which orders have changed. Each is read as it is now and written like that, so
repetition and order do no harm. A table beside the old one has the old number of each new order. It
is written in the same transaction as the old rows, so no crash writes an order twice. Another table
there has the position in each shard: all that `back` knows is in one database.

When the old table cannot hold an order (a customer that it never knew, an emoji in a Latin-1
column), `spillway_back` and the quarantine file get the reason, and `back` tries again when the
order changes.
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
from orders.aws.items import IMPORTED, Item
from orders.domain.order import OrderKey
from spillway.errors import SpillwayError
from spillway.migrate.back.inverse import Inverse, Unwritable, Values
from spillway.migrate.back.streaming import Page, Stream
from spillway.migrate.config import Back
from spillway.migrate.new.items import keys_of, touched
from spillway.migrate.old.connection import SourceAway, account, code_of, connected, run
from spillway.migrate.old.mapping import Reason, Unmapped
from spillway.migrate.old.table import Table, describe, quoted
from spillway.migrate.running import Parts
from spillway.target.reading import pages

IDLE_SECONDS = 0.5
RECONNECT_SECONDS = 2.0
#: The old column can't hold a value: bad text, too long, out of range, no default, and so on.
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

#: Called after each round: all orders written so far, and the age in seconds of the last change.
OnProgress = Callable[[int, float], None]


@dataclass(slots=True)
class GoBack:
    parts: Parts
    on_progress: OnProgress
    stop: threading.Event = field(default_factory=threading.Event)
    written: int = 0

    def run(self, *, until_caught_up: bool = False, resync: bool = False) -> int:
        """Endless, or until the stream has nothing more. Returns the number of orders written.

        SpillwayError: the configuration does not say how to go back.
        """
        back = self.parts.config.back
        if back is None:
            raise SpillwayError("The configuration has no [back]: it says how to write old rows.")
        with self.parts.state.lease("back", ["switched"]):
            while not self.stop.is_set():
                try:
                    with self._session(back) as session:
                        if resync:
                            self._resync(session)
                            resync = False
                        self._rounds(session, until_caught_up=until_caught_up)
                        break
                except SourceAway:
                    self.stop.wait(RECONNECT_SECONDS)
        return self.written

    @contextmanager
    def _session(self, back: Back) -> Iterator[_Session]:
        config = self.parts.config
        writer = account(config.source, self.parts.environment, back.url_variable)
        with connected(writer, write=True) as connection:
            run(connection, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
            run(connection, ORDERS)
            run(connection, SHARDS)
            table = describe(connection, config)

            def customer(subject: str) -> str | None:
                return _old_customer(self.parts, connection, subject)

            yield _Session(connection, Inverse(config, back, customer, table.utc_columns), table)

    def _rounds(self, session: _Session, *, until_caught_up: bool) -> None:
        kept = run(session.connection, "SELECT shard, place FROM spillway_back_shards")
        stream = Stream(
            self.parts.place.patient("dynamodbstreams"),
            self._stream_arn(),
            {str(shard): str(place) for shard, place in kept},
        )
        while not self.stop.is_set():
            found = False
            for page in stream.round():
                found = True
                self._page(session, page)
            if not found:
                if until_caught_up:
                    return
                self.on_progress(self.written, 0.0)
                self.stop.wait(IDLE_SECONDS)

    def _page(self, session: _Session, page: Page) -> None:
        changes = [record["dynamodb"] for record in page.records]
        self._write(session, [change["Keys"] for change in changes if _by_customers(change)])
        if page.place is not None:
            run(
                session.connection,
                "REPLACE INTO spillway_back_shards (shard, place) VALUES (%s, %s)",
                (page.shard, page.place),
            )
        if changes:
            at = changes[-1]["ApproximateCreationDateTime"].timestamp()
            self.on_progress(self.written, max(0.0, time.time() - at))

    def _resync(self, session: _Session) -> None:
        """Read the whole table. The stream then begins with its oldest record."""
        run(session.connection, "DELETE FROM spillway_back_shards")
        for found in pages(self.parts.state.dynamodb, self.parts.place.orders_table):
            self._write(session, found)
            self.on_progress(self.written, 0.0)

    def _write(self, session: _Session, changed: Iterable[Item]) -> None:
        """Write the orders that these items, or keys of items, are about."""
        keys = dict.fromkeys(map(items.key_of, changed))
        wanted = [one for key in keys for one in keys_of(key)]
        found = {
            (items.key_of(item), items.is_progress(item)): item
            for item in self.parts.writer.get(self.parts.place.orders_table, wanted)
        }
        for key in keys:
            order = found.get((key, False))
            if order is None or items.is_void(order):
                continue
            progress = found.get((key, True))
            if items.is_stub(order):
                [(order, progress)] = self.parts.place.archive.items_of([order])
            self.parts.state.ensure()
            reason = session.write(order, progress)
            if reason is not None:
                unmapped = Unmapped(f"{key.customer_id}/{key.order_id}", (Reason("back", reason),))
                self.parts.applier.quarantine.add([unmapped])
            self.written += 1

    def _stream_arn(self) -> str:
        table = self.parts.place.orders_table
        described = self.parts.state.dynamodb.describe_table(TableName=table)["Table"]
        arn = described.get("LatestStreamArn")
        if not arn:
            raise SpillwayError(f"The table {table} has no stream: is it the orders table?")
        return str(arn)


@dataclass(frozen=True, slots=True)
class _Session:
    connection: Connection[Any]
    inverse: Inverse
    table: Table

    def write(self, order: Item, progress: Item | None) -> str | None:
        """The reason why it could not be written; None where it was."""
        self.connection.begin()
        try:
            if IMPORTED in order:
                self._update_old(order[IMPORTED]["S"], progress)
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
        if progress is not None and IMPORTED in progress and touched(progress):
            self._update(old_key, self.inverse.status_values(items.facts(progress)))

    def _upsert_new(self, order: Item, progress: Item | None) -> None:
        accepted, facts = items.accepted_order(order), items.facts(progress)
        names = (accepted.key.customer_id, accepted.key.order_id)
        mine = "WHERE customer = %s AND order_id = %s"
        found = self._run(f"SELECT seq, old_key FROM spillway_back {mine} FOR UPDATE", names)  # noqa: S608 -- constant
        if found and found[0][1] is not None:
            self._update(found[0][1], self.inverse.status_values(facts))
            return
        rows = self.inverse.rows(accepted, facts)
        if not found:
            self._run("INSERT INTO spillway_back (customer, order_id) VALUES (%s, %s)", names)
        seq = found[0][0] if found else self._made()
        old_key = self._insert(rows, self._number(accepted.key, int(seq or 0)))
        self._run(
            f"UPDATE spillway_back SET old_key = %s, reason = NULL {mine}",  # noqa: S608 -- constant
            (old_key, *names),
        )

    def _number(self, key: OrderKey, seq: int) -> str | None:
        """The order number to write; None where MySQL makes it."""
        back = self.inverse.back
        if back.key == "auto_increment":
            return None
        return key.order_id if back.key == "order_id" else str((back.first_key or 0) + seq)

    def _insert(self, rows: Sequence[Values], number: str | None) -> str:
        source, order = self.inverse.config.source, self.inverse.config.order
        for row in rows:
            values = row if number is None else {order.key: number, **row}
            names = ", ".join(map(quoted, values))
            marks = ", ".join(["%s"] * len(values))
            self._run(
                f"INSERT INTO {quoted(source.table)} ({names}) VALUES ({marks})",  # noqa: S608 -- names, quoted
                tuple(values.values()),
            )
        # As the table spells it: with the zeros of a ZEROFILL, for example.
        found = self._run(
            f"SELECT {quoted(order.key)} FROM {quoted(source.table)}"  # noqa: S608 -- names, quoted
            f" WHERE {quoted(order.key)} = %s LIMIT 1",
            (self.table.key.value(number or self._made()),),
        )
        made = str(found[0][0])
        self._must_count(made, len(rows))
        return made

    def _made(self) -> str:
        """The number that MySQL has just made."""
        return str(self._run("SELECT LAST_INSERT_ID()", ())[0][0])

    def _update(self, old_key: str, values: Values) -> None:
        if not values:
            return
        assignments = ", ".join(f"{quoted(name)} = %s" for name in values)
        counted = self._counted(old_key)
        self._run(
            f"UPDATE {quoted(self.inverse.config.source.table)} SET {assignments}"  # noqa: S608 -- names, quoted
            f" {self._its_rows}",
            (*values.values(), self.table.key.value(old_key)),
        )
        self._must_count(old_key, counted)

    @property
    def _its_rows(self) -> str:
        """Of one number, those that `source.where` takes for an order's."""
        config = self.inverse.config
        condition = config.source.condition.replace("%", "%%")
        return f"WHERE {condition} AND {quoted(config.order.key)} = %s"

    def _counted(self, old_key: str) -> int:
        table = quoted(self.inverse.config.source.table)
        number = (self.table.key.value(old_key),)
        return int(self._run(f"SELECT COUNT(*) FROM {table} {self._its_rows}", number)[0][0] or 0)  # noqa: S608 -- names, quoted

    def _must_count(self, old_key: str, rows: int) -> None:
        """What was written must still be an order to those who read the table."""
        if self._counted(old_key) < rows:
            raise Unwritable("as it would be written, source.where takes it for no order")

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[str | None, ...]]:
        return run(self.connection, statement, values)

    def _note_unwritable(self, key: OrderKey, reason: str) -> str:
        self._run(
            "INSERT INTO spillway_back (customer, order_id, reason) VALUES (%s, %s, %s)"
            " ON DUPLICATE KEY UPDATE reason = VALUES(reason)",
            (key.customer_id, key.order_id, reason),
        )
        return reason


def _old_customer(parts: Parts, connection: Connection[Any], subject: str) -> str | None:
    """None where the old shop has no such customer."""
    customers = parts.config.customers
    if parts.customers is not None:
        return parts.customers.customer(subject)
    if customers.by != "table":
        return subject
    found = run(
        connection,
        f"SELECT `{customers.key}` FROM `{customers.table}`"  # noqa: S608 -- names, checked
        f" WHERE `{customers.subject}` = %s",
        (subject,),
    )
    return found[0][0] if found else None


def _by_customers(change: Any) -> bool:
    """Not one of the migration's own writes, nor a removal, nor that an order was archived."""
    after = change.get("NewImage")
    if after is None or items.is_stub(after):
        return False
    return not items.written_by_import(change.get("OldImage"), after)
