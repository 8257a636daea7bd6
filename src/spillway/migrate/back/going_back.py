"""back: after the switch, write new and changed orders into the old table.

The stream only says which orders have changed. Each is read as it is now and written like that, so
repetition and order do no harm. A table beside the old one has the old number of each new order. It
is written in the same transaction as the old rows, so no crash writes an order twice. Another table
there has the position in each shard: all that `back` knows is in one database.

Before that transaction commits, `back` reads its rows through the mapping of the copy. When the old
table cannot hold an order (a customer that it never knew, an emoji in a Latin-1 column, a tax
without a column), nothing of it is written: it waits. `spillway_back` and the quarantine file have
the reason, each progress says how many wait, and `back` tries again at its start, in each minute,
and when the order changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

from pymysql.connections import Connection

from orders.aws import items
from orders.domain.order import OrderKey
from orders.domain.units import CustomerId, OrderId
from spillway.errors import SpillwayError
from spillway.migrate.back.beforehand import hindrances
from spillway.migrate.back.inverse import Inverse
from spillway.migrate.back.streaming import GONE_FOR_GOOD, RETENTION_HOURS, Page, Stream
from spillway.migrate.back.writing import Session, make_tables
from spillway.migrate.config import Back
from spillway.migrate.new.items import keys_of
from spillway.migrate.old.connection import (
    SourceAway,
    account,
    connected,
    quoted,
    run,
)
from spillway.migrate.old.description import describe
from spillway.migrate.old.mapping import Unmapped
from spillway.migrate.old.table import OldTable
from spillway.migrate.running import Parts
from spillway.target.reading import pages

PAUSE_SECONDS = 0.25
RECONNECT_SECONDS = 2.0
#: What waits is tried again so often, so many orders at once.
RETRY_SECONDS = 60.0
RETRIED_AT_ONCE = 100
RETRIED_MAX = 1_000
#: GetRecords may answer with nothing although later records are there: so many rounds without any
#: are taken for the end.
EMPTY_ROUNDS = 20
#: Beside the shards: until when (Unix seconds) all changes are known to be read; and that a reading
#: of the whole table is not complete.
READ_UNTIL, RESYNC = "#read_until", "#resync"
NOTE_SECONDS = 10.0

#: Called after each round: all orders written so far, the age in seconds of the last change, and
#: how many orders wait.
OnProgress = Callable[[int, float, int], None]


@dataclass(slots=True)
class GoBack:
    parts: Parts
    on_progress: OnProgress
    stop: threading.Event = field(default_factory=threading.Event)
    #: Between rounds without any records: DescribeStream may be called ten times a second.
    pause_seconds: float = PAUSE_SECONDS
    written: int = 0
    #: How many orders wait, by rule.
    waiting: dict[str, int] = field(default_factory=dict)
    _retried_at: float = 0.0
    #: The last one, by its place in `spillway_back`.
    _retried_to: int = 0

    def run(self, *, until_caught_up: bool = False, resync: bool = False) -> int:
        """Endless, or until the stream has nothing more. Returns the number of orders written.

        SpillwayError: the configuration does not say how to go back, the old table cannot be
        written to, or the stream no longer has all changes.
        """
        back = self.parts.config.back
        if back is None:
            raise SpillwayError("The configuration has no [back]: it says how to write old rows.")
        with self.parts.state.lease("back", ["switched"]) as standing:
            while not self.stop.is_set():
                try:
                    with self._session(back) as session:
                        stream = self._stream(session, standing.switched_at / 1000, resync=resync)
                        if RESYNC in session.noted:
                            self._resync(session, stream)
                            resync = False
                        self._retry(session, inf if until_caught_up else RETRIED_MAX)
                        self._rounds(session, stream, until_caught_up=until_caught_up)
                        break
                except SourceAway:
                    self.stop.wait(RECONNECT_SECONDS)
        return self.written

    @contextmanager
    def _session(self, back: Back) -> Iterator[Session]:
        config = self.parts.config
        writer = account(config.source, self.parts.environment, back.url_variable)
        with connected(writer, write=True) as connection:
            run(connection, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
            make_tables(connection)
            problems = list(hindrances(connection, config, back, describe(connection, config)))
            if problems:
                raise SpillwayError(f"`back` cannot begin: {'; '.join(problems)}.")
            old = OldTable(connection, config, self.parts.subject)

            def customer(subject: str) -> str | None:
                return _old_customer(self.parts, connection, subject)

            inverse = Inverse(config, back, customer, old.table.kinds)
            yield Session(connection, inverse, old)

    def _stream(self, session: Session, switched_at: float, *, resync: bool) -> Stream:
        """From where the last process was. SpillwayError: it no longer has all changes since."""
        if resync:
            session.run("DELETE FROM spillway_back_shards")
            session.note(RESYNC, "1")
        kept = session.run("SELECT shard, place FROM spillway_back_shards")
        session.noted.update((str(name), str(value)) for name, value in kept)
        read_until = float(session.noted.get(READ_UNTIL, switched_at))
        # An hour less: it takes some time to begin.
        oldest = time.time() - (RETENTION_HOURS - 1) * 3_600
        if read_until and read_until < oldest and RESYNC not in session.noted:
            raise SpillwayError(GONE_FOR_GOOD)
        places = {name: place for name, place in session.noted.items() if name[0] != "#"}
        client = self.parts.place.patient("dynamodbstreams")
        return Stream(client, self._stream_arn(), places)

    def _rounds(self, session: Session, stream: Stream, *, until_caught_up: bool) -> None:
        empty, noted = 0, float("-inf")
        while not self.stop.is_set():
            began = time.time()
            found = self._round(session, stream)
            empty = 0 if found else empty + 1
            if not stream.behind and began - noted > NOTE_SECONDS:
                session.note(READ_UNTIL, str(int(began)))
                noted = began
            if until_caught_up and empty == EMPTY_ROUNDS:
                return
            if time.monotonic() - self._retried_at > RETRY_SECONDS:
                self._retry(session, RETRIED_MAX)
            if not found:
                self.on_progress(self.written, 0.0, sum(self.waiting.values()))
                self.stop.wait(self.pause_seconds)

    def _round(self, session: Session, stream: Stream) -> bool:
        """Whether there was anything."""
        found = False
        for page in stream.round():
            found = True
            self._page(session, page)
        return found

    def _page(self, session: Session, page: Page) -> None:
        changes = [record["dynamodb"] for record in page.records]
        self._write(session, [items.key_of(one["Keys"]) for one in changes if _by_customers(one)])
        if page.place is not None:
            session.note(page.shard, page.place)
        if changes:
            at = changes[-1]["ApproximateCreationDateTime"].timestamp()
            age = max(0.0, time.time() - at)
            self.on_progress(self.written, age, sum(self.waiting.values()))

    def _resync(self, session: Session, stream: Stream) -> None:
        """Read the whole table, and now and then the stream: it forgets what takes a day."""
        began, looked = time.time(), time.monotonic()
        for found in pages(self.parts.state.dynamodb, self.parts.place.orders_table):
            self._write(session, map(items.key_of, found))
            self.on_progress(self.written, 0.0, sum(self.waiting.values()))
            if time.monotonic() - looked > RETRY_SECONDS:
                self._round(session, stream)
                looked = time.monotonic()
        session.note(READ_UNTIL, str(int(began)))
        session.run("DELETE FROM spillway_back_shards WHERE shard = %s", RESYNC)
        del session.noted[RESYNC]

    def _retry(self, session: Session, orders_max: float) -> None:
        """Try what waits: its customer may be there by now, or its column wider. Not all at once:
        new orders must not wait for these."""
        tried = 0
        while tried < orders_max and not self.stop.is_set():
            found = session.run(
                "SELECT seq, customer, order_id FROM spillway_back WHERE reason IS NOT NULL"
                " AND seq > %s ORDER BY seq LIMIT %s",
                self._retried_to,
                RETRIED_AT_ONCE,
            )
            self._retried_to = int(found[-1][0] or 0) if found else 0
            if not found:
                break
            keys = [OrderKey(CustomerId(str(who)), OrderId(str(id_))) for _, who, id_ in found]
            self._write(session, keys)
            tried += len(keys)
        self._retried_at = time.monotonic()
        self._note_waiting(session)

    def _write(self, session: Session, changed: Iterable[OrderKey]) -> None:
        keys = dict.fromkeys(changed)
        wanted = [one for key in keys for one in keys_of(key)]
        found = {
            (items.key_of(item), items.is_progress(item)): item
            for item in self.parts.writer.get(self.parts.place.orders_table, wanted)
        }
        quarantine, news = self.parts.applier.quarantine, False
        for key in keys:
            order = found.get((key, False))
            if order is None or items.is_void(order):
                continue
            progress = found.get((key, True))
            if items.is_stub(order):
                [(order, progress)] = self.parts.place.archive.items_of([order])
            self.parts.state.ensure()
            done = session.write(order, progress)
            name = f"{key.customer_id}/{key.order_id}"
            if done.reason is None:
                self.written += done.wrote
                if done.waited:
                    quarantine.resolve([name])
            elif done.is_news:
                quarantine.add([Unmapped(name, (done.reason,))])
            news = news or done.waited or done.is_news
        if news:
            self._note_waiting(session)

    def _note_waiting(self, session: Session) -> None:
        self.waiting = session.waiting()
        self.parts.state.note_waiting(sum(self.waiting.values()))

    def _stream_arn(self) -> str:
        table = self.parts.place.orders_table
        described = self.parts.state.dynamodb.describe_table(TableName=table)["Table"]
        view = described.get("StreamSpecification", {}).get("StreamViewType")
        if view != "NEW_AND_OLD_IMAGES":
            raise SpillwayError(
                f"The table {table} has no stream of both images: is it the orders table?"
            )
        return str(described["LatestStreamArn"])


def _old_customer(parts: Parts, connection: Connection[Any], subject: str) -> str | None:
    """None where the old shop has no such customer."""
    customers = parts.config.customers
    if parts.customers is not None:
        return parts.customers.customer(subject)
    if customers.key is None or customers.table is None or customers.subject is None:
        return subject
    key, table, column = map(quoted, (customers.key, customers.table, customers.subject))
    found = run(
        connection,
        f"SELECT {key} FROM {table} WHERE {column} = %s",  # noqa: S608 -- names, quoted
        (subject,),
    )
    return found[0][0] if found else None


def _by_customers(change: Any) -> bool:
    """Not one of the migration's own writes, nor a removal, nor that an order was archived."""
    after = change.get("NewImage")
    if after is None or items.is_stub(after):
        return False
    return not items.written_by_import(change.get("OldImage"), after)
